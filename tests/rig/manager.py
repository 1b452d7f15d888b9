"""What systemd is to a service: a socket that it tells things to, and sockets that it is given."""
import socket
import sys

from .process import wait_for

# Descriptors come from 3 on, and only the process of that number may take them: known after fork.
HAND_OVER = """
import os, sys
fds = [int(word) for word in sys.argv[1].split(",")]
high = [os.dup2(fd, 100 + n) for n, fd in enumerate(fds)]  # out of the way of 3, 4 ...
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n)
os.closerange(3 + len(fds), 256)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """Listens at a path, or with "@" in front at an abstract name."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)
        self.said = []

    def close(self):
        self.socket.close()

    def hear(self):
        """All messages so far, each a dict."""
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except BlockingIOError:
                return self.said
            self.said.append(dict(line.split("=", 1) for line in text.split("\n")))

    def wait(self, key, seconds=10):
        """The next message with this key; those before it are forgotten."""
        def found():
            return next((n for n, one in enumerate(self.hear()) if key in one), -1) + 1

        number = wait_for(f"the manager hears {key}", found, seconds, step=0.005)
        message = self.said[number - 1]
        del self.said[:number]
        return message


def activate(process, sockets, names=None):
    """The process will find these listening sockets when it starts."""
    fds = ",".join(str(s.fileno()) for s in sockets)
    process.command = [sys.executable, "-c", HAND_OVER, fds, *process.command]
    process.fds = [s.fileno() for s in sockets]
    if names:
        process.env["LISTEN_FDNAMES"] = ":".join(names)
