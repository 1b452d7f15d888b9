"""Three nodes behind HAProxy: components come to any of them, and nodes are killed and restarted,
one after the other, under load. Under ThreadSanitizer where that is built."""
import os
import random
import signal
import time

import pytest

from rig.balancer import installed
from rig.cluster import Many
from rig.component import Closed
from rig.numbered import Source, check, settle
from rig.process import wait_for
from rig.router import tsan_binary

LONG = bool(os.environ.get("FEDROUTER_LONG"))
COUNT = 20 if LONG else 3


@pytest.fixture(scope="module")
def scene(program, tmp_path_factory):
    if not installed():
        pytest.skip("haproxy is not installed")
    options = {"program": tsan_binary()} if os.access(tsan_binary(), os.X_OK) else {}
    with Many(tmp_path_factory.mktemp("balancer"), 3, cluster=options) as made:
        made.start()
        made.balancer = made.cluster.balancer().start()
        made.chance = random.Random(int(os.environ.get("FEDROUTER_SEED", "1")))
        made.got = made.receiver()
        yield made


class Client:
    """A component that comes back through the balancer when its stream ends. Each of its streams is
    an ingress of its own: order holds for each, not across."""

    made = 0

    def __init__(self, scene, domains, rate):
        self.scene, self.domains, self.rate = scene, domains, rate
        self.number = Client.made
        Client.made += 1
        self.sources, self.all = [], []
        self.connect()

    def connect(self):
        def attach():
            try:
                return self.scene.cluster.component(self.scene.balancer.component_address)
            except (Closed, OSError):
                return None

        name = f"client{self.number}.{len(self.sources)}"
        component = wait_for(f"{name} is attached", attach, 20, step=0.2)
        self.sources.append(Source(component, self.scene.got, name, self.domains, self.rate))

    def watch(self):
        if self.sources[-1].component.ended.is_set():
            self.sources[-1].stop()
            self.connect()

    def check(self):
        *cut, last = settle(self.sources, self.scene.got, 30)
        for tally in cut:
            check(tally, cut=True)
        check(last)


def trouble(scene, clients, node, number):
    """The signal ends the node; it is restarted, and all flows again. Gives its exit status."""
    node.process.signal(number)
    status = node.process.popen.wait(30)
    watch_all(scene, clients, scene.chance.choice([0, 9]))  # at once, or after its burial
    node.launch()
    wait_for("all are members", lambda: watch_all(scene, clients, 0) and all(n.ready() for n in scene.cluster.nodes), 40)
    watch_all(scene, clients, 1)
    return status


def watch_all(scene, clients, seconds):
    end = time.monotonic() + seconds
    while True:
        for client in clients:
            client.watch()
        if time.monotonic() >= end:
            return True
        time.sleep(0.1)


@pytest.mark.parametrize("way", ["KILL", "TERM"])
def test_nodes_end_one_after_the_other(scene, way):
    """covers: CLUST-02 CLUST-05"""
    scene.cluster.heal()
    clients = [Client(scene, scene.domains(5), 100) for _ in range(4)]
    for n in range(COUNT):
        node = scene.chance.choice(scene.cluster.nodes)
        print(f"{n}: {way} {node.name}")
        number = getattr(signal, f"SIG{way}")
        status = trouble(scene, clients, node, number)
        assert status == (0 if way == "TERM" else -number), node.process.log()[-3000:]
    watch_all(scene, clients, 2)
    for client in clients:
        client.check()
    scene.cluster.at_rest()
