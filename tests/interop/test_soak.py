"""Two routers and a Prosody, 100 pairs, links cut at random under load."""
import json
import os
import random
import subprocess
import time

import pytest

from rig import COMPONENT_PORT, SECRET, cuts
from rig.process import wait_for
from rig.router import release_binary

LONG = bool(os.environ.get("FEDROUTER_LONG"))
CUTS = 200 if LONG else 20
PAUSE = 0.6  # between cuts: enough for a link to come back and carry something
LOAD = os.path.abspath(os.environ.get("FEDROUTER_LOAD", "build-release/tests/bench/load"))
SETTINGS = {
    "peers": [{"match": "*", "allow": "both", "tls": "required", "auth": ["pkix"]}],
    "limits": {"connections_per_address": 4096},
    "timeouts": {"keepalive": "10s"},  # so that ends which never heard of a cut are found out
    "log": {"level": "warn"},
}
FLOWS = [  # sender, receiver, senders, receivers, stanzas a second: 100 pairs
    ("one", "two", 10, 5, 2000),
    ("two", "prosody", 10, 5, 1000),
]


class Load:
    def __init__(self, sender, receiver, name, senders, receivers, rate):
        self.popen = subprocess.Popen(
            [LOAD, "--send", "%s:%d" % sender.component_address, "--receive", "%s:%d" % receiver.component_address,
             "--secret", SECRET, "--from", f"send%d-{name}.example", "--to", f"recv%d-{name}.example",
             "--senders", str(senders), "--receivers", str(receivers), "--rate", str(rate), "--seconds", "100000",
             "--window", "20000", "--drain", "70"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )

    def finish(self):
        self.popen.terminate()  # ends the sending; the rest gets its fate
        out, _ = self.popen.communicate(timeout=120)
        return json.loads(out)


def domains(sides):
    """{server: component domains} for the flows."""
    found = {side: [] for side in sides}
    for sender, receiver, senders, receivers, _ in FLOWS:
        name = f"{sender}-{receiver}"
        found[sender] += [f"send{i}-{name}.example" for i in range(senders)]
        found[receiver] += [f"recv{i}-{name}.example" for i in range(receivers)]
    return found


def start(site):
    names = domains(["one", "two", "prosody"])
    servers = {
        "one": site.server("fedrouter", "127.0.0.31", names["one"], program=release_binary(), settings=SETTINGS),
        "two": site.server("fedrouter", "127.0.0.32", names["two"], program=release_binary(), settings=SETTINGS),
        "prosody": site.server("prosody", "127.0.0.11", names["prosody"], secure=True, level="warn"),
    }
    site.dns.start()
    for server in servers.values():
        server.start()
    return servers


def size(routers):
    return [(r.process.memory_bytes(), r.process.descriptors()) for r in routers]


def test_links_cut_under_load(site):
    """covers: ROUTE-05 ROUTE-07 ROUTE-09 STREAM-21 LIVE-02 SERR-07 QUIRK-23"""
    if not os.access(release_binary(), os.X_OK):
        pytest.skip("the router is not built")
    servers = start(site)
    routers = [servers["one"], servers["two"]]
    loads = [Load(servers[f[0]], servers[f[1]], f"{f[0]}-{f[1]}", *f[2:]) for f in FLOWS]
    chance = random.Random(int(os.environ.get("FEDROUTER_SEED", "1")))
    time.sleep(3)
    early, done = None, 0
    while done < CUTS:
        done += cuts.cut(chance.choice(routers).process, chance)
        time.sleep(chance.uniform(0, 2 * PAUSE))
        if done == CUTS // 4:
            early = early or size(routers)
    reports = [load.finish() for load in loads]
    print(json.dumps(reports, indent=1))
    for report in reports:
        assert report["sent"] > 1000 and not report["broken"]
        assert (report["lost"], report["reordered"], report["both"], report["foreign"]) == (0, 0, 0, 0), report
        assert report["sent"] == report["received"] + report["bounced"]
    resent = sum(r.metrics().get("stanzas_resent_total", 0) for r in routers)
    assert sum(r["dup"] for r in reports) <= resent  # each second copy was one that nobody had acknowledged
    for router in routers:
        wait_for("every stanza has its fate", lambda r=router: r.balance() == 0, 20)
        assert router.process.running
    for router, (memory, descriptors) in zip(routers, early):
        assert router.process.memory_bytes() < memory * 1.25 + (8 << 20), "memory grows"
        wait_for("no more descriptors than before", lambda r=router, d=descriptors: r.process.descriptors() < d + 10, 60)
