"""Links cut below living processes, in our own network namespace: the kernel resets a connection
(`ss -K`), or packets are dropped (nft) while it does, so that one side never hears of it."""
import re
import subprocess
import time

from . import S2S_PORT, S2S_TLS_PORT

PORTS = f"sport = :{S2S_PORT} or dport = :{S2S_PORT} or sport = :{S2S_TLS_PORT} or dport = :{S2S_TLS_PORT}"
TABLE = "fedrouter_cuts"


def run(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def connections(process):
    """(local, remote) of its established S2S connections, both sides' ports included."""
    pids = {f"pid={pid}," for pid in process.pids()}
    found = []
    for line in run("ss", "-tnpH", "state", "established", f"( {PORTS} )").splitlines():
        fields = line.split()
        if any(pid in line for pid in pids):
            found.append((fields[2], fields[3]))
    return found


def reset(local, remote):
    """The kernel aborts this end and tells the other by RST."""
    run("ss", "-K", "src", local, "dst", remote, check=False)  # it may have ended by itself


class Rules:
    """What is dropped until the end."""

    def __init__(self, rules):
        self.rules = [f"{rule} drop" for rule in rules]

    def __enter__(self):
        run("nft", "add", "table", "ip", TABLE)
        run("nft", "add", "chain", "ip", TABLE, "out", "{ type filter hook output priority 0 ; }")
        for rule in self.rules:
            run("nft", "add", "rule", "ip", TABLE, "out", *rule.split())
        return self

    def __exit__(self, *fault):
        run("nft", "delete", "table", "ip", TABLE, check=False)


class Filter(Rules):
    """Packets of one connection, all or a share."""

    def __init__(self, local, remote, percent=100):
        here, there = (re.fullmatch(r"\[?([^\]]*)\]?:(\d+)", a).groups() for a in (local, remote))
        share = "" if percent == 100 else f"numgen random mod 100 < {percent} "
        ways = ((here, there), (there, here))
        super().__init__(
            f"ip saddr {a[0]} tcp sport {a[1]} ip daddr {b[0]} tcp dport {b[1]} {share}" for a, b in ways)


class Wall(Rules):
    """Whatever goes to this port, at the address or (without one) at any, and comes back."""

    def __init__(self, port, address=None):
        to, back = (f"ip {way} {address} " if address else "" for way in ("daddr", "saddr"))
        super().__init__([f"{to}tcp dport {port}", f"{back}tcp sport {port}"])


def cut(process, chance):
    """Cuts one of its links, in one of three ways; False when it has none now."""
    found = connections(process)
    if not found:
        return False
    local, remote = chance.choice(found)
    way = chance.choice(["reset", "silence", "loss"])
    if way == "reset":
        reset(local, remote)
        return True
    # silence: nothing arrives any more, acknowledgements neither, and the reset is not heard
    with Filter(local, remote, percent=100 if way == "silence" else 30):
        time.sleep(chance.uniform(0.05, 0.4))
        reset(local, remote)
    return True
