"""Components of a cluster: whichever node they are attached to, all nodes know them."""
import re
import socket
import time

import pytest

from rig import S2S_PORT
from rig.cluster import OURS, SLACK, Many
from rig.component import Closed
from rig.numbered import Counter, Source, check, settle
from rig.process import wait_for

ROOMS, FIRST, TEAM = f"rooms.{OURS}", f"first.{OURS}", f"team.{OURS}"
ASTRAY = "astray.example"  # DNS says that it is the second node; no node serves it
DEAD, NOBODY = "dead.example", "127.0.4.70"  # DNS says so, and nobody listens there
GRACE = 5  # seconds
GONE = 20  # at most until a dead node's instance is known to be gone: burial, or 10 s without it
BOUND = 64  # connections of an address that are not authenticated
COMPONENTS = {
    ROOMS: {"connections": "replace", "grace": f"{GRACE}s"},
    FIRST: {"connections": "refuse"},
    TEAM: {"connections": "share", "balance": "to"},
}


@pytest.fixture(scope="module")
def scene(program, tmp_path_factory):
    cluster = {"components": COMPONENTS, "settings": {"limits": {"connections_per_address": BOUND}}}
    with Many(tmp_path_factory.mktemp("components"), 2, cluster=cluster) as made:
        made.lead([ROOMS], made.cluster.nodes[0].address)
        made.lead([ASTRAY], made.cluster.nodes[1].address)
        made.lead([DEAD], NOBODY)
        made.start()
        yield made


@pytest.fixture
def two(scene):
    """Both nodes, whatever the test before did, and nobody attached."""
    scene.cluster.heal()
    scene.attached = []
    yield scene
    for component in scene.attached:
        component.close()
    for component in scene.attached:
        component.ended.wait(5)


def attach(scene, node, domain, **shared):
    made = Counter(node.component_address, domain, **shared)
    scene.attached.append(made)
    return made


def send(scene, node, receiver, name, rate=500, domains=None):
    """From a component of that node."""
    sender = attach(scene, node, f"*.{OURS}")
    return Source(sender, receiver, name, domains or scene.domains(4), rate)


def arrived(receiver, count):
    wait_for("stanzas arrive", lambda: len(receiver.arrivals) >= count or receiver.errors, 20)


def test_is_reached_from_each_node(two):
    """covers: ROUTE-02 CLUST-01"""
    one, other = two.cluster.nodes
    rooms = attach(two, other, ROOMS)
    sources = [send(two, one, rooms, "far"), send(two, other, rooms, "near")]
    arrived(rooms, 2000)
    for tally in settle(sources, rooms):
        check(tally)
        assert tally.arrived == tally.sent and tally.twice == 0
    two.cluster.at_rest()


def test_gets_what_comes_in_at_another_node(two):
    """The remote server's stream ends at the first node. (It is open before the load begins: while
    it restarts after SASL, Prosody sends what comes then ahead of what waits.)"""
    rooms = attach(two, two.cluster.nodes[1], ROOMS)
    peer = two.receiver()
    two.attached.append(peer)
    peer.message(f"user@{ROOMS}", id="remote:first:0")
    arrived(rooms, 1)
    source = Source(peer, rooms, "remote", [peer.domain], 200)
    arrived(rooms, 500)
    (tally,) = settle([source], rooms)
    check(tally)
    assert tally.arrived == tally.sent
    two.cluster.at_rest()


def test_replace_holds_across_nodes(two):
    """covers: COMP-12"""
    one, other = two.cluster.nodes
    old = attach(two, one, ROOMS)
    new = attach(two, other, ROOMS)
    wait_for("the older is ended", old.ended.is_set)
    assert old.error.startswith("conflict")
    assert not new.ended.is_set()


def test_refuse_holds_across_nodes(two):
    """covers: COMP-12"""
    one, other = two.cluster.nodes
    old = attach(two, one, FIRST)
    with pytest.raises(Closed, match="conflict"):
        attach(two, other, FIRST)
    assert not old.ended.is_set()
    old.close()
    wait_for("its place is free", lambda: is_free(two, other))


def is_free(scene, node):
    try:
        attach(scene, node, FIRST)
        return True
    except Closed:
        return False


