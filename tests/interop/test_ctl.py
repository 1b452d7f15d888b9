"""What operators and their machines see of a running node: HTTP, metrics, fedrouterctl."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import pytest
import yaml

from rig.exposition import parse
from rig.process import wait_for
from rig.site import Site

HERE, THERE = "rooms.here.example", "rooms.there.example"
SILENT = "silent.example"  # its server takes connections and says nothing

NAMES = """
build_info up_seconds stanzas_in_total stanzas_out_total stanzas_bounced_total stanzas_dropped_total stanzas_held
links links_opened_total links_closed_total pairs queue_stanzas queue_bytes queue_oldest_seconds
time_to_open_seconds relay_seconds dns_queries_total dns_seconds tls_handshakes_total certificate_expiry_seconds
store_up node_state lease_remaining_seconds members members_silent promises_missing claims_total mesh_peers
config_differs lanes_undone components memory_bytes descriptors stanzas_made_total stanzas_resent_total
store_seconds epochs_total fenced_total buried_total backoffs_heard_total backoffs_left_out_total
dials_spared_total
""".split()


class Scene:
    """Two routers that federate; one stanza waits at the first for a server that says nothing."""

    def __init__(self, site):
        self.mute = socket.create_server(("127.0.0.99", 5269))
        site.callback(self.mute.close)
        site.publish("127.0.0.99", [SILENT])
        patient = {"limits": {"negotiation": "5m", "queue_age": "10m"}, "node": {"drain_timeout": "6s"}}
        self.here = site.server("fedrouter", "127.0.0.21", [HERE, "absent.here.example"], settings=patient)
        self.there = site.server("fedrouter", "127.0.0.22", [THERE])
        site.dns.start()
        self.here.start()
        self.there.start()
        self.socket = os.path.join(self.here.folder, "control.sock")
        self.echo = site.component(self.there, THERE, echo=True)
        self.component = site.component(self.here, HERE)
        assert self.component.ask(f"user@{THERE}").findtext("{*}body") == "hello"
        self.component.message(f"user@{SILENT}")

    def get(self, path, method="GET"):
        request = urllib.request.Request(f"http://{self.here.address}:9269{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.headers, answer.read().decode()

    def rows(self, what):
        status, headers, body = self.get(f"/api/v1/{what}")
        assert (status, headers["Content-Type"]) == (200, "application/json")
        rows = json.loads(body)
        assert all(row["node"] == "fedrouter-21" for row in rows)
        return rows

    def run(self, *words, socket=None, **options):
        program = os.path.join(os.path.dirname(self.here.program), "fedrouterctl")
        return subprocess.run([program, "--socket", socket or self.socket, *words], capture_output=True, text=True,
                              timeout=60, **options)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Site(tmp_path_factory.mktemp("ctl")) as made:
        yield made


@pytest.fixture(scope="module")
def scene(site):
    return Scene(site)


# --- health ---


def test_health(scene):
    assert scene.get("/livez")[::2] == (200, "ok\n")
    status, _, body = scene.get("/readyz")
    assert status == 200 and body.startswith("member: ")


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/metrics", "/api/v1/status", "/api/v1/links"])
def test_head_is_get_without_a_body(scene, path):
    status, headers, body = scene.get(path, "HEAD")
    assert status == 200 and body == "" and int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("method, path, status, allow", [
    ("GET", "/nothing", 404, None),
    ("GET", "/metrics/", 404, None),
    ("POST", "/metrics", 405, "GET, HEAD"),
    ("DELETE", "/api/v1/links", 405, "GET, HEAD"),
    ("GET", "/api/v1/links?domain=bad..name", 400, None),
    ("POST", "/api/v1/close?domain=silent.example", 403, None),  # over TCP all is read only
    ("POST", "/api/v1/reload", 403, None),
    ("POST", "/api/v1/drain", 403, None),
    ("POST", "/api/v1/forget?node=edge-2", 403, None),
    ("POST", "/api/v1/log?level=debug", 403, None),
    ("GET", "/api/v1/dns?domain=silent.example", 403, None),
])
def test_refusals_over_tcp(scene, method, path, status, allow):
    got, headers, body = scene.get(path, method)
    assert (got, headers["Allow"]) == (status, allow)
    assert list(json.loads(body)) == ["error"]
    assert scene.get("/readyz")[0] == 200


def test_commands_are_posts(scene):
    for path in ("close?domain=x.example", "reload", "drain", "forget?node=x", "log?level=debug"):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(scene.socket)
        connection.request("GET", f"/api/v1/{path}")
        answer = connection.getresponse()
        assert answer.status == 405 and answer.headers["Allow"] == "POST"
        connection.close()
    assert scene.get("/readyz")[0] == 200


def test_status_page_fetches_nothing_from_elsewhere(scene):
    status, headers, body = scene.get("/")
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "http://" not in body and "https://" not in body and "innerHTML" not in body


# --- metrics ---


@pytest.mark.parametrize("text", [
    "a 1\n",  # no HELP, no TYPE
    "# HELP a h\n# TYPE a gauge\na 1",
    "# HELP a h\n# TYPE a gauge\na 1\na 2\n",
    "# HELP a h\n# TYPE a gauge\nb 1\n",
    "# HELP a h\n# TYPE a counter\na 1\n",
    "# HELP a h\n# TYPE a gauge\na{b=\"c\"d\"} 1\n",
    "# HELP a h\n# TYPE a gauge\na{b=\"\\c\"} 1\n",
    "# HELP a h\n# TYPE a gauge\na{b=\"c\",b=\"d\"} 1\n",
    "# HELP a h\n# TYPE a gauge\na one\n",
    "# HELP a \n# TYPE a gauge\na 1\n",
    "# HELP a h\n# TYPE a gauge\na 1\n# HELP b h\n# TYPE b gauge\nb 1\n# HELP a h\n# TYPE a gauge\na 1\n",
    "# HELP a h\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
    "# HELP a h\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
])
def test_the_reader_of_metrics_is_strict(text):
    with pytest.raises(AssertionError):
        parse(text)


def test_metrics_are_valid_and_complete(scene):
    status, headers, body = scene.get("/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = parse(body)
    assert not {f"fedrouter_{name}" for name in NAMES} - set(families)


def test_metrics_tell_what_happened(scene):
    def acknowledged():
        found = parse(scene.get("/metrics")[2])
        return found if found["fedrouter_stanzas_held"].value() == 1 else None

    m = wait_for("one waits, the other is acknowledged", acknowledged, 5)

    def value(name, **labels):
        return m[f"fedrouter_{name}"].value(**labels)

    assert value("stanzas_in_total", link="component", kind="message") == 2
    assert value("stanzas_in_total", link="s2s", kind="message") == 1
    assert value("stanzas_held") == value("queue_stanzas") == 1
    assert value("queue_bytes") > 50
    assert value("links", link="component", state="open") == 1
    assert value("links", link="s2s_in", state="open") == 1
    assert value("links", link="s2s_out", state="open") == 1
    assert value("links", link="s2s_out", state="opening") == 1
    assert value("pairs", direction="in", method="pkix") == 1
    assert value("pairs", direction="out", method="pkix") == 1
    assert value("components", domain=HERE) == 1
    assert value("components", domain="absent.here.example") == 0
    assert 0 < value("certificate_expiry_seconds", domain=HERE) < 400 * 86400
    assert value("node_state", state="member") == 1
    assert value("tls_handshakes_total", outcome="ok") >= 2
    assert value("lease_remaining_seconds") == float("inf")
    assert value("members") == 1 and value("mesh_peers") == value("members_silent") == 0
    assert {dict(labels)["reason"] for _, labels in m["fedrouter_fenced_total"].samples} == {"lapsed", "buried", "epoch"}
    assert value("memory_bytes", owner="process") > value("memory_bytes", owner="tls") > 0
    assert abs(value("descriptors") - scene.here.process.descriptors()) <= 2
    assert scene.here.balance() == 0


def test_a_connection_is_counted_once(scene):
    def count():
        return parse(scene.get("/metrics")[2])["fedrouter_connections_accepted_total"].value()

    before = count()
    with socket.create_connection((scene.here.address, 5269)):
        wait_for("it is counted", lambda: count() > before)
    assert count() == before + 1  # and what asks for metrics is not


def expressions():
    """(where, expression) of all that we ship for Prometheus and Grafana."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(top, "conf/alerts/fedrouter.rules.yml"), encoding="utf-8") as file:
        for rule in yaml.safe_load(file)["groups"][0]["rules"]:
            yield rule["alert"], rule["expr"]
    with open(os.path.join(top, "conf/dashboards/fedrouter.json"), encoding="utf-8") as file:
        for panel in json.load(file)["panels"]:
            for target in panel["targets"]:
                yield panel["title"], target["expr"]


