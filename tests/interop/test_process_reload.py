"""SIGHUP: what changes at once, what does not, and that nothing changes when something is wrong."""
import os
import re
import shutil
import signal
import socket
import ssl
import time

import pytest
import yaml

from rig import S2S_TLS_PORT, SECRET
from rig.component import Closed, Component
from rig.flow import Flow
from rig.lone import QUICK, Lone, rule
from rig.process import wait_for
from rig.router import start_all

HERE, THERE, EXTRA = "rooms.here.example", "rooms.there.example", "extra.here.example"
DONE = r"config\.(reloaded|reload_failed)"


@pytest.fixture
def site(tmp_path):
    with Lone(tmp_path) as made:
        yield made


def reload(router, write=True):
    """SIGHUP, and the log lines up to its outcome."""
    if write:
        router.write()
    before = len(router.process.log())
    router.process.signal(signal.SIGHUP)
    wait_for("it reloads", lambda: re.search(DONE, router.process.log()[before:]))
    lines = [line for line in router.process.log()[before:].splitlines() if " config." in line]
    return lines


def succeeds(router):
    lines = reload(router)
    assert "config.reloaded" in lines[-1], lines
    return lines[:-1]


def linked(site, **more):
    """Two routers, a component at each, their links open both ways."""
    node = {"workers": 2, **QUICK}
    a, b = site.two(HERE, THERE, {"node": node, **more}, {"node": node, "limits": {"queue_age": "5s"}})
    start_all(a, b)
    here, there = site.component(a), site.component(b, echo=True)
    here.ask(f"user@{THERE}")
    return a, b, here, there


def links(router):
    return {(row["id"], row["kind"]) for row in router.ctl("links") if row["state"] == "open"}


def shown_certificate(router):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((router.address, S2S_TLS_PORT), timeout=5) as s:
        with context.wrap_socket(s, server_hostname=HERE) as tls:
            return tls.getpeercert(binary_form=True)


def test_a_certificate_changed_on_disk_is_shown(site, program):
    """Chain and key are taken together, or the old ones stay. covers: TLS-09"""
    a, _, here, _ = linked(site)
    first, before = shown_certificate(a), links(a)
    fresh = site.ca.issue("fresh", [HERE], days=60)
    shutil.copy(fresh.key, a.certificate.key)  # the chain is still the old one
    line = reload(a, write=False)[-1]
    assert "config.reload_failed" in line and "is not the key of the certificate" in line and "the old" in line
    assert shown_certificate(a) == first
    shutil.copy(fresh.chain, a.certificate.chain)
    lines = succeeds(a)
    assert any("tls.certificates" in line and "effect=now" in line for line in lines), lines
    assert shown_certificate(a) != first
    assert before == links(a) - {row for row in links(a) if row not in before}  # those that were open stay
    assert here.ask(f"user@{THERE}").get("type") is None
    assert not any("config.changed" in line for line in succeeds(a))  # nothing new since


def test_rules_for_peers_count_at_once(site, program):
    """covers: ROUTE-15"""
    a, b, here, _ = linked(site)
    rules = a.more["peers"]
    a.more["peers"] = [rule(THERE, allow="none")]
    assert any("key=peers" in line for line in succeeds(a))
    assert here.bounce(f"user@{THERE}")[0] == "not-allowed"
    wait_for("the links are closed", lambda: not [row for row in links(a) if row[1] != "component"])
    wait_for("the log says why", lambda: a.logged("s2s_out.closed", "the configuration changed"))
    a.more["peers"] = rules
    succeeds(a)
    b.process.signal(signal.SIGHUP)  # its back-off is over
    assert here.ask(f"user@{THERE}", seconds=40).get("type") is None


