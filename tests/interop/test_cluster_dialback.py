"""Dialback where a balancer decides which node is asked: any node vouches for keys that any other
made, also while the secret is exchanged."""
import itertools

import pytest

from rig.balancer import installed
from rig.cluster import BALANCER, REMOTE, SECRETS, Many
from rig.process import wait_for

DIALBACK = {"peers": [{"match": "*", "allow": "both", "tls": "required", "auth": ["dialback"]}]}
EACH = 4  # pairs of each node in each round: none may fail, whoever is asked
ROUNDS = 5


@pytest.fixture(scope="module")
def scene(program, tmp_path_factory):
    if not installed():
        pytest.skip("haproxy is not installed")
    options = {"cluster": {"settings": DIALBACK, "certificate": "self-signed"}, "certificate": "self-signed", "secure": False}
    with Many(tmp_path_factory.mktemp("dialback"), 3, **options) as made:
        made.fresh = iter(made.lead(made.domains(3 * EACH * ROUNDS), BALANCER))
        (made.alone,) = made.lead(made.domains(1), made.cluster.nodes[0].address)
        made.start()
        made.cluster.balancer().start()
        made.got = made.receiver()
        made.ours = [made.cluster.nodes[0].component()]
        yield made


def attach_everywhere(scene):
    scene.ours += [node.component() for node in scene.cluster.nodes[len(scene.ours):]]


def answered(scene):
    """Questions for a key that each node has answered."""
    return [node.metrics()['dialback_verify_total{side="answered"}'] for node in scene.cluster.nodes]


def everybody_out(scene):
    """Each node opens pairs of its own; the peer's questions go wherever the balancer says."""
    ids = []
    for component in scene.ours:
        for domain in itertools.islice(scene.fresh, EACH):
            ids.append(component.message(f"user@{REMOTE}", own=f"user@{domain}", id=f"out:{domain}:0"))
    arrived = lambda: {id for _, id in scene.got.arrivals} >= set(ids) or scene.cluster.errors
    wait_for("a message of each pair arrives", arrived, 30)
    assert not scene.cluster.errors, scene.cluster.errors


def test_inbound_at_any_node(scene):
    """The peer dials the balancer: whoever gets the stream asks back, and knows where the component
    is: at the first node alone."""
    domains = list(itertools.islice(scene.fresh, 2 * EACH))
    ids = [scene.got.message(f"user@{domain}", id=f"in:{domain}:0") for domain in domains]
    wait_for("all arrive", lambda: {id for _, id in scene.cluster.arrivals} >= set(ids) or scene.got.errors, 30)
    assert not scene.got.errors
    opened = [n.metrics()['links_opened_total{link="s2s_in",method="dialback"}'] for n in scene.cluster.nodes]
    print(f"streams at each: {opened}")
    assert all(opened)


def test_any_node_vouches(scene):
    """covers: CLUST-01 CLUST-03"""
    attach_everywhere(scene)
    before = answered(scene)
    everybody_out(scene)
    after = answered(scene)
    print(f"questions answered by each: {[b - a for a, b in zip(before, after)]}")
    assert all(b > a for a, b in zip(before, after)), "the balancer asked them all"
    for node in scene.cluster.nodes:
        assert node.metrics()['links_opened_total{link="s2s_out",method="dialback"}'] >= EACH


def test_secret_is_exchanged(scene):
    """In two rounds (CLUSTER): the new one everywhere as the previous one, then exchanged, node by
    node. covers: KEY-02"""
    attach_everywhere(scene)
    old, new = SECRETS
    for node in scene.cluster.nodes:
        node.previous = new
        node.reload()
    for node in scene.cluster.nodes[:2]:
        node.secret, node.previous = new, old
        node.reload()
    everybody_out(scene)  # two make keys by the new one, the third by the old one
    node = scene.cluster.nodes[2]
    node.secret, node.previous = new, old
    node.reload()
    everybody_out(scene)


def test_a_foreign_secret_is_found_out(scene):
    """Were secrets not compared, the tests above would prove nothing. The domain leads to the first node alone."""
    attach_everywhere(scene)
    node, component = scene.cluster.nodes[1], scene.ours[1]
    node.secret, node.previous = "9" * 64, None
    node.reload()
    id = component.message(f"user@{REMOTE}", own=f"user@{scene.alone}", id=f"out:{scene.alone}:0")
    wait_for("it comes back", lambda: scene.cluster.errors, 30)
    ((_, about, why),) = scene.cluster.errors
    assert about == id and why[2].startswith("dialback-invalid"), why