def test_share_gives_a_key_to_one_instance(two):
    """Whichever node a stanza enters at."""
    one, other = two.cluster.nodes
    instances = [attach(two, node, TEAM) for node in (one, other, other)]
    senders = [attach(two, node, f"*.{OURS}") for node in (one, other)]
    (own,) = two.domains(1)
    for sender in senders:
        for n in range(60):
            sender.message(f"u{n}@{TEAM}", own=f"user@{own}", id=f"{n}:{own}:0")
    wait_for("all arrive", lambda: sum(len(i.arrivals) for i in instances) >= 120)
    keys = [{id.split(":")[0] for _, id in instance.arrivals} for instance in instances]
    print(f"keys of each: {[len(k) for k in keys]}")
    assert all(keys), "each has some"
    assert sum(len(k) for k in keys) == 60, "no key at two"


def test_moves_to_another_node(two):
    """It comes back within its grace, elsewhere: nothing is lost, and what waited comes first."""
    one, other = two.cluster.nodes
    arrivals, errors = [], []
    rooms = attach(two, other, ROOMS, arrivals=arrivals, errors=errors)
    source = send(two, one, rooms, "far")
    arrived(rooms, 500)
    rooms.close()
    rooms = attach(two, one, ROOMS, arrivals=arrivals, errors=errors)
    now = len(arrivals)
    arrived(rooms, now + 500)
    (tally,) = settle([source], rooms)
    check(tally)
    assert tally.arrived == tally.sent
    two.cluster.at_rest()


def key_of_each(near, far):
    """A user of TEAM for each of the two instances. That of the far one is found first: from then on
    the near one's node knows both, and no key moves."""
    found = {}
    for n in range(128):
        user, id = f"k{n}@{TEAM}", f"ask:{TEAM}:{n}"
        near.message(user, own=f"user@{TEAM}", id=id)
        (where,) = wait_for("somebody gets it", lambda: [r for r in (near, far) if (id in (i for _, i in list(r.arrivals)))])
        if where is far or far in found:
            found.setdefault(where, user)
        if len(found) == 2:
            return found[near], found[far]
    raise AssertionError("128 keys, and all are at one instance")


def test_a_node_with_an_instance_dies(two):
    """What it had not acknowledged goes to the other instance, and its keys stay there."""
    one, other = two.cluster.nodes
    stays, dies = (attach(two, node, TEAM) for node in (one, other))
    keys = key_of_each(stays, dies)
    stays.arrivals.clear()
    sources = [Source(attach(two, one, f"*.{OURS}"), stays, name, two.domains(16), 500, to=key)
               for name, key in zip(("near", "far"), keys)]
    arrived(stays, 500)
    arrived(dies, 500)
    assert {id.split(":")[0] for _, id in stays.arrivals} == {"near"}
    since = other.kill()
    wait_for("its key arrives at the other", lambda: any(id.startswith("far:") for _, id in list(stays.arrivals)), GONE)
    print(f"after {time.monotonic() - since:.1f} s both keys arrive again")
    dies.ended.wait(5)
    stays.arrivals[:0] = [each for each in dies.arrivals if each[1].startswith("far:")]
    for tally in settle(sources, stays, seconds=GONE):
        assert tally.open == 0 and tally.bounced == 0, tally


def shown(scene, what, node):
    """{field: words of its value} of a node, for people who look into Redis."""
    words = scene.cluster.redis.call("HGETALL", f"{{fr}}:{what}:{node.name}").splitlines()
    return {field: value.split() for field, value in zip(words[::2], words[1::2])}


def as_it_is(scene, node):
    """What Redis shows of it is what it says of itself."""
    links = [row for row in node.ctl("--local", "links") if row["open"]]
    served = [row["local"] for row in links if row["kind"] == "component"]
    rows = {field: words[1:7] for field, words in shown(scene, "sess", node).items()}
    itself = {field: words[1:] for field, words in shown(scene, "node", node).items() if field not in ("inc", "addr")}
    components = {field: words[1:] for field, words in shown(scene, "comp", node).items()}
    return (
        rows == {str(row["id"]): ["1", row["kind"], row["local"], row["remote"] or "-", row["peer"],
                                  "-" if row["kind"] == "component" else row["method"]] for row in links}
        and components == {domain: ["1", str(served.count(domain))] for domain in served}
        and itself == {"state": ["1", node.state()], "version": ["1", node.ctl("--local", "status")[0]["version"]],
                       "links": ["1", str(len(links))]}
    )


def shows_nothing(scene, node):
    return not any(shown(scene, what, node) for what in ("node", "comp", "sess"))