def test_alerts_and_dashboard_ask_for_what_there_is(scene):
    families = parse(scene.get("/metrics")[2])
    asked = 0
    for where, expression in expressions():
        for name, matchers in re.findall(r"(fedrouter_\w+)(?:\{([^}]*)\})?", expression):
            family = families.get(re.sub(r"_bucket$", "", name))
            assert family, f"{where}: {name}"
            labels = {key for _, pairs in family.samples for key, _ in pairs} | {"instance"}
            assert set(re.findall(r"(\w+)(?:=~|!=|=)", matchers)) <= labels, f"{where}: {name}{{{matchers}}}"
            asked += 1
    assert asked > 30


def test_remote_domains_are_no_labels(scene):
    body = scene.get("/metrics")[2]
    assert THERE not in body and SILENT not in body


# --- rows ---


def test_status(scene):
    (s,) = scene.rows("status")
    assert (s["state"], s["ready"], s["draining"]) == ("member", True, False)
    assert s["stanzas"] == {"in": 3, "out": 2, "bounced": 0, "dropped": 0, "held": 1}
    assert s["links"]["s2s_out"] == {"opening": 1, "open": 1, "ending": 0}
    assert s["components"] == {"configured": 2, "connected": 1}
    assert s["store"]["kind"] == "memory" and s["up_ms"] > 0 and s["pid"] == scene.here.process.popen.pid
    at = {(listener["for"], listener["at"]) for listener in s["listeners"]}
    assert {("s2s", "127.0.0.21:5269"), ("http", "127.0.0.21:9269"), ("control", scene.socket)} <= at
    assert s["config"] == scene.here.path


