"""Two nodes whose Redis fails over: three sentinels, a master and a replica, wait_replicas 1."""
import re
import time

import pytest

from rig.cluster import REDIS, REDIS_PORT, SENTINEL_PORT, Many
from rig.numbered import Source, check, settle, silences, spread
from rig.process import wait_for

# What README tells to set: a master that lost its replicas takes no writes.
SAFE = ("min-replicas-to-write 1", "min-replicas-max-lag 1")
TABLE = {
    "url": [f"redis://{REDIS}:{REDIS_PORT}"], "master": "table", "wait_replicas": 1,
    "sentinels": [f"{REDIS}:{SENTINEL_PORT + i}" for i in range(3)],
}


class Failover(Many):
    def start(self):
        c = self.cluster
        self.master = c.new_redis("master", REDIS_PORT, *SAFE).start()
        self.replica = c.new_redis("replica", REDIS_PORT + 1, f"replicaof {REDIS} {REDIS_PORT}", *SAFE).start()
        wait_for("a replica is there", lambda: self.master.info("connected_slaves") == "1")
        for i in range(3):
            self.sentinel(i)
        for sentinel in self.sentinels:
            wait_for("sentinels know each other and the replica",
                     lambda s=sentinel: re.search("slaves=1,sentinels=3", s.call("INFO", "sentinel")))
        c.redis = self.master
        self.dns.start()
        self.peer.start()
        self.got = self.receiver()
        c.start(redis=False)
        return self

    sentinels = ()

    def sentinel(self, i):
        config = (f"sentinel monitor table {REDIS} {REDIS_PORT} 2", "sentinel auth-pass table admin",
                  "sentinel down-after-milliseconds table 1500", "sentinel failover-timeout table 4000")
        made = self.cluster.new_redis(f"sentinel{i}", SENTINEL_PORT + i, *config, sentinel=True).start()
        self.sentinels = (*self.sentinels, made)


@pytest.fixture
def scene(program, tmp_path):
    with Failover(tmp_path, 2, cluster={"table": TABLE}) as made:
        yield made.start()


def test_failover(scene):
    """The master dies under load; the nodes live on promises until the new one has a replica again,
    and nothing is parked, bounced, lost or doubled. covers: CLUST-04"""
    a, b = scene.cluster.nodes
    domains = scene.domains(12)
    sources = [Source(n.component(), scene.got, n.name, d) for n, d in ((a, domains[:6]), (b, domains[6:]))]
    wait_for("all pairs are open", lambda: len({id.split(":")[1] for _, id in scene.got.arrivals}) == len(domains))
    begun = time.monotonic()
    scene.master.kill()
    wait_for("the replica is promoted", lambda: scene.replica.info("role") == "master")
    print(f"promoted after {time.monotonic() - begun:.2f} s")
    wait_for("both live on promises", lambda: {n.state() for n in (a, b)} == {"degraded"}, 15)
    scene.master.start()  # comes back as a replica
    wait_for("both are members again", lambda: {n.state() for n in (a, b)} == {"member"}, 40)
    print(f"members again after {time.monotonic() - begun:.2f} s")
    time.sleep(1)
    for source in sources:
        spread("without a writer", [g for g, _ in silences(scene.got, source, begun, time.monotonic()).values()])
    scene.cluster.redis = scene.replica
    owners = scene.cluster.owners(domains, "recv.peer.example")
    assert owners == {**dict.fromkeys(domains[:6], a.name), **dict.fromkeys(domains[6:], b.name)}
    for tally in settle(sources, scene.got):
        check(tally)
        assert tally.twice == tally.bounced == 0, tally
    scene.cluster.at_rest()
