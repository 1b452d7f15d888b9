"""A server's process: started, awaited, measured, killed, its log read."""
import os
import re
import signal
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def wait_for(what, condition, seconds=20.0, step=None):
    """The first true value of condition(); AssertionError naming `what` when time is over. Asked
    every `step` seconds; left out: often at first, then less so."""
    end = time.monotonic() + seconds
    pause = 0.005 if step is None else step
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)
        if step is None:
            pause = min(pause * 1.5, 0.1)


def accepts(address, port):
    """Whether somebody listens; on our own loopback that costs him one empty connection."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
        s.settimeout(1)
        return s.connect_ex((address, port)) == 0


class Process:
    def __init__(self, name, command, folder, env=None):
        self.name, self.command, self.folder = name, command, folder
        self.env = {**os.environ, **(env or {})}
        self.fds = ()  # that it inherits
        self.stderr = None  # a file, instead of log_path
        self.log_path = os.path.join(folder, f"{name}.log")
        self.popen = None

    def start(self, listens=(), seconds=30.0):
        """Starts it and waits until it listens on each (address, port)."""
        log = open(self.log_path, "ab")
        self.popen = subprocess.Popen(
            self.command, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
            stderr=self.stderr or log, start_new_session=True, pass_fds=self.fds,
        )
        log.close()
        return self.await_listening(listens, seconds)

    def await_listening(self, listens, seconds=30.0):
        def up():
            if self.popen.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.popen.returncode}:\n{self.log()[-3000:]}")
            return all(accepts(*listen) for listen in listens)

        wait_for(f"{self.name} listens", up, seconds)
        return self

    @property
    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def signal(self, number):
        os.kill(self.popen.pid, number)

    def ask_to_end(self):
        if self.running:
            self.popen.terminate()

    def stop(self, seconds=10.0):
        """Asks it to end, then makes it. Gives the exit status."""
        if self.popen is None:
            return None
        self.ask_to_end()
        try:
            status = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        self.kill()
        return status

    def kill(self):
        if self.popen is None:
            return
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)  # what it started, too
        except ProcessLookupError:
            pass
        self.popen.wait()

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def logged(self, *words):
        """Log lines that hold all the words (regular expressions)."""
        return [line for line in self.log().splitlines() if all(re.search(w, line) for w in words)]

    def pids(self):
        """It and what it started."""
        found, todo = [], [self.popen.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as file:
                    todo += [int(word) for word in file.read().split()]
            except FileNotFoundError:
                pass
        return found

    def cpu_seconds(self):
        """User and system time, children (living and reaped) included."""
        ticks = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            ticks += sum(int(fields[i]) for i in (11, 12, 13, 14))
        return ticks / TICK

    def memory_bytes(self):
        """Resident set of it and its children."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/statm") as file:
                total += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return total

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())