def test_links(scene):
    links = scene.rows("links")
    assert sorted(link["kind"] for link in links) == ["component", "s2s_in", "s2s_out", "s2s_out"]
    out = next(link for link in links if link["kind"] == "s2s_out" and link["open"])
    assert (out["local"], out["remote"], out["method"], out["peer"]) == (HERE, THERE, "pkix", "127.0.0.22:5269")
    assert out["tls_version"] == "TLSv1.3" and out["cert_not_after"].endswith("Z") and THERE in out["cert_names"]
    assert out["stanzas_out"] == 1 and out["idle_ms"] >= 0
    waiting = next(link for link in links if link["remote"] == SILENT)
    assert not waiting["open"] and waiting["state_text"]
    assert len({link["id"] for link in links}) == 4 and all("worker" in link for link in links)


def test_pairs_of_both_directions(scene):
    pairs = {(p["direction"], p["remote"]): p for p in scene.rows("pairs")}
    assert set(pairs) == {("in", THERE), ("out", THERE), ("out", SILENT)}
    assert pairs["in", THERE]["state"] == "valid" and pairs["in", THERE]["stanzas"] == 1
    assert pairs["out", THERE]["state"] == "open" and pairs["out", THERE]["method"] == "pkix"
    assert pairs["out", SILENT]["queue_stanzas"] == 1 and pairs["out", SILENT]["method"] == "none"
    assert {p["link"] for p in pairs.values()} <= {link["id"] for link in scene.rows("links")}


