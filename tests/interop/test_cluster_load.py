"""Everything at once: three nodes, a balancer, Prosody and ejabberd, components at two nodes, and a
steady load between all of them, while the third node is killed and restarted and the table goes
away. Each stanza has one answer: sent = arrived + bounced, in order. With FEDROUTER_LONG=1 as much
of it as a bad day brings."""
import os
import signal
import time

import pytest

from rig import COMPONENT_PORT
from rig.balancer import installed
from rig.cluster import BALANCER, OURS, SLACK, Many
from rig.numbered import Counter, Source, check, heard_since, settle, silences, spread
from rig.process import wait_for

LONG = bool(os.environ.get("FEDROUTER_LONG"))
RATE = 5000 if LONG else 1000  # stanzas a second, in all
ROUNDS = 20 if LONG else 1
AWAY = 180 if LONG else 20  # seconds without the table
PAIRS = 10  # of each round, to each peer
TAKEOVER, HANDOVER = 10, 1  # seconds, at most
INSIDE, OTHER, ERLANG = f"inside.{OURS}", "other.peer.example", "127.0.4.12"


class World(Many):
    """`got`: at Prosody; `other`: at ejabberd; `inside`: ours, at the first node."""

    def __init__(self, folder):
        super().__init__(folder, 3, cluster={"components": {INSIDE: {}}})
        self.erlang = self.server("ejabberd", ERLANG, [OTHER], secure=True, level="warning")
        self.lead([INSIDE], BALANCER)

    def start(self):
        self.erlang.start()
        super().start()
        self.cluster.balancer().start()
        self.got = self.receiver()
        self.other = Counter((ERLANG, COMPONENT_PORT), OTHER)
        self.callback(self.other.close)
        self.inside = Counter(self.cluster.nodes[0].component_address, INSIDE)
        self.callback(self.inside.close)
        return self

    @property
    def receivers(self):
        return self.got, self.other


@pytest.fixture(scope="module")
def scene(program, tmp_path_factory):
    if not installed():
        pytest.skip("haproxy is not installed")
    with World(tmp_path_factory.mktemp("load")) as made:
        yield made.start()


class Load:
    """`owned`: of the third node, which claims the pairs; `near`: of the others, over the same pairs."""

    def __init__(self, scene):
        scene.cluster.heal()
        *senders, third = scene.cluster.nodes
        self.owned, self.near = [], []
        for receiver in scene.receivers:
            owned = scene.opened(third, PAIRS, 50, receiver)
            self.owned.append((owned, receiver))
            for node in senders:
                name = f"{node.name}-{len(scene.sources)}"
                source = Source(node.component(), receiver, name, owned.domains, RATE / 4)
                scene.sources.append(source)
                self.near.append((source, receiver))

    def moves(self, since):
        return all(heard_since(receiver, source, since) == set(source.domains) for source, receiver in self.near)

    def gaps(self, since):
        """Of all pairs that the others send over."""
        until = time.monotonic()
        return [gap for source, receiver in self.near for gap, _ in silences(receiver, source, since, until).values()]

    def end(self):
        """Stops everything: tallies of the others, of the third node's."""
        for source, _ in self.near + self.owned:
            source.over.set()
        ends = [[settle([s], r)[0] for s, r in each] for each in (self.near, self.owned)]
        for source, _ in self.near + self.owned:
            source.component.close()
        return ends


@pytest.mark.parametrize("way", ["KILL", "TERM"])
def test_a_node_that_owns_pairs_ends(scene, way):
    """covers: CLUST-02 CLUST-05"""
    third = scene.cluster.nodes[2]
    number = getattr(signal, f"SIG{way}")
    longest, twice, all_sent = [], 0, 0
    for _ in range(ROUNDS):
        load = Load(scene)
        time.sleep(1)
        since = time.monotonic()
        third.process.signal(number)
        assert third.process.popen.wait(30) == (0 if way == "TERM" else -number), third.process.log()[-3000:]
        wait_for("it is off the list", lambda: len(scene.cluster.members()) == 2, 15)
        ended = time.monotonic()
        wait_for("every pair moves", lambda: load.moves(ended), 20)
        longest.append(max(load.gaps(since - 0.2)))
        near, owned = load.end()
        for tally in near:
            check(tally)
            assert tally.bounced == 0, tally
        for tally in owned:
            check(tally, cut=True)
        twice += sum(tally.twice for tally in near + owned)
        all_sent += sum(tally.sent for tally in near + owned)
    print(f"{way}: {ROUNDS} times, {all_sent} sent, {twice} arrived twice")
    assert spread("a pair without a writer", longest) < (TAKEOVER if way == "KILL" else HANDOVER) + SLACK
    scene.cluster.heal()
    scene.cluster.at_rest()


def warm(scene):
    """The remote servers' streams to us are open. (While one restarts after SASL, Prosody sends what
    comes then ahead of what waits.)"""
    scene.inside.arrivals.clear()
    for receiver in scene.receivers:
        receiver.message(f"user@{INSIDE}", id=f"warm:{receiver.domain}:0")
    wait_for("both arrive", lambda: len(scene.inside.arrivals) == 2)


def states(scene):
    return {node.state() for node in scene.cluster.nodes}


@pytest.mark.parametrize("how", ["empty", "stopped"])  # in this order: what is saved stays
def test_the_table_goes_away(scene, how):
    """Stopped, it comes back with what it knew. Neither a bounce nor a gap, in both directions, and
    pairs are opened meanwhile. covers: CLUST-04"""
    redis = scene.cluster.redis
    load = Load(scene)
    warm(scene)
    back = [Source(receiver, scene.inside, f"{how}{n}", [receiver.domain], RATE / 20)
            for n, receiver in enumerate(scene.receivers)]
    if how == "stopped":
        redis.call("SAVE")
    since = time.monotonic()
    redis.kill()
    wait_for("all live on promises", lambda: states(scene) == {"degraded"}, 15)
    fresh = [(scene.begun(node, scene.domains(2), 20, receiver), receiver)
             for node in scene.cluster.nodes for receiver in scene.receivers]
    end = since + (AWAY if how == "stopped" else 8)
    while time.monotonic() < end:
        assert states(scene) == {"degraded"}
        time.sleep(1)
    redis.start()
    wait_for("all are members again", lambda: states(scene) == {"member"}, 30)
    time.sleep(1)
    gap = spread("a pair without a writer", load.gaps(since))
    near, owned = load.end()
    load.near, load.owned = fresh, []
    new, _ = load.end()
    for tally in near + owned + new + settle(back, scene.inside):
        check(tally)
        assert tally.twice == tally.bounced == 0, tally
    assert gap < SLACK
    scene.cluster.at_rest()
