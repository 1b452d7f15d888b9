"""Peers that cannot be trusted, reached or do not want us: the sender reads the right bounce, and
the log says why."""
import pytest

from rig.process import wait_for

OURS, THEIRS = "echo.ours.example", "echo.peer.example"
PKIX = {"peers": [{"match": "*", "allow": "both", "tls": "required", "auth": ["pkix"]}]}
DIALBACK = {"peers": [{"match": "*", "allow": "both", "tls": "required", "auth": ["pkix", "dialback"]}]}


def scene(site, peer, certificate="good", settings=PKIX, ours="good", **options):
    """(router, peer), started, the peer's component connected: else ejabberd knows no such host."""
    router = site.server("fedrouter", "127.0.0.31", [OURS], ours, settings=settings)
    server = site.server(peer, "127.0.0.11", [THEIRS], certificate, level="debug", **options)
    site.dns.start()
    server.start()
    router.start()
    server.component = site.component(server)
    return router, server


def check_bounce(router, component, to, expected):
    """`expected`: (reason word, condition, type); the word begins the text and is in the log."""
    word, condition, kind = expected
    got = component.bounce(f"user@{to}", seconds=40)
    assert got[:2] == (condition, kind), got
    assert got[2].startswith(word), got
    wait_for(f"a log line about {to} says {word}", lambda: router.logged(to, word), 5)
    assert router.metrics().get(f'stanzas_bounced_total{{reason="{word}"}}') == 1


CERTIFICATE = ("certificate", "remote-server-timeout", "wait")


@pytest.mark.parametrize("peer", ["prosody", "ejabberd"])
@pytest.mark.parametrize("kind", ["expired", "wrong-name", "wrong-ca", "self-signed"])
def test_certificate_of_the_peer_does_not_do(site, program, peer, kind):
    """covers: CERT-01 CERT-02 CERT-10 ROUTE-08 ERR-01 ERR-02"""
    router, _ = scene(site, peer, certificate=kind)
    check_bounce(router, site.component(router), THEIRS, CERTIFICATE)


@pytest.mark.parametrize("kind", ["expired", "wrong-name", "wrong-ca"])
def test_peer_with_a_bad_certificate_dials_us(site, program, kind):
    """covers: CERT-01 SASL-01 SASL-02 SASL-13 STREAM-14"""
    router, peer = scene(site, "prosody", certificate=kind)
    ours = site.component(router)
    answer = peer.component.ask(f"user@{OURS}", seconds=40)
    assert answer.get("type") == "error"
    assert not ours.everything
    wait_for("the log tells of the refusal", lambda: router.logged(THEIRS, "(certificate|weak-proof|policy)"), 5)


@pytest.mark.parametrize("peer", ["prosody", "ejabberd"])
def test_bad_certificate_is_enough_where_dialback_is(site, program, peer):
    """covers: CERT-01 SASL-02 SASL-12 DB-17 QUIRK-13"""
    router, server = scene(site, peer, certificate="expired", settings=DIALBACK)
    server.component.echo = True
    assert site.component(router).ask(f"user@{THEIRS}").get("type") is None


REFUSING = {
    "prosody": {"secure": True},  # our certificate proves nothing, and it wants proof
    "ejabberd": {"more": {"s2s_access": "nobody", "access_rules": {"nobody": {"deny": "all"}}}},
}


@pytest.mark.parametrize("peer", ["prosody", "ejabberd"])
def test_peer_refuses_us_by_policy(site, program, peer):
    """covers: SERR-04 SERR-05 ROUTE-08 ERR-01 QUIRK-09"""
    router, _ = scene(site, peer, settings=DIALBACK, ours="self-signed", **REFUSING[peer])
    got = site.component(router).bounce(f"user@{THEIRS}", seconds=40)
    assert got[:2] == ("remote-server-timeout", "wait"), got
    assert wait_for("the log tells why", lambda: router.logged(THEIRS, got[2].split()[0].strip(":")), 5)


def test_our_policy_refuses_the_peer(site, program):
    """covers: ROUTE-15 DB-20 ERR-02"""
    closed = {"peers": [{"match": THEIRS, "allow": "none"}, *PKIX["peers"]]}
    router, peer = scene(site, "prosody", settings=closed)
    ours = site.component(router)
    got = ours.bounce(f"user@{THEIRS}")
    assert got[:2] == ("not-allowed", "cancel") and got[2].startswith("policy"), got
    assert peer.component.ask(f"user@{OURS}", seconds=40).get("type") == "error"
    assert len(ours.everything) == 1  # the bounce
    wait_for("the log tells who was refused", lambda: router.logged(THEIRS, "policy"), 5)


def test_peer_without_tls(site, program):
    """covers: TLS-16 TLS-02"""
    router, peer = scene(site, "prosody", require_tls=False, modules=("dialback", "saslauth"))
    got = site.component(router).bounce(f"user@{THEIRS}", seconds=40)
    assert got[:2] == ("remote-server-timeout", "wait"), got
    assert got[2].startswith(("no-tls", "stream-error")), got  # starttls is tried even where it is not offered
    assert not peer.component.everything


NAMES = {  # what DNS says about the domain, what the sender reads
    "nowhere.example": ("no-such-domain", "remote-server-not-found", "cancel"),
    "silent.example": ("no-service", "remote-server-not-found", "cancel"),
    "broken.zone.example": ("dns-failed", "remote-server-timeout", "wait"),
    "refusing.example": ("unreachable", "remote-server-timeout", "wait"),
}


@pytest.mark.parametrize("domain", NAMES)
def test_names_that_lead_nowhere(site, program, domain):
    """covers: SRV-04 SRV-06 SRV-07 ROUTE-08 DNSSEC-04 LIVE-04"""
    router = site.server("fedrouter", "127.0.0.31", [OURS], settings=PKIX)
    site.dns.record("_xmpp-server._tcp.silent.example. 60 IN SRV 0 0 5269 .")
    site.dns.record("_xmpps-server._tcp.silent.example. 60 IN SRV 0 0 5270 .")
    site.dns.address("silent.example", "127.0.0.31")  # must not be used: the SRV record says no
    site.dns.fail("zone.example")
    site.publish("127.0.0.77", ["refusing.example"])
    site.dns.address("refusing.example", "127.0.0.31")  # SRV exists: no fallback to the address
    site.dns.start()
    router.start()
    check_bounce(router, site.component(router), domain, NAMES[domain])


def test_domain_that_leads_back_to_us(site, program):
    """covers: ROUTE-16"""
    router = site.server("fedrouter", "127.0.0.31", [OURS], settings=DIALBACK)
    site.publish("127.0.0.31", ["mirror.example"])
    site.dns.start()
    router.start()
    got = site.component(router).bounce("user@mirror.example", seconds=40)
    assert got[0] in ("remote-server-not-found", "remote-server-timeout")