def test_components_connected_and_absent(scene):
    rows = {c["domain"]: c for c in scene.rows("components")}
    assert set(rows) == {HERE, "absent.here.example"}
    assert rows[HERE]["state"] == "open" and rows[HERE]["stanzas_in"] == 2
    assert rows["absent.here.example"]["state"] == "absent" and rows["absent.here.example"]["link"] is None


def test_queues_hold_what_waits(scene):
    (q,) = scene.rows("queues")
    assert (q["kind"], q["local"], q["remote"], q["stanzas"]) == ("pair", HERE, SILENT, 1)
    assert q["bytes"] > 50 and q["oldest_ms"] > 0


def test_certs(scene):
    (c,) = scene.rows("certs")
    assert HERE in c["names"] and HERE in c["domains"] and c["left_seconds"] > 0
    assert os.path.samefile(c["file"], scene.here.certificate.chain)


def test_nodes(scene):
    (n,) = scene.rows("nodes")
    assert n["state"] == "member" and n["workers"] >= 1
    assert n["member"] and n["mesh"] is None and n["incarnation"] > 0


@pytest.mark.parametrize("what", ["status", "links", "pairs", "components", "nodes", "queues"])
def test_this_node_alone(scene, what):
    def shape(rows):
        return sorted(tuple(sorted(row)) for row in rows)

    assert shape(scene.rows(f"{what}?local=1")) == shape(scene.rows(what))


@pytest.mark.parametrize("what, count", [("links", 1), ("pairs", 1), ("queues", 1), ("components", 0)])
def test_a_domain_narrows_the_rows(scene, what, count):
    assert len(scene.rows(f"{what}?domain=Silent.Example.")) == count


def test_no_local_part_is_shown(scene):
    for what in ("status", "links", "pairs", "components", "queues", "nodes", "certs"):
        assert "user@" not in scene.get(f"/api/v1/{what}")[2]


# --- fedrouterctl ---

READING = ["status", "links", "pairs", "components", "nodes", "queues", "certs"]


@pytest.mark.parametrize("command", READING)
def test_ctl_json_is_rows(scene, command):
    done = scene.run("--json", command)
    assert done.returncode == 0 and done.stderr == ""
    rows = json.loads(done.stdout)
    assert rows and all(row["node"] == "fedrouter-21" for row in rows)


@pytest.mark.parametrize("command, words", [
    ("status", ["fedrouter-21: member", "in 3, out 2, bounced 0, dropped 0, held 1", "127.0.0.21:5269"]),
    ("links", ["NODE", "REMOTE", THERE, "pkix", "1.3", "127.0.0.22:5269"]),
    ("pairs", ["<-", "->", THERE, SILENT, "valid"]),
    ("components", ["DOMAIN", HERE, "absent"]),
    ("nodes", ["STATE", "member", "1/2"]),
    ("queues", ["OLDEST", SILENT]),
    ("certs", ["SHOWN FOR", HERE]),
])
def test_ctl_tables(scene, command, words):
    done = scene.run("--local", command)
    assert done.returncode == 0 and done.stderr == ""
    for word in words:
        assert word in done.stdout, done.stdout


def test_ctl_tables_are_aligned(scene):
    head, *lines = scene.run("links").stdout.splitlines()
    assert len(lines) == 4
    for line in lines:
        assert line[head.index("LOCAL") - 1] == " " and line[head.index("LOCAL")] != " "
        assert line[head.index("LINK") + 4] == " " and line[head.index("LINK") + 3].isdigit()


