"""A peer that goes and comes back while stanzas flow, and a component of ours that does."""
import signal

import pytest

from rig.process import wait_for

OURS, THEIRS = "echo.ours.example", "echo.peer.example"
POLICY = {"peers": [{"match": "*", "allow": "both", "tls": "required", "auth": ["pkix", "dialback"]}]}


def scene(site, peer):
    router = site.server("fedrouter", "127.0.0.31", [OURS], settings=POLICY)
    server = site.server(peer, "127.0.0.11", [THEIRS], level="debug")
    site.dns.start()
    server.start()
    router.start()
    return router, server


@pytest.mark.parametrize("how", ["TERM", "KILL"])
@pytest.mark.parametrize("peer", ["prosody", "ejabberd"])
def test_peer_restarts_mid_stream(site, program, peer, how):
    """covers: STREAM-21 SERR-04 LIVE-02 ROUTE-07 ROUTE-09"""
    router, server = scene(site, peer)
    theirs = site.component(server)
    ours = site.component(router)
    ours.message(f"user@{THEIRS}", "before")
    assert theirs.wait().findtext("{*}body") == "before"
    server.process.signal(getattr(signal, f"SIG{how}"))
    server.process.popen.wait(30)
    ids = [ours.message(f"user@{THEIRS}", f"between {i}") for i in range(5)]
    server.start()
    theirs = site.component(server)
    fates = {}

    def all_have_a_fate():
        ids_after.append(ours.message(f"user@{THEIRS}", "after"))
        for got, fate in ((theirs.everything, "arrived"), (ours.everything, "bounced")):
            fates.update({s.get("id"): fate for s in got})
        return all(i in fates for i in ids) and any(fates.get(i) == "arrived" for i in ids_after)

    ids_after = []
    wait_for("what was sent meanwhile arrived or bounced, and the link is back", all_have_a_fate, 90, step=1)
    arrived = [s.get("id") for s in theirs.everything if s.get("id") in ids]
    assert arrived == sorted(arrived, key=ids.index)  # in order, whatever arrived
    wait_for("every stanza has its fate", lambda: router.balance() == 0, 70)


@pytest.mark.parametrize("peer", ["prosody", "ejabberd"])
def test_our_component_leaves_and_returns(site, program, peer):
    """covers: COMP-11 ERR-01 ERR-05"""
    router, server = scene(site, peer)
    ours = site.component(router, echo=True)
    theirs = site.component(server)
    assert theirs.ask(f"user@{OURS}").get("type") is None
    ours.close()
    got = theirs.bounce(f"user@{OURS}", seconds=40)
    assert got[:2] == ("service-unavailable", "cancel"), got
    site.component(router, echo=True)
    assert theirs.ask(f"user@{OURS}").get("type") is None
