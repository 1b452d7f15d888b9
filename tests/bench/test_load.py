"""The load generator judged by a server that misbehaves on purpose: what it counts is what was done."""
import json
import os
import re
import socket
import subprocess
import threading

import pytest

LOAD = os.environ.get("FEDROUTER_LOAD", "build-release/tests/bench/load")
MESSAGE = re.compile(rb"<message .*?</message>")
HEADER = b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' id='i1' from='x'>"

pytestmark = pytest.mark.skipif(not os.access(LOAD, os.X_OK), reason=f"{LOAD} is not built")


class Server(threading.Thread):
    """Takes a sender and a receiver component; `tamper(stanzas)` gives (to receiver, to sender), or
    None to hang up."""

    def __init__(self, tamper):
        super().__init__(daemon=True)
        self.tamper = tamper
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]

    def accept(self):
        peer, _ = self.listener.accept()
        while b" to='" not in peer.recv(4096):
            pass
        peer.sendall(HEADER)
        while b"</handshake>" not in peer.recv(4096):
            pass
        peer.sendall(b"<handshake/>")
        return peer

    def run(self):
        sender, receiver = self.accept(), self.accept()
        rest = b""
        while data := sender.recv(1 << 16):
            stanzas = MESSAGE.findall(rest + data)
            rest = (rest + data).rpartition(b"</message>")[2]
            made = self.tamper(stanzas)
            if made is None:
                break
            forward, back = made
            receiver.sendall(b"".join(forward))
            sender.sendall(b"".join(back))
        sender.close()
        receiver.close()


def number(stanza):
    return int(re.search(rb"id='\w+-\w+-(\w+)-", stanza).group(1), 16)


def bounce(stanza):
    error = b"<error type='wait'><remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    return stanza.replace(b"<message ", b"<message type='error' ").replace(b"</message>", error)


def load(tamper, *options):
    server = Server(tamper)
    server.start()
    command = [LOAD, "--send", server.address, "--receive", server.address, "--secret", "s", "--window", "50"]
    done = subprocess.run([*command, "--drain", "1", *options], capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout), done


def only(n, change):
    """A tamper that treats number n by `change` and forwards the rest."""

    def tamper(stanzas):
        forward, back = [], []
        for stanza in stanzas:
            f, b = change(stanza) if number(stanza) == n else ([stanza], [])
            forward += f
            back += b
        return forward, back

    return tamper


def swap(stanzas):
    return stanzas[::-1], []


CASES = {
    "all arrive": (lambda s: (s, []), {"lost": 0, "dup": 0, "reordered": 0, "bounced": 0}),
    "one lost": (only(3, lambda s: ([], [])), {"lost": 1, "dup": 0, "reordered": 0}),
    "one twice": (only(3, lambda s: ([s, s], [])), {"lost": 0, "dup": 1, "reordered": 0}),
    "one bounced": (only(3, lambda s: ([], [bounce(s)])), {"lost": 0, "bounced": 1, "both": 0}),
    "bounced twice": (only(3, lambda s: ([], [bounce(s)] * 2)), {"lost": 0, "bounced": 1, "bounced_twice": 1}),
    "delivered and bounced": (only(3, lambda s: ([s], [bounce(s)])), {"lost": 0, "both": 1}),
    "a stranger": (only(3, lambda s: ([s, s.replace(b"id='0000-", b"id='zzzz-")], [])), {"lost": 0, "foreign": 1}),
}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.replace(" ", "-"))
def test_load_counts(case):
    tamper, expected = CASES[case]
    report, done = load(tamper, "--seconds", "0.3", "--rate", "200")
    assert done.returncode == 0, done.stderr
    assert report["sent"] > 3  # the one that is tampered with is among them
    assert report["sent"] == report["received"] + report["bounced"] + report["lost"] - report["both"]
    assert {key: report[key] for key in expected} == expected


def test_load_sees_reordering():
    report, _ = load(swap, "--seconds", "0.3")
    assert report["reordered"] > 10 and report["lost"] == 0 and report["dup"] == 0


def test_load_names_conditions():
    report, _ = load(lambda s: ([], [bounce(x) for x in s]), "--seconds", "0.1", "--rate", "200")
    assert report["bounces"] == {"remote-server-timeout": report["sent"]}


def test_load_tells_of_a_closed_connection():
    report, done = load(lambda s: None, "--seconds", "0.3")
    assert done.returncode == 1 and report["broken"] is True


def test_load_is_cheap():
    """One core must never be the load's: bytes alone, from one socket to the other. What others do on
    the machine makes it dearer, never cheaper: the cheapest of some runs is what it costs."""
    def cost():
        report, _ = load(lambda s: (s, []), "--seconds", "0.5", "--window", "20000")
        return report["cpu_seconds"] / report["sent"]

    assert any(cost() < 4e-6 for _ in range(5))


def test_load_has_one_component_for_many_receivers():
    report, done = load(lambda s: (s, []), "--seconds", "0.2", "--receivers", "3", "--wild")
    assert done.returncode == 0, done.stderr
    assert report["open"]["pairs"] == 3 and report["received"] == report["sent"] and report["foreign"] == 0


def test_load_measures_silence():
    """One of two pairs is not heard from number 20 to 60, which is .4 s at this rate."""
    def tamper(stanzas):
        return [s for s in stanzas if b"id='0000-0001-" not in s or not 20 <= number(s) < 60], []

    report, _ = load(tamper, "--seconds", "1", "--rate", "200", "--receivers", "2", "--wild")
    assert report["lost"] == 40
    assert report["silence_ms"]["max"] >= 390
    assert report["silence_ms"]["p50"] < report["silence_ms"]["max"]


def test_load_measures_a_silence_that_does_not_end():
    report, _ = load(only_first, "--seconds", "0.5", "--rate", "200")
    assert report["silence_ms"]["p50"] >= 490


def only_first(stanzas):
    return [s for s in stanzas if number(s) == 0], []


def test_load_opens_every_pair_though_its_buffer_is_full():
    """A megabyte at once: what does not fit waits its turn."""
    seen = []

    def tamper(stanzas):
        seen.extend(re.search(rb"id='\w+-(\w+)-(\w+)-", s).groups() for s in stanzas)
        return stanzas, []

    report, _ = load(tamper, "--seconds", "0", "--receivers", "3000", "--wild", "--window", "3000")
    assert report["sent"] == 3000 and report["lost"] == 0
    assert len({pair for pair, _ in seen}) == 3000