def test_ctl_narrows_by_domain(scene):
    assert SILENT in scene.run("links", SILENT).stdout
    assert THERE not in scene.run("links", SILENT).stdout
    assert scene.run("queues", THERE).stdout == "nothing waits\n"


def test_ctl_dns(scene):
    (answer,) = json.loads(scene.run("--json", "dns", THERE).stdout)
    assert (answer["outcome"], answer["domain"], answer["ascii"]) == ("found", THERE, THERE)
    assert [e["address"] for e in answer["endpoints"]] == ["127.0.0.22:5269"]
    done = scene.run("dns", THERE)
    assert done.returncode == 0 and "127.0.0.22:5269" in done.stdout and "starttls" in done.stdout
    done = scene.run("dns", "nowhere.example")
    assert done.returncode == 0 and "nowhere.example: nothing: " in done.stdout
    (answer,) = json.loads(scene.run("--json", "dns", "Bücher.example").stdout)
    assert (answer["domain"], answer["ascii"]) == ("bücher.example", "xn--bcher-kva.example")


@pytest.mark.parametrize("words", [
    [], ["frobnicate"], ["dns"], ["close"], ["log"], ["log", "loud"], ["links", "a", "b"], ["status", "x"],
    ["--frob", "status"], ["probe", "x.example"], ["history", "x.example"], ["policy", "x.example"], ["forget"],
])
def test_ctl_usage_errors_are_64_and_one_line(scene, words):
    done = scene.run(*words)
    assert done.returncode == 64 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "fedrouterctl" in done.stderr


def test_ctl_says_what_comes_later(scene):
    assert "not in this version" in scene.run("history", "x.example").stderr


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["--help", "status"]])
def test_ctl_help_is_an_answer(scene, words):
    done = scene.run(*words)
    assert done.returncode == 0 and done.stderr == "" and "fedrouterctl" in done.stdout


@pytest.mark.parametrize("words, said", [
    (["close", "999999"], "there is no such link"),
    (["close", "0"], "is not the number of a link"),
    (["close", "nobody.example"], "there is no such link"),
    (["close", "bad..name"], '"bad..name" is not a domain'),
    (["links", "a b"], "is not a domain"),
    (["dns", "bad..name"], "is not a domain"),
    (["dns", "192.0.2.1"], "is not a name for DNS"),
    (["close", "nowhere/17"], "there is no node nowhere"),
    (["close", "fedrouter-21/999999"], "there is no such link"),
    (["close", "fedrouter-21/x"], "is not the number of a link"),
    (["--yes", "forget", "fedrouter-21"], "is this node"),
    (["--yes", "forget", "nowhere"], "is not on the list of nodes"),
])
def test_ctl_passes_on_what_the_router_refuses(scene, words, said):
    done = scene.run(*words)
    assert done.returncode == 1 and done.stdout == "" and said in done.stderr


@pytest.mark.parametrize("typed", ["", "n\n", "no\n", "\n", "yes, but\n"])
def test_ctl_asks_before_it_forgets(scene, typed):
    done = scene.run("forget", "nowhere", input=typed)
    assert done.returncode == 1 and done.stdout == ""
    assert "had no Redis since" in done.stderr and done.stderr.endswith("fedrouterctl: nothing was done\n")


def test_ctl_forgets_when_told_so(scene):
    for typed in ("y\n", "yes\n"):
        done = scene.run("forget", "nowhere", input=typed)
        assert done.returncode == 1 and "is not on the list of nodes" in done.stderr


def test_ctl_without_a_router(scene, tmp_path):
    stale = str(tmp_path / "stale.sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(stale)
    for path, said in [("/nowhere/x.sock", "is the router running"), (stale, "not running"), ("/" + 200 * "x", "too long")]:
        done = scene.run("status", socket=path)
        assert done.returncode == 1 and said in done.stderr and len(done.stderr.splitlines()) == 1


def test_ctl_of_the_wrong_user(scene):
    program = os.path.join(os.path.dirname(scene.here.program), "fedrouterctl")
    mode = os.stat(scene.socket).st_mode
    assert mode & 0o777 == 0o660
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program, "--socket", scene.socket, "status"],
        capture_output=True, text=True, timeout=30,
    )
    if "failed to execute" in done.stderr:
        pytest.skip("the program is where only its owner may look")
    assert done.returncode == 1 and "permission denied" in done.stderr and "group" in done.stderr


