"""Who comes in, under which address, and how many: PROXY headers, strangers, descriptors."""
import pytest

from rig import S2S_PORT
from rig.lone import Lone
from rig.process import wait_for
from rig.router import start_all
from rig.stranger import SIGNATURE, Stranger, proxy_v1, proxy_v2

HERE, THERE = "rooms.here.example", "rooms.there.example"
BALANCER, CLIENT = "127.0.5.1", "203.0.113.9"
VERSIONS = {"v1": proxy_v1, "v2": proxy_v2}


@pytest.fixture(scope="module")
def scene(tmp_path_factory, program):
    with Lone(tmp_path_factory.mktemp("door")) as site:
        yield site, site.router(HERE, listen={"proxy_protocol_from": ["127.0.5.0/24"]},
                                limits={"connections_per_address": 3}, log={"level": "debug"}).start()


@pytest.fixture(scope="module", autouse=True)
def endless(scene):
    """A header that does not end, at a router of its own: it has the time of all tests here."""
    site, _ = scene
    router = site.router(HERE, listen={"proxy_protocol_from": ["127.0.5.0/24"]}).start()
    with Stranger((router.address, S2S_PORT), b"PROXY TCP4 ", BALANCER) as s:
        yield router, s


def refused(router, reason):
    return router.metrics()[f'connections_refused_total{{reason="{reason}"}}']


def peers(router):
    return [row["peer"] for row in router.ctl("links")]


@pytest.mark.parametrize("header", VERSIONS.values(), ids=VERSIONS)
def test_a_proxy_header_tells_the_address(scene, header):
    _, router = scene
    with Stranger((router.address, S2S_PORT), header(CLIENT, 4321), BALANCER) as s:
        assert b"stream:features" in s.open(HERE)  # nothing of the header is left before it
        assert f"{CLIENT}:4321" in peers(router)
    wait_for("the log has it", lambda: router.logged("s2s_in.closed", rf"peer={CLIENT}:4321"))


@pytest.mark.parametrize("header", VERSIONS.values(), ids=VERSIONS)
def test_a_header_in_pieces_is_one(scene, header):
    _, router = scene
    with Stranger((router.address, S2S_PORT), b"", BALANCER) as s:
        for byte in header(CLIENT, 4322):
            s.sendall(bytes([byte]))
        assert b"stream:features" in s.open(HERE)
        assert f"{CLIENT}:4322" in peers(router)


@pytest.mark.parametrize("first", [proxy_v2(CLIENT, command=0), b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN a b c d\r\n"],
                         ids=["v2-local", "v1-unknown", "v1-unknown-more"])
def test_the_balancer_itself_is_let_in_quietly(scene, first):
    _, router = scene
    before, marked = refused(router, "proxy"), len(router.process.log())
    with Stranger((router.address, S2S_PORT), first, BALANCER) as s:
        assert b"stream:features" in s.open(HERE)
        assert any(peer.startswith(f"{BALANCER}:") for peer in peers(router))
    Stranger((router.address, S2S_PORT), first, BALANCER).close()  # a check of health: comes and goes
    wait_for("both are closed", lambda: router.process.log()[marked:].count("s2s_in.closed") >= 2)
    assert " warn " not in router.process.log()[marked:]
    assert refused(router, "proxy") == before


def test_a_header_from_anywhere_else_is_garbage(scene):
    _, router = scene
    with Stranger((router.address, S2S_PORT), proxy_v1(CLIENT)) as s:
        s.sendall(b"<stream:stream")
        assert s.ends()
    assert not any(CLIENT in peer for peer in peers(router))
    before = refused(router, "proxy")
    with Stranger((router.address, S2S_PORT), proxy_v2(CLIENT)) as s:
        assert s.ends()
    assert refused(router, "proxy") == before


BAD = {
    "no header": b"<?xml version='1.0'?><stream:stream xmlns='jabber:server'>",
    "no address": b"PROXY TCP4 nobody 127.0.0.1 1 2\r\n",
    "no port": b"PROXY TCP4 203.0.113.9 127.0.0.1 0x10 70000\r\n",
    "no end": b"PROXY TCP4 " + b"1" * 120,
    "version 3": SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
    "too short": SIGNATURE + b"\x21\x11\x00\x04" + bytes(4),
    "too long": SIGNATURE + b"\x21\x11\xff\xff" + bytes(2000),
    "command 7": SIGNATURE + b"\x27\x11\x00\x0c" + bytes(12),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_header_is_closed_and_counted(scene, case):
    _, router = scene
    before = refused(router, "proxy")
    with Stranger((router.address, S2S_PORT), BAD[case], BALANCER) as s:
        assert s.until(b"never") == b""
    wait_for("it is counted", lambda: refused(router, "proxy") == before + 1)


@pytest.mark.parametrize("first, source", [(proxy_v1("203.0.113.50"), BALANCER), (b"", "127.0.6.1")],
                         ids=["behind a balancer", "by itself"])
def test_one_address_has_so_many_unproven_connections(scene, first, source):
    """covers: LIMIT-01"""
    site, router = scene
    to = (router.address, S2S_PORT)
    before = refused(router, "address")
    held = [Stranger(to, first, source) for _ in range(3)]
    assert all(b"stream:features" in s.open(HERE) for s in held)
    with Stranger(to, first, source) as s:
        assert s.until(b"never") == b""
    wait_for("it is counted", lambda: refused(router, "address") == before + 1)
    assert router.logged("connection.refused", r"peer=(203\.0\.113\.50|127\.0\.6\.1) ", "connections_per_address")
    with Stranger(to, proxy_v1("203.0.113.51"), BALANCER) as other:
        assert b"stream:features" in other.open(HERE)
    held.pop().close()

    def again():
        with Stranger(to, first, source) as s:
            return b"stream:features" in s.open(HERE)

    wait_for("one that went makes room", again)
    for s in held:
        s.close()


def test_components_that_have_proven_themselves_do_not_count(scene):
    site, router = scene
    wait_for("nobody is there", lambda: not peers(router))
    made = []
    for _ in range(6):  # each replaces the one before
        made.append(site.component(router))
    assert made[-1].ask(f"user@{HERE}", "to itself").findtext("{*}body") == "to itself"


def test_without_descriptors_those_who_are_in_go_on(tmp_path, program):
    """covers: LIMIT-02"""
    with Lone(tmp_path, first=50) as site:
        a, b = site.two(HERE, THERE, {"limits": {"connections_per_address": 10000}})
        a.process.command = ["prlimit", "--nofile=200:200", *a.process.command]
        start_all(a, b)
        here, there = site.component(a), site.component(b)
        crowd = [Stranger((a.address, S2S_PORT)) for _ in range(400)]
        wait_for("some are refused", lambda: refused(a, "descriptors") > 100)
        assert a.get("/livez") and a.get("/readyz")
        assert a.ctl("status")[0]["descriptors"]["limit"] == 200
        there.wait(here.message(f"user@{THERE}"))  # by a new link, from what is kept for us
        assert a.logged("connection.refused", "descriptors", "raise the limit of open files")
        assert a.process.descriptors() <= 200
        for s in crowd:
            s.close()

        def welcome():
            with Stranger((a.address, S2S_PORT)) as s:
                return b"stream:features" in s.open(HERE)

        wait_for("there is room again", welcome)
        there.wait(here.message(f"user@{THERE}"))


def test_a_header_that_never_ends_is_given_up(endless):
    router, s = endless
    assert s.until(b"never") == b""
    wait_for("it is told of", lambda: router.logged("connection.refused", "no PROXY header in time"))
    assert refused(router, "proxy") == 1
