"""Nodes that act as one, as processes, with a real Redis: component at each, outbound to Prosody,
while nodes leave, come back and die, and the table goes away. Each test prints what it measured."""
import os
import signal
import time

import pytest

from rig.cluster import Many
from rig.numbered import Source, check, settle, silences, spread
from rig.process import wait_for

LONG = bool(os.environ.get("FEDROUTER_LONG"))
REMOTE = "recv.peer.example"
TAKEOVER, SLACK = 10, 3  # seconds; SLACK: for a loaded machine


@pytest.fixture(scope="module")
def scene(program, tmp_path_factory):
    """Two nodes and Prosody, for all tests of this file."""
    with Many(tmp_path_factory.mktemp("cluster"), 2) as made:
        if refusal := made.cluster.refusal():
            pytest.skip(refusal)
        made.dns.start()
        made.peer.start()
        made.cluster.start()
        yield made


@pytest.fixture
def two(scene):
    """Both nodes, whatever the test before did to them, and one who counts."""
    scene.cluster.heal()
    scene.got = scene.receiver()
    scene.sources = []
    yield scene
    for source in scene.sources:
        source.over.set()
        source.component.close()
    scene.got.close()


def begun(scene, node, domains, rate):
    """A component at the node that sends over these pairs, all of which are open now."""
    scene.sources.append(Source(node.component(), scene.got, f"{node.name}-{len(scene.sources)}", domains, rate))
    source = scene.sources[-1]
    wait_for("all pairs are open", lambda: heard_since(scene.got, source, 0) == set(domains))
    return source


def opened(scene, node, count, rate=200):
    """The same over so many new pairs, which that node comes to own. (Right after a start it may be
    bound by a promise; then others claim for it.)"""
    for _ in range(5):
        domains = scene.domains(count)
        source = begun(scene, node, domains, rate)
        if set(scene.cluster.owners(domains, REMOTE).values()) == {node.name}:
            return source
        source.stop()
    raise AssertionError(f"{node.name} does not claim")


def settled(scene, *sources, **more):
    tallies = settle(sources, scene.got, **more)
    scene.cluster.at_rest()
    return tallies


# --- nothing happens ---


@pytest.mark.parametrize("count", [1, 20])
def test_all_arrives_in_order(two, count):
    """Pairs of one node and of both, and both send over all of them."""
    a, b = two.cluster.nodes
    sources = [opened(two, a, count), opened(two, b, count)]
    sources += [begun(two, a, sources[1].domains, 200), begun(two, b, sources[0].domains, 200)]
    time.sleep(2)
    for tally in settled(two, *sources):
        check(tally)
        assert tally.twice == tally.bounced == 0, tally


def test_both_end_well(two):
    a, b = two.cluster.nodes
    sources = [opened(two, a, 2), opened(two, b, 2)]
    time.sleep(1)
    for node in (a, b):
        node.process.signal(signal.SIGTERM)
    for node in (a, b):
        assert node.process.popen.wait(20) == 0
        assert node.sound() is True, node.sound()
    for tally in settle(sources, two.got, 2):
        check(tally, cut=True)
    assert two.cluster.members() == set()


# --- a node leaves, or dies ---


def test_hand_over(two):
    """SIGTERM of the owner under load, and its return. covers: CLUST-02"""
    a, b = two.cluster.nodes
    leaver = opened(two, b, 20)
    domains = leaver.domains
    stayer = begun(two, a, domains, 400)
    time.sleep(1)
    since = time.monotonic()
    b.process.signal(signal.SIGTERM)
    wait_for("the pairs have changed hands", lambda: set(two.cluster.owners(domains, REMOTE).values()) == {a.name})
    print(f"all handed over after {time.monotonic() - since:.2f} s")
    assert b.process.popen.wait(20) == 0
    print(f"gone after {time.monotonic() - since:.2f} s")
    b.start()
    gaps = silences(two.got, stayer, since - 0.5, time.monotonic())
    spread("without a writer", [gap for gap, _ in gaps.values()])
    left, stayed = settled(two, leaver, stayer)
    check(stayed)
    assert stayed.bounced == 0, stayed
    check(left, cut=True)