# --- what changes things ---


def test_close_a_link_and_a_domain(scene):
    link = next(row for row in scene.rows("links") if row["remote"] == THERE and row["kind"] == "s2s_out")
    done = scene.run("close", str(link["id"]))
    assert (done.returncode, done.stdout) == (0, "1 link is closed\n")
    wait_for("it is gone", lambda: link["id"] not in {row["id"] for row in scene.rows("links")})
    assert scene.component.ask(f"user@{THERE}").findtext("{*}body") == "hello"  # it is dialled again
    (row,) = json.loads(scene.run("--json", "close", THERE).stdout)
    assert row["closed"] == 2
    assert scene.component.ask(f"user@{THERE}").findtext("{*}body") == "hello"
    assert parse(scene.get("/metrics")[2])["fedrouter_links_closed_total"].value(
        link="s2s_out", reason="closed-by-operator") >= 1


def test_log_level_until_the_next_reload(scene):
    assert scene.run("log", "debug").stdout == "log level is debug now, was info\n"
    assert scene.rows("status")[0]["log_level"] == "debug"
    scene.component.ask(f"user@{THERE}")
    assert scene.run("log", "warn").returncode == 0
    assert scene.run("reload").returncode == 0
    assert scene.rows("status")[0]["log_level"] == "info"


def test_reload_tells_and_remembers(scene):
    with open(scene.here.path, encoding="utf-8") as file:
        good = file.read()
    with open(scene.here.path, "a", encoding="utf-8") as file:
        file.write("timeouts: {dns: 1parsec}\n")
    done = scene.run("reload")
    assert done.returncode == 1 and re.search(r"fedrouter.yaml:\d+: timeouts.dns: ", done.stderr)
    last = scene.rows("status")[0]["last_reload"]
    assert not last["ok"] and "timeouts.dns" in last["error"]
    assert "FAILED" in scene.run("status").stdout
    with open(scene.here.path, "w", encoding="utf-8") as file:
        file.write(good)
    scene.here.process.signal(signal.SIGHUP)  # a signal is remembered as well
    wait_for("it is read again", lambda: scene.rows("status")[0]["last_reload"]["ok"])
    assert scene.run("reload").stdout.endswith("fedrouter.yaml was read again\n")
    assert scene.component.ask(f"user@{THERE}").findtext("{*}body") == "hello"


def test_one_socket_one_router(scene):
    done = subprocess.run([scene.here.program, "--config", scene.here.path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert re.search(r"node.start_failed .*listen\.(http|control): .*; ", done.stderr, re.M)
    assert scene.run("status").returncode == 0  # the first is not disturbed


def test_a_killed_router_leaves_no_obstacle(scene):
    scene.there.process.kill()
    assert os.path.exists(os.path.join(scene.there.folder, "control.sock"))
    scene.there.start()
    assert scene.there.ctl("status")[0]["state"] == "member"


def test_drain(scene):
    assert scene.run("drain").stdout == "fedrouter-21 drains, for 6s at most, and stops\n"
    status, _, body = scene.get("/readyz")
    assert status == 503 and body.startswith("draining: ")
    assert scene.get("/livez")[0] == 200
    assert parse(scene.get("/metrics")[2])["fedrouter_node_state"].value(state="draining") == 1
    again = scene.run("drain")
    assert again.returncode == 1 and "already" in again.stderr
    assert scene.here.process.popen.wait(60) == 0
    assert not os.path.exists(scene.socket)
    assert "is the router running" in scene.run("status").stderr
