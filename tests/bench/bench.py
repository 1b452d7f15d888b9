"""Component -> node A -> S2S over TLS -> node B -> component, for each kind of server, in one run.

    sh tests/bench/run.sh [--seconds N] [--links N] [--workers N] [--only WORD] [--json FILE] [KIND...]

KIND: prosody, ejabberd, fedrouter (all that are there). WORD: a part of the names of the scenes to
be measured. Workers are those of each fedrouter node, by default one a core. Both nodes and the load share this
machine, so rates say what the machine does and only ratios travel; CPU seconds travel better.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from rig import COMPONENT_PORT, SECRET  # noqa: E402
from rig.router import release_binary  # noqa: E402
from rig.site import Site  # noqa: E402

LOAD = os.path.abspath(os.environ.get("FEDROUTER_LOAD", "build-release/tests/bench/load"))
KINDS = ["prosody", "ejabberd", "fedrouter"]
A, B = "127.0.0.11", "127.0.0.12"

# Each kind at its best: no logging, no limit in the way. Prosody's collector by default runs
# all the time and costs it half its speed; the first value lets memory grow to four times what
# is alive, the second keeps memory honest where memory is measured.
FLOW = {
    "prosody": {"secure": True, "level": "warn", "more": "gc = { threshold = 400, speed = 500 }"},
    "ejabberd": {"secure": True, "level": "warning"},
    "fedrouter": {
        "program": release_binary(),
        "settings": {
            "log": {"level": "warn"},
            "limits": {"connections_per_address": 4096},  # all come from 127.0.0.1
            "peers": [{"match": "*", "allow": "both", "tls": "required", "auth": ["pkix"]}],
        },
    },
}
LINKS = {**FLOW, "prosody": {**FLOW["prosody"], "more": 'gc = { mode = "generational" }'}}


class Pair:
    """Two nodes of a kind, B with so many component domains."""

    def __init__(self, site, kind, domains, settings):
        self.a = site.server(kind, A, ["send0.a.example"], **settings[kind])
        self.b = site.server(kind, B, [f"recv{i}.b.example" for i in range(domains)], wildcard="*.b.example",
                             **settings[kind])
        site.dns.start()
        self.a.start()
        self.b.start()

    def clocks(self):
        return [(s.process.cpu_seconds(), s.process.memory_bytes()) for s in (self.a, self.b)]

    def load(self, receivers, *options):
        """The load's report, and clocks (CPU, memory of A and B) at each of its stages."""
        command = [LOAD, "--send", f"{A}:{COMPONENT_PORT}", "--receive", f"{B}:{COMPONENT_PORT}", "--secret", SECRET,
                   "--receivers", str(receivers), "--stages", *map(str, options)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        stages = {}
        for line in process.stderr:
            if line.startswith("stage "):
                stages[line.split()[1]] = self.clocks()
                process.stdin.write("\n")
                process.stdin.flush()
            else:
                print(line, end="", file=sys.stderr)
        report = json.loads(process.stdout.read() or "{}")
        assert process.wait() == 0, f"load ended with {process.returncode}: {report}"
        return report, stages


def measure_flow(pair, domains, size, seconds, rate=0):
    report, stages = pair.load(domains, "--bytes", size, "--seconds", seconds, "--rate", rate)
    stanzas = report["received"] - report["open"]["pairs"]
    cpu = [stages["done"][i][0] - stages["open"][i][0] for i in (0, 1)]
    row = {
        "CPU s/100k, node A": cpu[0] * 1e5 / max(stanzas, 1),
        "CPU s/100k, node B": cpu[1] * 1e5 / max(stanzas, 1),
    }
    if rate:  # flat out the latency is only the window over the rate, and at a rate the rate is given
        row.update({"p50 ms": report["latency_ms"]["p50"], "p99 ms": report["latency_ms"]["p99"]})
    else:
        row = {"stanzas/s": report["rate"], **row}
    lost = {k: report[k] for k in ("lost", "dup", "reordered", "bounced") if report[k]}
    return row, lost


def measure_links(site_folder, kind, links):
    with Site(site_folder) as site:
        pair = Pair(site, kind, links, LINKS)
        report, stages = pair.load(links, "--seconds", 0, "--drain", 30, "--window", 200)
        opened = max(report["open"]["pairs"], 1)
        grown = [(stages["open"][i][1] - stages["connected"][i][1]) / opened / 1024 for i in (0, 1)]
        row = {
            "links/s": report["open"]["per_second"],
            "KiB/idle link, node A (out)": grown[0],
            "KiB/idle link, node B (in)": grown[1],
        }
        lost = {} if opened == links else {"not opened": links - report["open"]["pairs"]}
        return row, lost


def flow_scenes(options):
    """{scene: (domains, bytes, rate)}"""
    scenes = {
        "1 remote domain, 200 bytes": (1, 200, 0),
        "1 remote domain, 2000 bytes": (1, 2000, 0),
        "15 k/s, 200 bytes": (1, 200, 15000),
        "100 remote domains, 200 bytes": (100, 200, 0),
        "100 remote domains, 2000 bytes": (100, 2000, 0),
    }
    return {name: scene for name, scene in scenes.items() if options.only in name}


def measure(kind, options):
    """{scene: (row, what went wrong)}"""
    scenes = {}
    with tempfile.TemporaryDirectory(prefix="fedrouter-bench-") as folder:
        for domains in (1, 100):
            wanted = {name: scene for name, scene in flow_scenes(options).items() if scene[0] == domains}
            if not wanted:
                continue
            with Site(os.path.join(folder, f"flow{domains}")) as site:
                pair = Pair(site, kind, domains, FLOW)
                for name, (_, size, rate) in wanted.items():
                    scenes[name] = measure_flow(pair, domains, size, options.seconds, rate)
        name = f"{options.links} links, EXTERNAL"
        if options.only in name:
            scenes[name] = measure_links(os.path.join(folder, "links"), kind, options.links)
    return scenes


def ratio(ours, theirs, name):
    """Above 1: we are better."""
    if not ours or not theirs:
        return ""
    return f"{ours / theirs if name.endswith('/s') else theirs / ours:.1f}x"


def print_table(results):
    kinds = list(results)
    ours = results.get("fedrouter")
    others = [k for k in kinds if k != "fedrouter"] if ours else []
    print(f"{'':34}" + "".join(f"{k:>12}" for k in kinds) + "".join(f"{'vs ' + k:>13}" for k in others))
    for scene in results[kinds[0]]:
        print(scene)
        for name in results[kinds[0]][scene][0]:
            values = {k: results[k][scene][0][name] for k in kinds}
            line = "".join(f"{values[k]:12.3f}" if values[k] < 100 else f"{values[k]:12.0f}" for k in kinds)
            line += "".join(f"{ratio(values['fedrouter'], values[k], name):>13}" for k in others)
            print(f"  {name:32}{line}")
        for k in kinds:
            if results[k][scene][1]:
                print(f"  {k}: {results[k][scene][1]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--links", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--json")
    parser.add_argument("kinds", nargs="*", metavar="KIND", default=[])
    options = parser.parse_args()
    FLOW["fedrouter"]["settings"]["node"] = {"workers": options.workers}
    results = {}
    for kind in options.kinds or KINDS:
        if kind == "fedrouter" and not os.access(release_binary(), os.X_OK):
            print(f"skipped fedrouter: no {release_binary()}", file=sys.stderr)
            continue
        print(f"measuring {kind} ...", file=sys.stderr)
        results[kind] = measure(kind, options)
    print_table(results)
    if options.json:
        with open(options.json, "w", encoding="ascii") as file:
            json.dump(results, file, indent=1)


main()
