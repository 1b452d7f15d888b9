"""Two real nodes that share a Redis and a mesh, as an operator sees and steers them. CLUST-04."""
import os
import signal
import subprocess

import pytest

from rig.cluster import MESH_PORT, OURS, Cluster
from rig.process import wait_for
from rig.router import tsan_binary


def run(node, *words, **options):
    """fedrouterctl, for people."""
    program = os.path.join(os.path.dirname(node.program), "fedrouterctl")
    return subprocess.run([program, "--socket", os.path.join(node.folder, "control.sock"), *words],
                          capture_output=True, text=True, timeout=60, **options)


def rows_of(node, name, *words):
    return [row for row in node.ctl(*words) if row["node"] == name]


@pytest.fixture
def two(program, site):
    cluster = Cluster(site, 2)
    site.dns.start()
    yield cluster.start()
    for node in cluster.nodes:
        assert node.sound() is True, node.sound()


def test_answers_come_from_both_nodes(two):
    one, other = two.nodes
    for command in ("status", "nodes", "components"):
        assert {row["node"] for row in one.ctl(command)} == {one.name, other.name}, command
    other.component()
    assert [(row["node"], row["state"]) for row in one.ctl("components")] == [(other.name, "open")]
    assert [row["local"] for row in rows_of(one, other.name, "links")] == [f"*.{OURS}"]
    assert one.ctl("--local", "links") == []
    (seen,) = rows_of(one, other.name, "nodes")
    assert (seen["state"], seen["mesh"], seen["member"], seen["config_differs"]) == ("member", "up", True, False)
    assert seen["address"] == f"{other.address}:{MESH_PORT}"
    assert [row["names"] for row in one.ctl("certs")][-1] == [one.name], "that of the mesh"
    assert one.metrics()[f'certificate_expiry_seconds{{domain="{one.name}"}}'] > 0
    table = run(one, "nodes").stdout
    assert "MESH" in table and other.name in table and "up " in table

    (link,) = rows_of(one, other.name, "links")
    assert run(one, "close", f"{one.name}/{link['id']}").returncode == 1
    assert run(one, "close", str(link["id"])).stdout == "1 link is closed\n"


def test_who_does_not_answer_is_named(two):
    one, other = two.nodes
    other.process.signal(signal.SIGSTOP)
    done = run(one, "status")
    assert done.returncode == 0 and done.stdout.startswith(f"{one.name}: member") and f"\n{other.name}:" not in done.stdout
    assert f"{other.name}: it did not answer within 2 s" in done.stderr
    two.heal()


def test_a_reload_that_makes_nodes_differ_is_shown(two):
    one, other = two.nodes
    other.secret = "fedcba98" * 8
    other.reload()
    wait_for("it is seen", lambda: one.metrics()["config_differs"] == 1)
    assert [row["differs"] for row in rows_of(one, other.name, "nodes")] == [["dialback"]]
    one.secret = other.secret
    one.reload()
    wait_for("it is seen", lambda: one.metrics()["config_differs"] == other.metrics()["config_differs"] == 0)


def test_threads_share_nothing_unguarded(site):
    """Under ThreadSanitizer: hellos, questions and answers cross from loop to loop."""
    if not os.access(tsan_binary(), os.X_OK):
        pytest.skip("the router is not built with ThreadSanitizer")
    cluster = Cluster(site, 2, program=tsan_binary())
    site.dns.start()
    one, other = cluster.start().nodes
    other.component()
    for node in (one, other):
        for command in ("status", "nodes", "links", "pairs", "components", "queues"):
            node.ctl(command)
        node.reload()
    assert run(one, "close", OURS).returncode == 1
    cluster.redis.kill()
    wait_for("they go on without it", lambda: one.state() == other.state() == "degraded", 30)
    other.kill()
    for node in (one, other):
        assert node.sound() is True, node.sound()


def test_forget_after_an_outage_with_a_death(two):
    one, other = two.nodes
    done = run(one, "--yes", "forget", other.name)
    assert done.returncode == 1 and "answers" in done.stderr
    two.redis.kill()
    other.kill()
    wait_for("it is parked", lambda: one.state() == "parked", 30)
    (row,) = one.ctl("--local", "status")
    assert other.name in row["state_text"] and "fedrouterctl forget" in row["state_text"]
    assert one.metrics()["promises_missing"] == 1
    wait_for("nobody hears it", lambda: run(one, "--yes", "forget", other.name).returncode == 0, 20)
    wait_for("it writes again", lambda: one.state() == "degraded", 10)
    two.redis.start()
    wait_for("it is a member", lambda: one.state() == "member", 30)
    wait_for("the dead one is off the list", lambda: one.metrics()["members"] == 1, 10)
    metrics = one.metrics()
    assert metrics["epochs_total"] == 1 and metrics['fenced_total{reason="lapsed"}'] == 1
