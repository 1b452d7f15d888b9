"""Nodes that act as one, as processes, with a real Redis: component at each, outbound to Prosody,
while nodes leave, come back and die, and the table goes away. Each test prints what it measured."""
import os
import signal
import time

import pytest

from rig.cluster import DOORS, DRAIN, MESH_PORT, REDIS_PORT, REMOTE, SLACK, Many
from rig.cuts import Wall
from rig.numbered import Source, check, heard_since, settle, silences, spread
from rig.process import wait_for

LONG = bool(os.environ.get("FEDROUTER_LONG"))
TAKEOVER = 10  # seconds; SLACK: for a loaded machine


@pytest.fixture(scope="module")
def scene(program, tmp_path_factory):
    """Two nodes and Prosody, for all tests of this file."""
    with Many(tmp_path_factory.mktemp("cluster"), 2) as made:
        made.start()
        yield made


@pytest.fixture
def two(scene):
    """Both nodes, whatever the test before did to them, and one who counts."""
    scene.peer.process.signal(signal.SIGCONT)
    scene.cluster.heal()
    for node in scene.cluster.nodes:
        node.forget()
    scene.got = scene.receiver()
    scene.sources.clear()
    yield scene
    for source in scene.sources:
        source.over.set()
        source.component.close()
    scene.got.close()


def settled(scene, *sources, **more):
    tallies = settle(sources, scene.got, **more)
    scene.cluster.at_rest()
    return tallies


# --- nothing happens ---


@pytest.mark.parametrize("count", [1, 20])
def test_all_arrives_in_order(two, count):
    """Pairs of one node and of both, and both send over all of them."""
    a, b = two.cluster.nodes
    sources = [two.opened(a, count), two.opened(b, count)]
    sources += [two.begun(a, sources[1].domains, 200), two.begun(b, sources[0].domains, 200)]
    time.sleep(2)
    for tally in settled(two, *sources):
        check(tally)
        assert tally.twice == tally.bounced == 0, tally


def test_both_end_well(two):
    a, b = two.cluster.nodes
    sources = [two.opened(a, 2), two.opened(b, 2)]
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
    leaver = two.opened(b, 20)
    domains = leaver.domains
    stayer = two.begun(a, domains, 400)
    time.sleep(1)
    since = time.monotonic()
    b.process.signal(signal.SIGTERM)
    wait_for("the pairs have changed hands", lambda: set(two.cluster.owners(domains, REMOTE).values()) == {a.name})
    print(f"all handed over after {time.monotonic() - since:.2f} s")
    assert b.process.popen.wait(20) == 0
    took = time.monotonic() - since
    print(f"gone after {took:.2f} s")
    assert took < DRAIN * 0.6, "it waited for something that did not come"
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
    lost = two.opened(b, 20)
    domains = lost.domains
    stayer = two.begun(a, domains, 400)
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


def test_a_node_stands_still(two):
    """SIGSTOP for 12 s of an owner that is an ingress, too: it wakes without a right, nothing that
    it or the other took is lost, and no pair has two writers. covers: CLUST-02"""
    a, b = two.cluster.nodes
    frozen = two.opened(b, 10)
    domains = frozen.domains
    stayer = two.begun(a, domains, 200)
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
    sources = [scene.opened(a, 6), scene.opened(b, 6)]
    since = time.monotonic()
    begin()
    wait_for("both live on promises", lambda: states(scene) == {"degraded"}, 15)
    for node in (a, b):
        asked = time.monotonic()
        sources.append(scene.begun(node, scene.domains(2), 20))
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


# --- something is cut ---


def all_heard(scene, *sources):
    """Something of each pair arrives now."""
    since = time.monotonic()
    wait_for("all pairs move", lambda: all(heard_since(scene.got, s, since) == set(s.domains) for s in sources), 20)


def test_cut_off_from_the_table(two):
    """A node without Redis, while the other has it: it is buried, goes on as another incarnation, and
    what comes in there goes out by the other. covers: CLUST-04"""
    a, b = two.cluster.nodes
    lone = two.opened(b, 6)
    others = two.begun(a, lone.domains, 120)
    since = time.monotonic()
    with Wall(REDIS_PORT, DOORS.format(b.number)):
        wait_for("it is off the list", lambda: two.cluster.members() == {a.name}, 15)
        wait_for("and hears of it", lambda: b.said("node.incarnation"))
        fresh = two.begun(b, two.domains(2), 20)
        all_heard(two, lone, others)
    spread("takeover", [gap for gap, _ in silences(two.got, others, since, time.monotonic()).values()])
    wait_for("it is a member again", lambda: b.state() == "member", 15)
    all_heard(two, lone, others)
    for tally in settled(two, lone, others, fresh):
        check(tally)
        assert tally.bounced == 0, tally


