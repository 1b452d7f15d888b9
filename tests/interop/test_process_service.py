"""Under a service manager: what it is told and when, and the sockets that it holds for us."""
import os
import signal
import socket
import time

import pytest

from rig import COMPONENT_PORT, S2S_PORT, S2S_TLS_PORT
from rig.lone import Lone
from rig.manager import Manager, activate
from rig.process import wait_for
from rig.router import HTTP_PORT, start_all


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Lone(tmp_path_factory.mktemp("service")) as made:
        yield made


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    made = Manager(str(tmp_path / "notify") if request.param == "path" else f"@fedrouter-test-{os.getpid()}")
    yield made
    made.close()


def test_the_manager_hears_of_its_whole_life(site, program, manager):
    router = site.router(env={"NOTIFY_SOCKET": manager.address})
    router.write()
    with socket.create_server((router.address, S2S_PORT)):  # not before it listens
        router.process.start()
        assert router.process.popen.wait(10) == 1
    assert manager.hear() == []
    router.start()
    assert manager.wait("READY") == {"READY": "1", "STATUS": "serving"}

    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    router.process.signal(signal.SIGHUP)
    reloading = manager.wait("RELOADING")
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert reloading["RELOADING"] == "1" and "configuration" in reloading["STATUS"]
    assert manager.wait("READY")["STATUS"] == "serving"

    with open(router.path, "a", encoding="utf-8") as file:
        file.write("nonsense: 1\n")
    router.process.signal(signal.SIGHUP)
    assert manager.wait("RELOADING")
    assert "nonsense" in manager.wait("READY")["STATUS"]  # it runs on, and says what is wrong

    router.process.signal(signal.SIGTERM)
    router.process.signal(signal.SIGHUP)
    stopping = manager.wait("STOPPING")
    assert stopping["STOPPING"] == "1" and "draining" in stopping["STATUS"]
    assert router.process.popen.wait(10) == 0
    assert not any("READY" in one for one in manager.hear())


def test_the_watchdog_is_fed_while_all_threads_turn(site, program, manager):
    begun = time.monotonic()
    router = site.router(env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"}).start()
    manager.wait("READY")
    for _ in range(5):
        assert manager.wait("WATCHDOG") == {"WATCHDOG": "1"}
    more = len(manager.hear())
    assert 5 + more <= (time.monotonic() - begun) / 0.1 + 1  # at half of its time, not as fast as it can
    assert router.stop() == 0


def test_a_watchdog_of_another_process_is_not_ours(site, program, manager):
    router = site.router(env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "50000", "WATCHDOG_PID": "1"}).start()
    manager.wait("READY")
    router.get("/livez")
    time.sleep(0.2)  # eight times as long as it would take
    assert manager.hear() == []


def test_without_a_manager_nothing_is_amiss(site, program):
    strange = ("", "@", "relative", "/nowhere/notify", "/" + "x" * 200)
    routers = start_all(*(site.router(env={"NOTIFY_SOCKET": address}) for address in strange))
    for router in routers:
        router.process.ask_to_end()
    assert [router.process.popen.wait(10) for router in routers] == [0] * len(routers)


def test_given_sockets_are_used_in_the_stead_of_our_own(site, program):
    router = site.router()
    held = [socket.create_server((router.address, port)) for port in (HTTP_PORT, COMPONENT_PORT, S2S_TLS_PORT, S2S_PORT)]
    early = socket.create_connection((router.address, S2S_PORT))  # while the service is down
    activate(router.process, held, ["http", "component", "s2s_tls", "s2s"])
    router.start()
    assert site.component(router).handshaken
    early.sendall(b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
                  b"to='rooms.example' version='1.0'>")
    assert early.recv(4096).startswith(b"<?xml")
    early.close()
    assert router.stop() == 0
    for s in held:  # the manager's are still good: the next start has them again
        with socket.create_connection(s.getsockname(), timeout=5):
            pass
        s.close()


def test_given_sockets_that_nothing_matches_are_told_of(site, program):
    router = site.router()
    with socket.create_server(("127.0.3.240", 5269)) as other, socket.create_server((router.address, S2S_PORT)) as ours:
        activate(router.process, [other, ours])
        router.start()
        (line,) = router.logged(" warn ", r"127\.0\.3\.240:5269")
        assert "listen" in line
        other.close()
        with pytest.raises(ConnectionRefusedError):  # it does not keep those who call there waiting
            socket.create_connection(("127.0.3.240", 5269), timeout=5)


def test_sockets_for_another_process_are_not_taken(site, program):
    router = site.router(env={"LISTEN_PID": "1", "LISTEN_FDS": "1"}).start()
    assert not router.logged(" warn listen")
    assert wait_for("it serves", lambda: socket.create_connection((router.address, HTTP_PORT)))
