"""Two nodes that act as one, in numbers: component -> node -> S2S over TLS -> a router alone -> component.

    sh tests/bench/run.sh cluster [--seconds N] [--pairs N,N] [--takeover N,N] [--rows N] [--workers N] [--only WORD,WORD]
                                  [--json FILE]

WORD: a part of the names of the scenes to be measured (SCENES, below). --pairs: opened at once;
--takeover: of a node that ends. Workers are those of each node. Everything shares this machine, so
rates and times say what the machine does and only ratios travel; CPU seconds travel better.
"wanted" is what a cluster is built for, not what was measured.
"""
import argparse
import collections
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from rig import COMPONENT_PORT, S2S_PORT, SECRET, quota  # noqa: E402
from rig.cluster import ADMIN, BOUND, DRAIN, OURS, PASSWORD, REDIS, REDIS_PORT, Cluster  # noqa: E402
from rig.lone import rule  # noqa: E402
from rig.process import Process, wait_for  # noqa: E402
from rig.router import Router, release_binary  # noqa: E402
from rig.site import Site  # noqa: E402

LOAD = os.path.abspath(os.environ.get("FEDROUTER_LOAD", "build-release/tests/bench/load"))
WATCH = os.path.join(os.path.dirname(os.path.dirname(LOAD)), "interop/storewatch")
PEER, SILENT = "127.0.4.11", "127.0.4.90"
SIDES = (1, 2)  # two sets of domains, one for what enters at each node
NODES = ("one node", "two nodes")
COMPARED = [list(NODES), ["no rows", "with them"]]  # columns whose ratio says something
WRONG = ("lost", "dup", "reordered", "bounced", "both", "bounced_twice", "foreign")
RATE = 15000  # stanzas a second where latency is measured
SAMPLE = 0.002  # seconds between two looks at how many claims were granted
MOST, MOST_A_PAIR = 2500, 20  # stanzas a second where silence is measured
BEFORE, TAKEOVER, HAND_OVER = 2.0, 14.0, 5.0  # seconds until a node ends, and that are watched from then on
CROWD = 800  # pairs of each side: so many that each stanza is a write of its own, at one node as at two
SHARE = 0.15  # of a core


class Table:
    """{scene: {"rows": {row: {"values": {column: value}, "wanted": words}}, "wrong": {column: what}}}"""

    def __init__(self):
        self.scenes = {}

    def put(self, scene, row, values, wanted=""):
        self.scenes.setdefault(scene, {"rows": {}, "wrong": {}})["rows"][row] = {"values": values, "wanted": wanted}

    def check(self, scene, reports, allowed=()):
        """{column: reports of the load}: nothing may have gone wrong but this."""
        for column, report in reports.items():
            found = {key: report[key] for key in WRONG if report[key] and key not in allowed}
            if found:
                self.scenes[scene]["wrong"][column] = found

    def print(self):
        for name, scene in self.scenes.items():
            columns = list(dict.fromkeys(c for row in scene["rows"].values() for c in row["values"]))
            two = columns in COMPARED
            print(f"{name:36}" + "".join(f"{c:>14}" for c in columns) + ("   ratio" if two else ""))
            for what, row in scene["rows"].items():
                values = [row["values"].get(c) for c in columns]
                line = "".join(f"{shown(value):>14}" for value in values)
                line += f"{ratio(*values):>8}" if two else ""
                print(f"  {what:34}{line}" + (f"   wanted: {row['wanted']}" if row["wanted"] else ""))
            for column, found in scene["wrong"].items():
                print(f"  {column}: {found}")


def shown(value):
    if value is None:
        return ""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"


def ratio(first, second):
    return f"{second / first:.2f}x" if first and second else ""


def sender(side):
    return f"s{side}.{OURS}"


def receivers(side, below=""):
    return f"r%d.b{side}{below}.example"


