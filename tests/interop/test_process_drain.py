"""SIGTERM: what is held gets its fate, peers are told, and the process ends in time and with 0."""
import contextlib
import signal
import socket
import time
import urllib.error

import pytest

from rig import S2S_PORT
from rig.component import Closed
from rig.flow import Flow
from rig.lone import Lone, rule
from rig.process import wait_for
from rig.router import start_all

HERE, THERE, SILENT = "rooms.here.example", "rooms.there.example", "silent.example"
HANGS = 20  # seconds: far more than a drain takes, and less than what might hold it up would


@pytest.fixture
def site(tmp_path):
    with Lone(tmp_path) as made:
        yield made


def node(drain):
    return {"node": {"drain_timeout": f"{drain}s", "workers": 2}}


@contextlib.contextmanager
def mute(kind, address, port):
    """Somebody who is there and says nothing."""
    with socket.socket(socket.AF_INET, kind) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
        if kind == socket.SOCK_STREAM:
            s.listen()
        yield s


def ended(router):
    """With 0, by itself, and no worker had to be left behind."""
    status = router.process.popen.wait(HANGS)
    assert status == 0, router.process.log()[-3000:]
    assert "end status=0" in router.process.log() and not router.logged("worker.left")


def terminate(router):
    router.process.signal(signal.SIGTERM)


def answer(router, path):
    try:
        router.get(path)
        return 200
    except urllib.error.HTTPError as error:
        return error.code


def linked(site, drain):
    """Two routers and a component at each, their link open."""
    routers = site.two(HERE, THERE, node(drain), {"limits": {"queue_age": "2s"}})
    start_all(*routers)
    here, there = (site.component(router) for router in routers)
    here.message(f"user@{THERE}", id="first")
    there.wait("first")
    there.everything.clear()
    return *routers, here, there


def settled(router, component):
    """All that the router has for the component is read by it."""
    wait_for("nothing is held", lambda: router.metrics()["stanzas_held"] == 0)
    component.wait(component.message(f"user@{component.domain}"))


def test_nothing_is_lost_under_load(site, program):
    """covers: STREAM-20 SERR-07 ROUTE-05 ROUTE-07"""
    a, b, here, there = linked(site, 2)
    flows = [Flow(here, there), Flow(there, here)]
    time.sleep(0.5)
    terminate(a)
    ended(a)
    assert here.ended.wait(5) and here.error == "system-shutdown, text"
    wait_for("the peer was told", lambda: b.logged("s2s_", "system-shutdown"), 5)
    flows[0].stop()
    assert flows[0].check(all_sent=False)[0] > 1000
    flows[1].stop()
    wait_for("what the other side could not send came back", lambda: b.metrics()["stanzas_held"] == 0)
    settled(b, there)
    assert flows[1].check()[0] > 1000


def test_what_waits_for_a_silent_peer_comes_back(site, program):
    """covers: ROUTE-07 ERR-01"""
    with mute(socket.SOCK_STREAM, "127.0.3.200", S2S_PORT):
        router = site.router(HERE, peers=[rule(SILENT, "127.0.3.200")], **node(1)).start()
        component = site.component(router)
        ids = [component.message(f"user@{SILENT}") for _ in range(50)]
        wait_for("they are held", lambda: router.metrics()["stanzas_held"] == 50)
        terminate(router)
        assert {component.wait(id).get("type") for id in ids} == {"error"}
        component.close()
        ended(router)


def test_it_says_so_while_it_drains(site, program):
    with mute(socket.SOCK_STREAM, "127.0.3.201", S2S_PORT):
        router = site.router(HERE, peers=[rule(SILENT, "127.0.3.201")], **node(10)).start()
        component = site.component(router)
        component.message(f"user@{SILENT}")
        wait_for("it is held", lambda: router.metrics()["stanzas_held"] == 1)
        assert answer(router, "/readyz") == 200
        terminate(router)
        wait_for("it is not ready", lambda: answer(router, "/readyz") == 503)
        assert answer(router, "/livez") == 200
        assert router.metrics()['node_state{state="draining"}'] == 1
        wait_for("nobody new is let in", lambda: refused(router), 10)
        assert not component.ended.is_set()
        terminate(router)
        ended(router)


def refused(router):
    try:
        socket.create_connection(router.component_address, timeout=1).close()
        return False
    except ConnectionRefusedError:
        return True


def test_a_question_to_dns_does_not_hold_up_the_end(site, program):
    with mute(socket.SOCK_DGRAM, "127.0.3.202", 53) as dns:
        router = site.router(HERE, dns={"servers": ["127.0.3.202:53"]},
                             timeouts={"dns": f"{3 * HANGS}s"}, **node(1)).start()
        component = site.component(router)
        id = component.message("user@unknown.example")
        assert dns.recv(512)
        terminate(router)
        assert component.wait(id).get("type") == "error"
        component.close()
        ended(router)


def test_a_peer_that_stopped_reading_gets_what_it_can(site, program):
    """The peer stands still with an open link: what its kernel took is sent, the rest comes back."""
    a, b, here, there = linked(site, 1)
    b.process.signal(signal.SIGSTOP)
    flow = Flow(here, there, batch=1000, count=4000, size=2000)
    flow.join()
    terminate(a)
    ended(a)
    b.process.signal(signal.SIGCONT)
    assert here.ended.wait(5)
    settled(b, there)
    arrived, bounced = flow.check(all_sent=False, uncertain=True)
    assert arrived and bounced


def test_signals_of_all_kinds_while_it_drains(site, program):
    """A reload is not for one that leaves; more of SIGTERM and SIGINT end it sooner, never otherwise."""
    a, _, here, there = linked(site, 3 * HANGS)
    flow = Flow(here, there)
    time.sleep(0.2)
    terminate(a)
    for _ in range(20):
        a.process.signal(signal.SIGHUP)
    wait_for("the reload is refused", lambda: a.logged("config.reload_failed", "draining"))
    for number in [signal.SIGINT, signal.SIGTERM] * 3:
        a.process.signal(number)
        if a.process.popen.poll() is not None:
            break
    ended(a)
    flow.stop()
    with contextlib.suppress(Closed, OSError):
        here.close()
