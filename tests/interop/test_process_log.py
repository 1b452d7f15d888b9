"""A log that cannot be written, and one that strangers would fill: the router goes on, and tells."""
import os
import re
import time

import pytest

from rig import S2S_PORT
from rig.lone import QUICK, Lone
from rig.process import wait_for
from rig.stranger import Stranger

HERE = "rooms.here.example"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Lone(tmp_path_factory.mktemp("log")) as made:
        yield made


def lost(router):
    return router.metrics()["log_lost_total"]


def relays(site, router):
    component = site.component(router)
    assert component.ask(f"user@{HERE}", "itself").findtext("{*}body") == "itself"
    component.close()


def test_a_full_disk_stops_nothing(site, program):
    with open("/dev/full", "w") as full:
        router = site.router(HERE)
        router.process.stderr = full
        router.start()
        relays(site, router)
        assert lost(router) > 3
        assert router.stop() == 0


@pytest.mark.parametrize("reader", ["gone", "asleep"])
def test_a_pipe_that_nobody_reads_stops_nothing(site, program, reader):
    ours, its = os.pipe()
    router = site.router(HERE, log={"level": "debug"})
    router.process.stderr = its
    router.start()
    os.close(its)
    if reader == "gone":
        os.close(ours)

    def some_are_lost():
        Stranger((router.address, S2S_PORT)).close()
        relays(site, router)
        return lost(router)

    wait_for("lines are lost", some_are_lost, 60, step=0)
    relays(site, router)
    assert router.stop() == 0
    if reader == "asleep":
        text = os.read(ours, 1 << 20).decode()
        os.close(ours)
        assert all(re.match(r"\d{4}-\d\d-\d\dT\S+ (error|warn|info|debug) \S", line) for line in text.splitlines())


def told(router, event, of):
    """Lines of the event, and how many more they and the sums tell of."""
    lines = router.logged(f" {event} ")
    sums = router.logged(" log.suppressed ", f"of={of} ")
    more = [int(n) for line in lines for n in re.findall(r"suppressed=(\d+)", line)]
    return len(lines), sum(more) + sum(int(n) for line in sums for n in re.findall(r"lines=(\d+)", line))


def test_a_flood_of_strangers_is_summed_up_to_the_last(site, program):
    """covers: QUIRK-24"""
    router = site.router(HERE, node={"workers": 2, **QUICK}, limits={"connections_per_address": 1000})
    router.start()
    wait_for("those who looked whether it listens are gone", lambda: told(router, "s2s_in.closed", "strangers")[0] == 2)
    begun = time.monotonic()
    for _ in range(300):
        Stranger((router.address, S2S_PORT)).close()
    wait_for("each is told of", lambda: sum(told(router, "s2s_in.closed", "strangers")) == 302, 10)
    lines, more = told(router, "s2s_in.closed", "strangers")
    assert lines <= 2 * (20 + 5 * (time.monotonic() - begun)) and more > 100
    assert router.metrics()["log_suppressed_total"] == more
    assert router.stop() == 0


def refused(router):
    return router.metrics()['connections_refused_total{reason="address"}']


def test_a_flood_at_the_door_is_summed_up_to_the_last(site, program):
    """covers: QUIRK-24 LIMIT-01"""
    router = site.router(HERE, limits={"connections_per_address": 1}).start()
    wait_for("those who looked whether it listens are gone", lambda: not router.ctl("links"))
    held = Stranger((router.address, S2S_PORT))
    assert held.open(HERE)
    for _ in range(100):
        Stranger((router.address, S2S_PORT)).close()
    wait_for("they are refused", lambda: refused(router) >= 100)
    wait_for("each is told of", lambda: sum(told(router, "connection.refused", "connection.refused")) == refused(router), 10)
    assert told(router, "connection.refused", "connection.refused")[0] < 30
    held.close()
    assert router.stop() == 0