def test_redis_shows_what_a_node_has(two):
    """covers: CLUST-04"""
    one, other = two.cluster.nodes
    rooms = [attach(two, other, ROOMS), attach(two, other, TEAM), attach(two, other, TEAM)][0]
    peer = two.receiver()
    two.attached.append(peer)
    peer.message(f"user@{ROOMS}")
    rooms.message(f"user@{peer.domain}")
    arrived(rooms, 1)
    arrived(peer, 1)
    for node in (one, other):
        wait_for(f"Redis shows what {node.name} has", lambda n=node: as_it_is(two, n), 5)
    assert shown(two, "comp", other)[TEAM][1:] == ["1", "2"]
    streams = [" ".join(words) for node in (one, other) for words in shown(two, "sess", node).values()]
    now = time.time()
    for kind in ("component", "s2s_in", "s2s_out"):
        (row, *_) = [each.split() for each in streams if f" 1 {kind} " in each]
        assert re.fullmatch(r"\d+ 1 \S+ \S+ \S+ [0-9.]+:\d+ (pkix TLSv1.[23]|- -) \d+ [01]", " ".join(row)), row
        assert now - 60 < int(row[-2]) <= now, row

    two.cluster.redis.call("FLUSHALL")
    for node in (one, other):
        wait_for(f"... again of {node.name}", lambda n=node: as_it_is(two, n), 10)
    other.kill()
    assert shown(two, "sess", other)
    wait_for("what a dead node showed is gone", lambda: shows_nothing(two, other), GONE)
    assert as_it_is(two, one)
    assert one.process.stop(20) == 0
    assert shows_nothing(two, one)


def test_a_way_back_to_another_node_is_noticed(two):
    """covers: ROUTE-16"""
    first = attach(two, two.cluster.nodes[0], FIRST)
    first.message(f"user@{ASTRAY}")
    wait_for("it comes back", lambda: first.errors, 20)
    condition, _, text = first.errors[0][2]
    assert (condition, text.partition(":")[0]) == ("remote-server-not-found", "loop")


def connect(address):
    """None: it was reset before we even looked."""
    try:
        return socket.create_connection(address, timeout=5, source_address=("127.0.7.7", 0))
    except ConnectionResetError:
        return None


def crowd(address, count):
    """Connections of one stranger that say nothing; those that were not reset."""
    made = [one for one in [connect(address) for _ in range(count)] if one]
    time.sleep(0.1)
    stay = []
    for one in made:
        one.setblocking(False)
        try:
            reset = one.recv(1) == b""
        except BlockingIOError:
            reset = False
        except ConnectionError:
            reset = True
        (one.close() if reset else stay.append(one))
    return stay


def test_connections_of_an_address_count_at_all_nodes(two):
    """covers: LIMIT-01"""
    one, other = ((node.address, S2S_PORT) for node in two.cluster.nodes)
    there = crowd(one, 40)
    assert len(there) == 40

    def refused():
        here = crowd(other, 30)
        for each in here:
            each.close()
        return len(here) < 30

    wait_for("the second node counts those of the first", refused, 10, step=0.5)
    for each in there:
        each.close()
    wait_for("they are forgotten", lambda: not refused(), 10, step=0.5)


def test_a_dead_server_is_found_dead_once(two):
    """covers: STREAM-21"""
    one, other = two.cluster.nodes
    near, far = (attach(two, node, f"*.{OURS}") for node in (one, other))
    mine, theirs = two.domains(2)

    def row(node, local):
        return next((row for row in node.ctl("--local", "pairs", DEAD) if row["local"] == local), None)

    def long():
        near.message(f"user@{DEAD}", own=f"user@{mine}")
        tried = row(one, mine)
        return tried and tried["retry_ms"] > 10000

    wait_for("the first node waits long", long, 90, step=0.2)
    time.sleep(1 + SLACK)  # its word may have to wait for the next second
    spared = other.metrics()["dials_spared_total"]
    far.message(f"user@{DEAD}", own=f"user@{theirs}")
    wait_for("the second node does not try", lambda: other.metrics()["dials_spared_total"] > spared)
    told = row(other, theirs)
    assert (told["last_node"], told["last_failure"]) == (row(one, mine)["node"], "unreachable")
    assert told["retry_ms"] > 1000
    assert row(one, mine)["last_node"] is None
