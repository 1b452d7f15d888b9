"""Redis servers and sentinels, each on a loopback address of its own."""
import os
import subprocess

from .process import Process

SERVER = "/usr/bin/redis-server"


class Redis(Process):
    """`config`: lines for redis.conf; a bare one is a server without persistence, on 127.0.0.1."""

    def __init__(self, name, folder, address, port, *config, sentinel=False, cli=()):
        self.address, self.port, self.cli_words = address, port, list(cli)
        home = os.path.join(str(folder), name)
        os.makedirs(home, exist_ok=True)
        path = os.path.join(home, "redis.conf")
        lines = [f"bind {address}", f"port {port}", f"dir {home}", "daemonize no", "protected-mode no"]
        # By itself it would tell the address that its connections come from: 127.0.0.1.
        lines += [f"sentinel announce-ip {address}"] if sentinel else [f"replica-announce-ip {address}"]
        lines += [] if sentinel else ['save ""', "appendonly no", "lua-time-limit 200", "repl-diskless-sync-delay 0"]
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join([*lines, *config]) + "\n")
        super().__init__(name, [SERVER, path, *(["--sentinel"] if sentinel else [])], home)

    def start(self, seconds=15.0, listens=True):
        return super().start([(self.address, self.port)] if listens else [], seconds)

    def call(self, *words, check=True):
        """What redis-cli says."""
        done = subprocess.run(
            ["redis-cli", "-h", self.address, "-p", str(self.port), *self.cli_words, *words],
            capture_output=True, text=True, timeout=30,
        )
        said = done.stdout.strip()
        assert not check or (done.returncode == 0 and not said.startswith(("ERR", "WRONG", "NO"))), (words, said, done.stderr)
        return said

    def info(self, field):
        for line in self.call("INFO").splitlines():
            if line.startswith(field + ":"):
                return line.partition(":")[2].strip()
        raise AssertionError(f"INFO says nothing of {field}")
