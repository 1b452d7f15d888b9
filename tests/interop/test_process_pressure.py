"""Bursts: an open link slows their source and delivers them; a dead one gives them back, and
neither holds up what the same component sends elsewhere."""
import json
import os
import signal
import socket
import statistics
import subprocess
import time

import pytest

from rig import S2S_PORT, SECRET
from rig.component import condition_of
from rig.flow import Flow
from rig.lone import Lone, rule
from rig.process import wait_for
from rig.router import release_binary, start_all

HERE, THERE, SILENT = "rooms.here.example", "rooms.there.example", "silent.example"
BURST = 200000
LOAD = os.path.abspath(os.environ.get("FEDROUTER_LOAD", "build-release/tests/bench/load"))
SLOWER = 20  # times; a component held up by a dead peer waits for source_pause, thousands of times longer


@pytest.fixture
def site(tmp_path):
    with Lone(tmp_path) as made:
        yield made


def test_a_burst_to_an_open_link_is_slowed_and_delivered(site):
    """covers: ROUTE-05"""
    if not os.access(LOAD, os.X_OK):
        pytest.skip("the load generator is not built")
    routers = site.two(HERE, THERE, *({"program": release_binary()} for _ in range(2)))
    start_all(*routers)
    addresses = ["%s:%d" % router.component_address for router in routers]
    done = subprocess.run(
        [LOAD, "--send", addresses[0], "--receive", addresses[1], "--secret", SECRET, "--from", HERE, "--to", THERE,
         "--senders", "1", "--receivers", "1", "--rate", "0", "--window", str(BURST), "--seconds", "6", "--drain", "30"],
        capture_output=True, text=True, timeout=120)
    report = json.loads(done.stdout)
    assert report["sent"] >= BURST and report["received"] == report["sent"], report
    assert (report["bounced"], report["lost"], report["dup"], report["reordered"]) == (0, 0, 0, 0), report
    assert routers[0].metrics()["source_pauses_total"] > 0
    assert routers[0].balance() == 0


def median_ms(component, to, count=30):
    def once():
        begun = time.monotonic()
        assert component.ask(to).get("type") is None
        return time.monotonic() - begun

    return statistics.median(once() for _ in range(count)) * 1000


def linked(site, *peers):
    """Two routers with an open link, a component at each; `peers`: more rules of the first."""
    quick = {"limits": {"queue_age": "2s", "queue_stanzas": 1000}, "timeouts": {"close": "1s"}}
    routers = site.two(HERE, THERE, {**quick, "peers": list(peers)}, quick)
    start_all(*routers)
    here = site.component(routers[0])
    site.component(routers[1], echo=True)
    here.ask(f"user@{THERE}")
    return *routers, here


def all_bounced(flow, count):
    wait_for("all come back", lambda: len(flow.bounced()) >= count, 40)
    reasons = {condition_of(s)[0] for s in flow.sender.everything if s.get("type") == "error"}
    assert reasons <= {"resource-constraint", "remote-server-timeout"}, reasons


def test_a_burst_to_a_silent_peer_holds_up_nobody(site, program):
    """covers: ROUTE-07"""
    with socket.create_server(("127.0.3.220", S2S_PORT)):
        a, _, here = linked(site, rule(SILENT, "127.0.3.220"))
        before = median_ms(here, f"user@{THERE}")
        flow = Flow(here, here, to=f"user@{SILENT}", batch=20, pause=0.002)
        during = median_ms(here, f"user@{THERE}")
        flow.stop()
        assert during < SLOWER * before, f"{before:.2f} ms before, {during:.2f} ms during it"
        all_bounced(flow, len(flow.sent))
        assert len(flow.sent) == len(flow.bounced()) > 500
        wait_for("nothing is held", lambda: a.metrics()["stanzas_held"] == 0)
        assert a.balance() == 0


def test_a_peer_that_stops_reading_holds_up_nobody(site, program):
    """Its link is open and full: the component waits for it for source_pause at most."""
    frozen = site.router("frozen.example", peers=[rule("*")]).start()
    site.component(frozen)
    a, _, here = linked(site, rule("frozen.example", frozen.address))
    here.message("user@frozen.example", id="first")
    wait_for("it arrives", lambda: frozen.metrics()['stanzas_in_total{link="s2s",kind="message"}'])
    before = median_ms(here, f"user@{THERE}")
    frozen.process.signal(signal.SIGSTOP)
    flow = Flow(here, here, to="user@frozen.example", batch=20, pause=0.002, size=2000)
    wait_for("its queue is full", lambda: flow.bounced(), 30)
    during = median_ms(here, f"user@{THERE}")
    flow.stop()
    assert during < SLOWER * before, f"{before:.2f} ms before, {during:.2f} ms during it"
    wait_for("the link is given up, and nothing is held", lambda: a.metrics()["stanzas_held"] == 0, 40)
    frozen.process.signal(signal.SIGCONT)
    assert a.balance() == 0