class Load:
    """The load generator: stanzas enter at the node and arrive at the peer. `side`: 1 or 2, which of
    its two sets of domains; `below`: of them, for receivers who are somewhere else."""

    def __init__(self, node, side, pairs, *options, below=""):
        command = [LOAD, "--send", f"{node.address}:{COMPONENT_PORT}", "--receive", f"{PEER}:{COMPONENT_PORT}",
                   "--secret", SECRET, "--from", sender(side), "--to", receivers(side, below),
                   "--receivers", str(pairs), "--wild", "--stages", *map(str, options)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self.reached("connected")

    def reached(self, stage):
        """It waits there until go(). When that was."""
        for line in self.process.stderr:
            if line == f"stage {stage}\n":
                return time.monotonic()
            print(line, end="", file=sys.stderr)
        raise AssertionError(f"the load ended before it was {stage}")

    def go(self, stage=None):
        """On, and to this stage."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.reached(stage) if stage else None

    def report(self):
        """From the stage "done" on."""
        self.go()
        report = json.loads(self.process.stdout.read() or "{}")
        assert self.process.wait() == 0, f"the load ended with {self.process.returncode}: {report}"
        return report

    def end(self):
        """Whatever it does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()


class Asker:
    """A connection to Redis that asks one thing, quickly."""

    def __init__(self):
        self.socket = socket.create_connection((REDIS, REDIS_PORT), 5)
        self.file = self.socket.makefile("rb")
        self.call("AUTH", "default", ADMIN)

    def call(self, *words):
        self.socket.sendall((" ".join(words) + "\r\n").encode())
        line = self.file.readline().decode().strip()
        if line.startswith("$") and line != "$-1":
            return self.file.readline().decode().strip()
        assert not line.startswith("-"), line
        return None

    def grants(self):
        """Rows granted since the table began: the last token."""
        return int(self.call("GET", "{fr}:tok") or 0)


class Scene(Site):
    """Two nodes, their Redis, and the peer: a router alone."""

    def __init__(self, folder, workers):
        super().__init__(folder)
        both = {"log": {"level": "warn"}, "limits": {"connections_per_address": 100000, "idle": "1h"}}
        ours = {"node": {"drain_timeout": f"{DRAIN}s", "workers": workers}, "timeouts": {"connect": "2m"},
                "peers": [rule("*.silent.example", SILENT), rule("*", PEER)]}
        self.cluster = Cluster(self, 2, settings={**both, **ours}, program=release_binary(),
                               components={sender(side): {} for side in SIDES})
        domains = [receivers(side, below).replace("r%d", "*") for side in SIDES for below in ("", ".silent")]
        certificate = self.certificate(["peer.example", *domains])
        theirs = {"peers": [rule("*", *(node.address for node in self.cluster.nodes))]}
        self.peer = Router(self.folder, PEER, "peer.example", domains, certificate, self.ca.path, release_binary(),
                           {**both, **theirs})
        self.callback(self.peer.process.kill)
        self.loads, self.used = [], False
        self.callback(self.end_loads)

    def start(self):
        self.peer.start()
        self.cluster.start()
        return self

    def end_loads(self):
        for load in self.loads:
            load.end()
        self.loads = []

    def fresh(self):
        """Nodes and peer have no pair. Rows of those before stay in the table."""
        if self.used:
            self.end_loads()
            for process in [self.peer.process, *(node.process for node in self.cluster.nodes)]:
                process.kill()
            self.peer.start()
            self.cluster.heal()
            time.sleep(BOUND)
        self.used = True

    def load(self, side, pairs, *options, at=None, **more):
        """One whose stanzas enter at this node; left out: at that of its side."""
        self.loads.append(Load(self.cluster.nodes[(at or side) - 1], side, pairs, *options, **more))
        return self.loads[-1]

    def cpu(self):
        return [node.process.cpu_seconds() for node in self.cluster.nodes]

    def owned_by(self, side, pairs, owner):
        keys = [f"{{fr}}:pair:{sender(side)} {receivers(side).replace('%d', str(n))}" for n in range(pairs)]
        found = {row.partition(":")[0] for row in self.cluster.redis.call("MGET", *keys).splitlines()}
        return found == {f"node{owner}"}

    def open(self, side, pairs, owner):
        """New pairs that are this node's, and stay open."""
        load = self.load(side, pairs, "--seconds", 0, "--drain", 30, at=owner)
        load.go("open")
        load.go("done")
        report = load.report()
        assert report["received"] == pairs and self.owned_by(side, pairs, owner), report

    def buckets(self):
        """{upper bound: how many} of what the nodes themselves measure of their calls to the table."""
        found = collections.Counter()
        for node in self.cluster.nodes:
            for name, value in node.metrics().items():
                bound = re.fullmatch(r'store_seconds_bucket\{le="(.*)"\}', name)
                if bound:
                    found[float(bound[1])] += value
        return found

    def scripts(self):
        """(calls, microseconds of Redis, [p50, p99 of a call in microseconds]) since the last CONFIG RESETSTAT."""
        said = self.cluster.redis.call("INFO", "everything")
        calls, usec = re.search(r"cmdstat_evalsha:calls=(\d+),usec=(\d+)", said).groups()
        spread = re.search(r"percentiles_usec_evalsha:p50=([\d.]+),p99=([\d.]+)", said).groups()
        return int(calls), int(usec), [float(value) for value in spread]


# --- relay ---


def flow(scene, at, seconds, rate):
    """(report, CPU s/100k stanzas of both nodes) over one pair of node 2."""
    load = scene.load(2, 1, "--seconds", seconds, "--rate", rate, at=at)
    load.go("open")
    before = sum(scene.cpu())
    load.go("done")
    used = sum(scene.cpu()) - before
    report = load.report()
    load.end()
    return report, used * 1e5 / max(report["received"] - report["open"]["pairs"], 1)


def relay(scene, options, table):
    """The component at the owner, and at the other node: entrance and pair are at one node or at two."""
    scene.fresh()
    scene.open(2, 1, owner=2)
    for name, rate in (("relay, flat out", 0), (f"relay, {RATE // 1000} k/s", RATE)):
        got = {column: flow(scene, at, options.seconds, rate) for column, at in zip(NODES, (2, 1))}
        reports = {column: report for column, (report, _) in got.items()}
        if rate:
            for q in ("p50", "p99"):
                table.put(name, f"{q} ms", {c: r["latency_ms"][q] for c, r in reports.items()})
        else:
            table.put(name, "stanzas/s", {c: r["rate"] for c, r in reports.items()})
        table.put(name, "CPU s/100k, both nodes", {c: cpu for c, (_, cpu) in got.items()})
        table.check(name, reports)
    assert scene.owned_by(2, 1, owner=2)


# --- claims ---


class Growth(threading.Thread):
    """How the table's count of grants grows, until so many more or for so long."""

    def __init__(self, more, seconds=60):
        super().__init__(daemon=True)
        self.asker = Asker()
        self.first = self.asker.grants()
        self.more, self.end = more, time.monotonic() + seconds
        self.seen = [(time.monotonic(), 0)]  # when, how many more
        self.start()

    def run(self):
        while self.seen[-1][1] < self.more and self.seen[-1][0] < self.end:
            time.sleep(SAMPLE)
            self.seen.append((time.monotonic(), self.asker.grants() - self.first))

    def per_second(self):
        """From the last look that saw none to the one that saw all: no better than SAMPLE."""
        self.join()
        assert self.seen[-1][1] >= self.more, f"{self.seen[-1][1]} of {self.more} claims were granted"
        begun = max(when for when, count in self.seen if count == 0)
        return self.more / (self.seen[-1][0] - begun)


def quantile(before, after, share):
    """Milliseconds: the end of the bucket."""
    grown = {bound: after[bound] - before[bound] for bound in sorted(after)}
    total = grown[float("inf")]
    return next(bound for bound, count in grown.items() if count >= share * total) * 1000


def claim(scene, pairs, sides):
    """New pairs towards somebody who does not answer: the claims and nothing else."""
    scene.fresh()
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind((SILENT, S2S_PORT))
        silent.listen(1)  # and never accepts: who comes later waits in vain
        each = pairs // len(sides)
        loads = [scene.load(side, each, "--seconds", 0, "--window", each, below=".silent") for side in sides]
        buckets = scene.buckets()
        scene.cluster.redis.call("CONFIG", "RESETSTAT")
        begun = time.monotonic()
        growth = Growth(each * len(sides))
        for load in loads:
            load.go()
        rate = growth.per_second()
        seconds = time.monotonic() - begun
        calls, usec, spread = scene.scripts()
        after = scene.buckets()
        scene.end_loads()
    return {
        "claims/s": rate,
        "a call, p50 at most, ms": quantile(buckets, after, 0.5),
        "a call, p99 at most, ms": quantile(buckets, after, 0.99),
        "of it in Redis, p50 ms": spread[0] / 1000,
        "of it in Redis, p99 ms": spread[1] / 1000,
        "Redis calls/s": calls / seconds,
        "Redis calls a pair": calls / pairs,
        "Redis microseconds a pair": usec / pairs,
    }


WANTED = {"of it in Redis, p99 ms": "5 for 200 pairs", "Redis calls a pair": "1, and 1 at its end"}


def put_claims(table, name, got):
    for row in next(iter(got.values())):
        table.put(name, row, {column: one[row] for column, one in got.items()}, WANTED.get(row, ""))


def claims(scene, options, table):
    for pairs in options.pairs:
        got = {column: claim(scene, pairs, sides) for column, sides in zip(NODES, ((1,), SIDES))}
        put_claims(table, f"claims, {pairs} new pairs at once", got)


def memory(scene):
    return int(scene.cluster.redis.info("used_memory"))


def fill(scene, count):
    """So many rows, put there as nodes do it: a member that has no mesh and no pairs (storewatch)
    claims them through the router's own store and scripts, for so many real links are not to be
    had on one machine. Its process, the line it said, bytes."""
    table = f"url=redis://{REDIS}:{REDIS_PORT} user=fedrouter password={PASSWORD}"
    member = Process("storewatch", [WATCH, str(count)], scene.folder, {"FEDROUTER_TEST_REDIS": table})
    scene.callback(member.kill)
    before = memory(scene)
    member.start()
    wait_for("all rows are there", lambda: member.logged("^claimed"), 120)
    return member, member.logged("^claimed")[0], memory(scene) - before


def member_bytes(scene):
    """What Redis spends on each member: its connections, and its share of the list."""
    connections = re.findall(r"tot-mem=(\d+).* user=fedrouter", scene.cluster.redis.call("CLIENT", "LIST"))
    members = scene.cluster.members()
    return (sum(map(int, connections)) + int(scene.cluster.redis.call("MEMORY", "USAGE", "{fr}:list"))) / len(members)


def rows(scene, options, table):
    """Claims beside many rows, and what rows and nodes cost Redis."""
    name, pairs = f"{options.rows} rows", options.pairs[0]
    empty = claim(scene, pairs, SIDES)
    member, said, grown = fill(scene, options.rows)
    claimed, took = re.fullmatch(r"claimed (\d+) in ([\d.]+) ms", said).groups()
    assert int(claimed) == options.rows, said
    put_claims(table, f"claims beside {name}", {"no rows": empty, "with them": claim(scene, pairs, SIDES)})
    table.put(name, "bytes of Redis a pair", {name: grown / options.rows}, "160")
    table.put(name, "a batch of 200, ms", {name: float(took) * 200 / options.rows}, "5")
    table.put(name, "KiB of Redis a node", {name: member_bytes(scene) / 1024})
    member.kill()
    for node in scene.cluster.nodes:
        node.kill()
    scene.cluster.redis.call("FLUSHALL")


# --- a node dies, or leaves, or all begin ---


def silence(scene, pairs, end, seconds):
    """The owner of so many pairs is ended by end(node) while stanzas for them come in at the other.
    (report, seconds between two stanzas of a pair, what end gave)"""
    scene.fresh()
    scene.open(2, pairs, owner=2)
    between = pairs / min(pairs * MOST_A_PAIR, MOST)
    load = scene.load(2, pairs, "--seconds", BEFORE + seconds, "--rate", pairs / between, "--window", 1000000,
                      "--drain", 20, at=1)
    load.go("open")
    load.go()
    time.sleep(BEFORE)
    ended = end(scene.cluster.nodes[1])
    load.reached("done")
    report = load.report()
    assert scene.owned_by(2, pairs, owner=1)
    return report, between, ended


def put_silences(table, name, got, middle, longest):
    reports = {column: report for column, (report, _, _) in got.items()}
    table.put(name, "between stanzas of a pair, s", {c: between for c, (_, between, _) in got.items()})
    table.put(name, "silence of a pair, p50 s", {c: r["silence_ms"]["p50"] / 1000 for c, r in reports.items()}, middle)
    table.put(name, "silence of a pair, longest s", {c: r["silence_ms"]["max"] / 1000 for c, r in reports.items()}, longest)
    table.put(name, "doubled stanzas", {c: r["dup"] for c, r in reports.items()})
    table.check(name, reports, allowed=["dup"])


def takeover(scene, options, table):
    got = {f"{pairs} pairs": silence(scene, pairs, lambda node: node.kill(), TAKEOVER) for pairs in options.takeover}
    put_silences(table, "owner killed (kill -9)", got, "7.2", "8.5")


def drained(node):
    """SIGTERM. Seconds that it took."""
    begun = time.monotonic()
    node.process.signal(signal.SIGTERM)
    status = node.process.popen.wait(DRAIN * 3)
    assert status == 0, f"{node.name} ended with {status}"
    return time.monotonic() - begun


def drain(scene, options, table):
    name = "owner drains (SIGTERM)"
    got = {f"{pairs} pairs": silence(scene, pairs, drained, HAND_OVER) for pairs in options.takeover}
    table.put(name, "gone after, s", {column: took for column, (_, _, took) in got.items()}, f"{DRAIN}")
    put_silences(table, name, got, "0.25 for few pairs", "0.7 for few pairs")


def cold_start(scene, options, table):
    """Both nodes start again, and everybody has something to send at once."""
    got = {}
    for pairs in options.takeover:
        scene.fresh()
        for node in scene.cluster.nodes:
            node.kill()
        begun = time.monotonic()
        scene.cluster.heal()
        ready = time.monotonic()
        loads = [scene.load(side, pairs // 2, "--seconds", 0, "--drain", 30, "--window", pairs) for side in SIDES]
        connected = time.monotonic()
        for load in loads:
            load.go()
        opened = max(load.reached("open") for load in loads)
        for load in loads:
            load.go("done")
        got[f"{pairs} pairs"] = ready - begun, opened - connected, [load.report() for load in loads]
    name = "cold start"
    table.put(name, "both are members after, s", {c: ready for c, (ready, _, _) in got.items()}, "2.3")
    table.put(name, "then all pairs open after, s", {c: took for c, (_, took, _) in got.items()}, "5 for 1000 pairs")
    for number in (0, 1):
        table.check(name, {f"{c}, node{number + 1}": reports[number] for c, (_, _, reports) in got.items()})


# --- more nodes, more work ---


def crowd(scene, options, entrances):
    """The pairs of each side flat out, by way of these nodes. (reports, CPU s of each node)"""
    loads = [scene.load(side, CROWD, "--seconds", options.seconds, at=at) for side, at in zip(SIDES, entrances)]
    for load in loads:
        load.go()
    for load in loads:
        load.reached("open")
    before = scene.cpu()
    for load in loads:
        load.go()
    for load in loads:
        load.reached("done")
    used = [now - then for now, then in zip(scene.cpu(), before)]
    reports = [load.report() for load in loads]
    scene.end_loads()
    return reports, used


def growth(scene, options, table):
    """Every node has the same small share of a core, so that load, peer and Redis never lack: one node
    has all the work; both have half of it; both have half, and each stanza enters at the one and
    leaves at the other. What has no work in the first is a member all the same."""
    why_not = quota.missing()
    if why_not:
        print(f"skipped growth: {why_not}", file=sys.stderr)
        return
    name, got = f"{2 * CROWD} pairs, {SHARE:.0%} of a core a node", {}
    for column, owners, entrances in (("one node", (1, 1), (1, 1)), ("two nodes", SIDES, SIDES),
                                      ("two, crossing", SIDES, (2, 1))):
        scene.fresh()
        for side, owner in zip(SIDES, owners):
            scene.open(side, CROWD, owner)
        with contextlib.ExitStack() as stack:
            for node in scene.cluster.nodes:
                stack.enter_context(quota.Quota(SHARE)).add(node.process.popen.pid)
            got[column] = crowd(scene, options, entrances)
    one = total(got["one node"])
    table.put(name, "stanzas/s", {c: total(g) for c, g in got.items()})
    table.put(name, "times those of one node", {c: total(g) / one for c, g in got.items()})
    for number in (0, 1):
        table.put(name, f"CPU s, node{number + 1}", {c: used[number] for c, (_, used) in got.items()})
        table.check(name, {f"{c}, side {number + 1}": reports[number] for c, (reports, _) in got.items()})


def total(measured):
    return sum(report["rate"] for report in measured[0])


SCENES = {"relay": relay, "claims": claims, "takeover": takeover, "drain": drain, "cold start": cold_start,
          "growth": growth, "rows": rows}


def numbers(text):
    return [int(word) for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pairs", type=numbers, default=[2000, 10000])
    parser.add_argument("--takeover", type=numbers, default=[10, 100, 1000])
    parser.add_argument("--rows", type=int, default=200000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", type=lambda text: text.split(","), default=[""])
    parser.add_argument("--json")
    options = parser.parse_args()
    table = Table()
    print(f"load of the machine before: {os.getloadavg()[0]:.2f} of {os.cpu_count()}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="fedrouter-bench-") as folder:
        with Scene(os.path.join(folder, "cluster"), options.workers) as scene:
            scene.start()
            for name, measure in SCENES.items():
                if any(word in name for word in options.only):
                    print(f"measuring {name} ...", file=sys.stderr)
                    measure(scene, options, table)
    print(f"load of the machine after: {os.getloadavg()[0]:.2f}", file=sys.stderr)
    table.print()
    if options.json:
        with open(options.json, "w", encoding="ascii") as file:
            json.dump(table.scenes, file, indent=1)


main()