def test_cut_off_from_each_other(two):
    """The mesh alone is cut: nobody is buried, stanzas for the other's pairs wait, none is sent twice."""
    a, b = two.cluster.nodes
    there = two.opened(b, 6)
    here = two.begun(a, there.domains, 120)
    with Wall(MESH_PORT):
        wait_for("both notice", lambda: a.said("mesh.down") and b.said("mesh.down"), 15)
        all_heard(two, there)
    all_heard(two, here)
    for tally in settled(two, there, here):
        check(tally)
        assert tally.twice == tally.bounced == 0, tally
    assert two.cluster.members() == {a.name, b.name}


def test_what_is_under_way_without_a_right_is_withdrawn(two):
    """The peer reads nothing, the node loses its right: what its kernel still holds must not arrive
    behind what another node may send by then. What the peer's kernel acknowledged and the peer
    never read is lost, as with any reset: the documented limit."""
    a, b = two.cluster.nodes
    lone, idle = two.opened(b, 1, 20), two.opened(a, 1, 20)
    two.peer.process.signal(signal.SIGSTOP)
    flood = Source(lone.component, two.got, "flood", lone.domains, 2000, size=20000)
    two.sources.append(flood)
    wait_for("the kernel is full", lambda: b.metrics()["stanzas_held"] > 400, 40)
    two.cluster.redis.signal(signal.SIGSTOP)
    with Wall(MESH_PORT):
        wait_for("no node has a right", lambda: states(two) == {"parked"}, 20)
        wait_for("the link is reset", lambda: b.said("s2s_out.closed", "reason=closed", "right to write"), 3)
        flood.over.set()
    two.peer.process.signal(signal.SIGCONT)
    two.cluster.redis.signal(signal.SIGCONT)
    wait_for("all have their right again", lambda: states(two) == {"member"}, 30)
    slow, quick, more = settled(two, lone, idle, flood, seconds=20)
    check(quick)
    for tally in (slow, more):
        assert tally.reordered == tally.twice == tally.both == 0, tally


def test_an_owner_dies_while_the_table_is_away(two):
    """Nobody may write for its pairs, nor, without its promise, for their own, until the table is
    back. Stanzas wait. covers: CLUST-04 CLUST-05"""
    a, b = two.cluster.nodes
    dying, own = two.opened(b, 6), two.opened(a, 6)
    others = two.begun(a, dying.domains, 120)
    two.cluster.redis.signal(signal.SIGSTOP)
    wait_for("both live on promises", lambda: states(two) == {"degraded"}, 15)
    killed = b.kill()
    wait_for("the other has no right", lambda: a.state() == "parked")
    since = time.monotonic()
    two.cluster.redis.signal(signal.SIGCONT)
    wait_for("it has one", lambda: a.state() == "member")
    all_heard(two, own)
    print(f"its own pairs move {time.monotonic() - since:.2f} s after the table is back")
    all_heard(two, others)
    print(f"all pairs move {time.monotonic() - since:.2f} s after that, {time.monotonic() - killed:.2f} s after the kill")
    died, *stayed = settled(two, dying, own, others)
    check(died, cut=True)
    for tally in stayed:
        check(tally)
        assert tally.bounced == 0, tally


def test_all_die(two):
    """kill -9 of both, and a start under their old names: rows of the dead do not stop them. covers: CLUST-05"""
    a, b = two.cluster.nodes
    sources = [two.opened(a, 6), two.opened(b, 6)]
    since = min(node.kill() for node in (a, b))
    for node in (a, b):
        node.launch()
    for node in (a, b):
        wait_for("it is a member", lambda n=node: n.state() == "member", 20)
    after = [two.begun(node, source.domains, 200) for node, source in zip((a, b), sources)]
    print(f"all pairs move {time.monotonic() - since:.2f} s after the kill")
    for tally in settle(sources, two.got):
        check(tally, cut=True)
    for tally in settled(two, *after):
        check(tally)
        assert tally.twice == tally.bounced == 0, tally