def test_secrets_count_from_the_next_connection(site, program):
    """covers: COMP-05"""
    a, _, here, _ = linked(site)
    a.more["components"] = [{"domain": HERE, "secret_file": a.file("new.secret", "another")}]
    succeeds(a)
    assert here.ask(f"user@{THERE}").get("type") is None
    here.close()
    with pytest.raises(Closed, match="not-authorized"):
        Component(a.component_address, HERE, SECRET)
    site.component(a, secret="another").ask(f"user@{THERE}")
    a.file("new.secret", "a third")  # the file keeps its name
    assert any("key=components" in line for line in succeeds(a))
    with pytest.raises(Closed, match="not-authorized"):
        Component(a.component_address, HERE, "another")
    site.component(a, secret="a third")


def test_components_come_and_go(site, program):
    """covers: COMP-11 ROUTE-03"""
    a, _, here, there = linked(site, timeouts={"dns": "500ms"})  # there is none
    there.echo = False
    with pytest.raises(Closed, match="host-unknown"):
        Component(a.component_address, EXTRA)
    secret = a.file("component.secret", SECRET)
    a.more["components"] = [{"domain": d, "secret_file": secret, "grace": "100ms"} for d in (HERE, EXTRA)]
    succeeds(a)
    extra = site.component(a, EXTRA)
    assert here.wait(extra.message(f"user@{HERE}")).findtext("{*}body")
    flow = Flow(there, here, batch=20)
    a.more["components"] = a.more["components"][1:]  # one with links, and under load
    succeeds(a)
    assert here.ended.wait(10), "the component is sent away"
    assert extra.bounce(f"user@{HERE}", seconds=40)[0] in ("remote-server-not-found", "remote-server-timeout")
    flow.stop()
    wait_for("nothing is held", lambda: a.metrics()["stanzas_held"] == 0, 70)
    assert a.process.running and a.balance() == 0


BROKEN = {  # what is put at the end of the file: what the line says of it
    "unknown-key": ("limits: { stanza_byte: 1MiB }", r"limits\.stanza_byte\b.*;"),
    "out-of-range": ("limits: { stanza_bytes: 1 }", r"limits\.stanza_bytes: 1 is too small.*;"),
    "no-yaml": ("limits: { stanza_bytes: 1MiB ]", r".*;"),
    "no-secret": ("dialback: { secret_file: nowhere }", r"dialback\.secret_file: \S*nowhere cannot be read.*;"),
    "no-trust": ("tls: { trust_file: nowhere }", r"tls\.trust_file: \S*nowhere cannot be read.*;"),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory, program):
    with Lone(tmp_path_factory.mktemp("reload"), first=100) as site:
        router = site.router(HERE, log={"level": "info"})
        router.start()
        yield site, router


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_changes_nothing(scene, case):
    """All or nothing: what is right in it does not count either."""
    site, router = scene
    text, said = BROKEN[case]
    section = text.partition(":")[0]
    whole = router.settings()
    whole.pop(section, None)
    whole["log"] = {"level": "debug"}
    whole["components"] = []
    whole = yaml.safe_dump(whole)
    with open(router.path, "w", encoding="utf-8") as file:
        file.write(whole + text + "\n")
    line_count = whole.count("\n") + 1
    lines = reload(router, write=False)
    failed = lines[-1]
    assert "config.reload_failed" in failed and "the old configuration stays" in failed
    assert re.search(rf"{re.escape(router.path)}:{line_count}: {said}", failed), failed
    assert not any("config.changed" in line for line in lines)
    site.component(router).close()  # still served
    assert not router.logged(" debug ")
    assert router.ctl("status")[0]["last_reload"]["ok"] is False


def test_a_missing_file_changes_nothing(scene):
    site, router = scene
    os.rename(router.path, router.path + ".away")
    line = reload(router, write=False)[-1]
    os.rename(router.path + ".away", router.path)
    assert "reload_failed" in line and "cannot be read" in line
    site.component(router).close()


def test_the_log_level_counts_at_once(scene):
    site, router = scene
    for level, heard in (("debug", True), ("error", False), ("info", False)):
        router.more["log"] = {"level": level}
        router.write()
        router.process.signal(signal.SIGHUP)
        wait_for(f"it is {level}", lambda: router.ctl("status")[0]["log_level"] == level)
        before = len(router.process.log())
        opened = router.metrics()["links_opened_total"]
        site.component(router).close()
        wait_for("a link came and went", lambda: router.metrics()["links_opened_total"] > opened)
        assert (" debug " in router.process.log()[before:]) is heard


