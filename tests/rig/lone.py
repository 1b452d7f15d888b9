"""Routers by themselves, for what they do as processes: no DNS, peers by static target."""
import itertools
import subprocess

from . import S2S_PORT
from .site import Site

PKIX = ["pkix"]
QUICK = {"drain_timeout": "100ms"}  # for those that end because the test does


def rule(match, *targets, **more):
    """A rule for a peer that is found without DNS."""
    made = {"match": match, "auth": list(PKIX), **more}
    return {**made, "target": [f"{address}:{S2S_PORT}" for address in targets]} if targets else made


class Lone(Site):
    def __init__(self, folder, first=1):
        """`first`: number of its first address, where two live at the same time."""
        super().__init__(folder)
        self.numbers = itertools.count(first)

    def address(self):
        number = next(self.numbers)
        return f"127.0.3.{number}"

    def router(self, *domains, certificate="good", peers=(), program=None, env=None, **settings):
        """On an address of its own, not started. `peers`: rules; nobody else is dialled."""
        settings = {"peers": list(peers), "node": QUICK, **settings}
        return self.server("fedrouter", self.address(), domains or ["rooms.example"], certificate, settings=settings,
                           program=program, env=env)

    def two(self, here, there, here_more=None, there_more=None):
        """Two routers that federate, not started: each has one domain."""
        a, b = self.address(), self.address()
        made = []
        for address, domain, other, peer, more in ((a, here, b, there, here_more), (b, there, a, here, there_more)):
            more = {"node": QUICK, **(more or {})}
            peers = [*more.pop("peers", ()), rule(peer, other)]
            options = {key: more.pop(key) for key in ("program", "env") if key in more}
            made.append(self.server("fedrouter", address, [domain], settings={"peers": peers, **more}, **options))
        return made


def run(router, *words, config=None, prefix=(), **options):
    """The program until it ends by itself."""
    options = {"capture_output": True, "text": True, "timeout": 60, **options}
    return subprocess.run([*prefix, router.program, "--config", config or router.path, *words], **options)


def signals(pid, which):
    """Numbers of the signals in SigCgt (caught), SigBlk (held back) ... of a process."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            line = next(line for line in file if line.startswith(which))
    except (FileNotFoundError, StopIteration):
        return set()
    mask = int(line.split()[1], 16)
    return {n + 1 for n in range(64) if mask >> n & 1}
