"""Two routers and a Prosody, 100 pairs, links cut at random under load; the same in small with the
routers under ThreadSanitizer."""
import json
import os
import random
import subprocess
import time

import pytest

from rig import COMPONENT_PORT, SECRET, cuts
from rig.process import wait_for
from rig.router import release_binary, tsan_binary

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
# Sender, receiver, how many of each, share of the rate: 100 pairs. What Prosody has received and
# not yet read when its link goes silent it reads beside the next link: with a backlog longer than
# the handshake of that link it would reorder by itself. So it gets what it can take at once.
FLOWS = [
    ("one", "two", 10, 5, 1.0),
    ("two", "prosody", 10, 5, 0.25),
]


class Load:
    def __init__(self, servers, flow, rate):
        sender, receiver, senders, receivers, share = flow
        name = f"{sender}-{receiver}"
        self.popen = subprocess.Popen(
            [LOAD, "--send", "%s:%d" % servers[sender].component_address,
             "--receive", "%s:%d" % servers[receiver].component_address, "--secret", SECRET,
             "--from", f"send%d-{name}.example", "--to", f"recv%d-{name}.example", "--senders", str(senders),
             "--receivers", str(receivers), "--rate", str(rate * share), "--seconds", "100000", "--window", "20000",
             "--drain", "70"],
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


def start(site, program, **more):
    if not os.access(program, os.X_OK):
        pytest.skip(f"{os.path.basename(os.path.dirname(program))}: the router is not built")
    names = domains(["one", "two", "prosody"])
    ours = {"program": program, "settings": {**SETTINGS, **more}}
    servers = {
        "one": site.server("fedrouter", "127.0.0.31", names["one"], **ours),
        "two": site.server("fedrouter", "127.0.0.32", names["two"], **ours),
        "prosody": site.server("prosody", "127.0.0.11", names["prosody"], secure=True, level="warn",
                               more="gc = { threshold = 400, speed = 500 }"),
    }
    site.dns.start()
    for server in servers.values():
        server.start()
    return servers


def soak(servers, count, rate):
    """Load over all flows, `count` links cut. Gives the loads' reports, and memory and descriptors
    of the routers after the first quarter."""
    routers = [servers["one"], servers["two"]]
    loads = [Load(servers, flow, rate) for flow in FLOWS]
    chance = random.Random(int(os.environ.get("FEDROUTER_SEED", "1")))
    time.sleep(3)
    early, done = None, 0
    while done < count:
        done += cuts.cut(chance.choice(routers).process, chance)
        time.sleep(chance.uniform(0, 2 * PAUSE))
        if done == count // 4:
            early = early or [(r.process.memory_bytes(), r.process.descriptors()) for r in routers]
    return [load.finish() for load in loads], early


def check_fates(servers, reports):
    print(json.dumps(reports, indent=1))
    for report in reports:
        assert report["sent"] > 1000 and not report["broken"]
        assert (report["lost"], report["reordered"], report["both"], report["foreign"]) == (0, 0, 0, 0), report
        assert report["sent"] == report["received"] + report["bounced"]
    resent = sum(servers[n].metrics().get("stanzas_resent_total", 0) for n in ("one", "two"))
    assert sum(r["dup"] for r in reports) <= resent  # each second copy was one that nobody had acknowledged
    for name in ("one", "two"):
        wait_for("every stanza has its fate", lambda: servers[name].balance() == 0, 20)
        assert servers[name].process.running


def test_links_cut_under_load(site):
    """covers: ROUTE-05 ROUTE-07 ROUTE-09 STREAM-21 LIVE-02 SERR-07 QUIRK-23"""
    servers = start(site, release_binary())
    reports, early = soak(servers, CUTS, 1500)
    check_fates(servers, reports)
    for router, (memory, descriptors) in zip((servers["one"], servers["two"]), early):
        assert router.process.memory_bytes() < memory * 1.25 + (8 << 20), "memory grows"
        wait_for("no more descriptors than before", lambda: router.process.descriptors() < descriptors + 10, 60)


def test_threads_race_for_nothing(site):
    """Four workers, so that pairs and components live apart, and whatever a race would need happens."""
    servers = start(site, tsan_binary(), node={"workers": 4})
    reports, _ = soak(servers, CUTS // 2, 600)
    check_fates(servers, reports)
    for name in ("one", "two"):
        servers[name].stop()
        assert "ThreadSanitizer" not in servers[name].process.log(), servers[name].process.log()[-5000:]