def test_what_needs_a_restart_is_named_and_keeps_its_value(scene):
    site, router = scene
    old = dict(router.more)
    router.more = {**old, "node": {"name": "other", "workers": 7, "drain_timeout": "2s"}, "limits": {"memory": "64MiB"},
                   "listen": {"s2s": [f"{router.address}:5999"]}}
    for _ in range(2):  # each time, for as long as it is so
        lines = succeeds(router)
        for key in ("node.name", "node.workers", "listen.s2s", "limits.memory"):
            assert any(f"key={key} " in line and " warn " in line and "after a restart" in line for line in lines), lines
    assert not any("key=node.drain_timeout" in line for line in lines)  # done at the first
    (status,) = router.ctl("status")
    assert status["node"] == router.host.partition(".")[0]
    socket.create_connection((router.address, 5269), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((router.address, 5999), timeout=5)
    router.more = old
    assert not [line for line in succeeds(router) if "after a restart" in line]


HEADER = (f"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
          f"from='{THERE}' to='{HERE}' version='1.0'>").encode()
STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


def until(s, *words):
    """What comes up to one of the words, or the end."""
    text = b""
    while not any(word in text for word in words) and (chunk := s.recv(4096)):
        text += chunk
    return text


def test_certificates_may_be_taken_away_and_given_back(site, program):
    """covers: TLS-16"""
    a, _, here, _ = linked(site)
    early, late = (socket.create_connection((a.address, 5269), timeout=5) for _ in range(2))
    early.sendall(HEADER)
    assert b"starttls" in until(early, b"</stream:features>")
    rules = a.more["peers"]
    a.more["tls"] = {"certificates": []}
    assert "is TLS from the first byte; add one" in reload(a)[-1]
    a.more["peers"] = [{**rules[-1], "match": "*", "tls": "optional"}]
    a.more["listen"] = {"s2s_tls": []}  # which stays, but has nothing to show
    succeeds(a)
    assert here.ask(f"user@{THERE}").get("type") is None  # links that are open stay
    with pytest.raises(OSError):
        shown_certificate(a)
    late.sendall(HEADER)
    assert b"starttls" not in until(late, b"features")
    for s in (early, late):  # also to whom it was offered before
        s.sendall(STARTTLS)
        assert b"proceed" not in until(s, b"</stream:stream>")
        s.close()
    del a.more["tls"], a.more["listen"]
    a.more["peers"] = rules
    succeeds(a)
    assert shown_certificate(a)
    assert here.ask(f"user@{THERE}").get("type") is None


def test_reloads_under_load_lose_nothing(site, program):
    """Links closed and made anew, rules and limits exchanged, again and again, while stanzas flow."""
    a, b, here, there = linked(site)
    there.echo = False
    here.everything.clear()
    there.everything.clear()
    flows = [Flow(here, there, batch=20), Flow(there, here, batch=20)]
    rules = a.more["peers"]
    for n in range(8):
        a.more["limits"] = {"queue_stanzas": 100 if n % 2 else 10000, "source_pause": "1s", "queue_age": "5s"}
        a.more["peers"] = rules if n % 2 else [rule("*", allow="in"), *rules]
        a.more["listen"] = {"component_tls": [f"{a.address}:{5400 + n}"]}
        a.write()
        for _ in range(1 + 10 * (n % 3)):
            a.process.signal(signal.SIGHUP)
        time.sleep(0.15)
    for flow in flows:
        flow.stop()
    for router in (a, b):
        wait_for("nothing is held", lambda: router.metrics()["stanzas_held"] == 0, 70)
        assert router.balance() == 0
    for flow in flows:
        flow.receiver.wait(flow.receiver.message(f"user@{flow.receiver.domain}"))
        assert flow.check(uncertain=True)[0]