def test_kill_of_an_owner(two):
    """kill -9 of the owner: what came in elsewhere is not lost. covers: CLUST-05"""
    a, b = two.cluster.nodes
    lost = opened(two, b, 20)
    domains = lost.domains
    stayer = begun(two, a, domains, 400)
    time.sleep(1)
    killed = b.kill()
    wait_for("it is off the list", lambda: two.cluster.members() == {a.name}, 15)
    print(f"buried {time.monotonic() - killed:.2f} s after the kill")
    wait_for("all arrives again", lambda: heard_since(two.got, stayer, time.monotonic() - 0.5) == set(domains), 15)
    gaps = silences(two.got, stayer, killed - 0.5, time.monotonic())
    longest = spread("takeover", [gap for gap, _ in gaps.values()])
    died, stayed = settled(two, lost, stayer)
    check(stayed)
    assert stayed.bounced == 0, stayed
    check(died, cut=True)
    assert longest < TAKEOVER + SLACK


def heard_since(receiver, source, when):
    """The domains of the source whose messages arrived since then."""
    prefix = source.name_of_ingress + ":"
    found = set()
    for at, id in reversed(list(receiver.arrivals)):
        if at < when:
            return found
        if id.startswith(prefix):
            found.add(id.split(":")[1])
    return found


def test_a_node_stands_still(two):
    """SIGSTOP for 12 s of an owner that is an ingress, too: it wakes without a right, nothing that
    it or the other took is lost, and no pair has two writers. covers: CLUST-02"""
    a, b = two.cluster.nodes
    frozen = opened(two, b, 10)
    domains = frozen.domains
    stayer = begun(two, a, domains, 200)
    time.sleep(1)
    since = time.monotonic()
    b.process.signal(signal.SIGSTOP)
    time.sleep(12)
    b.process.signal(signal.SIGCONT)
    gaps = silences(two.got, stayer, since - 0.5, time.monotonic())
    spread("takeover", [gap for gap, _ in gaps.values()])
    wait_for("it begins anew", lambda: b.said("node.incarnation"))
    wait_for("and is a member", lambda: b.state() == "member")
    wait_for("what it took arrives", lambda: heard_since(two.got, frozen, time.monotonic() - 1) == set(domains))
    time.sleep(1)
    for tally in settled(two, frozen, stayer):
        check(tally)
        assert tally.bounced == 0, tally


# --- the table goes ---


def states(scene):
    return {node.state() for node in scene.cluster.nodes}


def outage(scene, seconds, begin, end):
    """The table is away under load, and a pair is opened meanwhile at each node."""
    a, b = scene.cluster.nodes
    sources = [opened(scene, a, 6), opened(scene, b, 6)]
    since = time.monotonic()
    begin()
    wait_for("both live on promises", lambda: states(scene) == {"degraded"}, 15)
    for node in (a, b):
        asked = time.monotonic()
        sources.append(begun(scene, node, scene.domains(2), 20))
        print(f"new pairs at {node.name} after {time.monotonic() - asked:.2f} s")
    wait_until(since + seconds, lambda: states(scene) == {"degraded"})
    end()
    wait_for("both are members again", lambda: states(scene) == {"member"}, 20)
    time.sleep(2)
    for source in sources[:2]:
        spread("without a writer", [gap for gap, _ in silences(scene.got, source, since, time.monotonic()).values()])
    every = [domain for source in sources for domain in source.domains]
    wait_for("every pair has its row", lambda: set(scene.cluster.owners(every, REMOTE).values()) <= {a.name, b.name})
    for tally in settled(scene, *sources):
        check(tally)
        assert tally.twice == tally.bounced == 0, tally


def wait_until(when, holds):
    while time.monotonic() < when:
        assert holds(), "not all the time"
        time.sleep(0.5)


def test_table_stands_still(two):
    """Redis stopped for longer than any right lasts. covers: CLUST-04"""
    redis = two.cluster.redis
    outage(two, 180 if LONG else 30, lambda: redis.signal(signal.SIGSTOP), lambda: redis.signal(signal.SIGCONT))


def test_table_comes_back_empty(two):
    redis = two.cluster.redis
    epoch = redis.call("HGET", "{fr}:meta", "epoch")
    outage(two, 8, redis.kill, redis.start)
    assert redis.call("HGET", "{fr}:meta", "epoch") != epoch
