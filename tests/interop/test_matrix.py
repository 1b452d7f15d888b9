"""Our router and each peer: {EXTERNAL, dialback} x {STARTTLS, Direct TLS} x {they dial, we dial,
both at once}. One scene for each peer and way of trust; each case has domains of its own, so that
no link of one case serves another."""
import threading

import pytest

from rig.site import Site
from rig.process import wait_for

PEERS = ["prosody", "ejabberd"]
TRUST = {  # certificate of both sides, peer insists on certificates, our policy
    "external": ("good", True, ["pkix"]),
    "dialback": ("self-signed", False, ["pkix", "dialback"]),
}
METHOD = {"external": "pkix", "dialback": "dialback"}
TRANSPORTS = ["starttls", "direct"]
CASES = ["they-dial", "we-dial", "both-at-once", "echo"]
BURST = 30


def transports(domain):
    return "direct" not in domain, "direct" in domain


class Scene:
    """One router and one peer, started, with a domain on each side for every case."""

    def __init__(self, site, peer, trust):
        certificate, secure, auth = TRUST[trust]
        names = [f"{case}-{tls}" for case in CASES for tls in TRANSPORTS]
        self.site, self.trust = site, trust
        # Its stream is authenticated, for Prosody 0.12, when <success/> is here: what comes then goes
        # out at once, and what waited (sendq, mod_s2s) only after the features that follow.
        self.reorders = (peer, trust) == ("prosody", "external")
        self.router = site.server(
            "fedrouter", "127.0.0.31", [f"{n}.ours.example" for n in names], certificate, transports,
            settings={"peers": [{"match": "*", "allow": "both", "tls": "required", "auth": auth}]},
        )
        self.peer = site.server(peer, "127.0.0.11", [f"{n}.peer.example" for n in names], certificate, transports,
                                secure=secure, level="debug")
        site.dns.start()
        self.peer.start()
        self.router.start()

    def components(self, case, tls, **options):
        """(ours, theirs)"""
        return (self.site.component(self.router, f"{case}-{tls}.ours.example", **options),
                self.site.component(self.peer, f"{case}-{tls}.peer.example", **options))

    def opened(self, link):
        return self.router.metrics().get(f'links_opened_total{{link="{link}",method="{METHOD[self.trust]}"}}', 0)


@pytest.fixture(scope="module", params=[(p, t) for p in PEERS for t in TRUST], ids="-".join)
def scene(request, program, tmp_path_factory):
    with Site(tmp_path_factory.mktemp("-".join(request.param))) as site:
        yield Scene(site, *request.param)


def send_burst(component, to):
    return [component.message(to, f"number {i} & <some> 'text'") for i in range(BURST)]


def receive_burst(component, reordered=False):
    """Ids in the order of arrival; fails on anything that is not a plain message. `reordered`: by
    the sending server, so in the order of their numbers."""
    stanzas = [component.wait() for _ in range(BURST)]
    if reordered:
        stanzas.sort(key=lambda s: int(s.get("id")[1:]))
    assert [s.get("type") for s in stanzas] == [None] * BURST
    assert stanzas[-1].findtext("{*}body") == f"number {BURST - 1} & <some> 'text'"
    return [s.get("id") for s in stanzas]


@pytest.mark.parametrize("tls", TRANSPORTS)
def test_they_dial(scene, tls):
    """covers: TLS-01 TLS-02 TLS-08 SASL-01 SASL-05 SASL-11 DB-10 DB-14 DB-17 ROUTE-05
    SRV-01 COMP-09 CERT-01"""
    ours, theirs = scene.components("they-dial", tls)
    before = scene.opened("s2s_in")
    if scene.reorders:
        theirs.message(f"user@{ours.domain}", id="first")
        ours.wait("first")
    assert receive_burst_of(theirs, ours) == [f"m{i}" for i in range(BURST)]
    assert scene.opened("s2s_in") > before


def receive_burst_of(sender, receiver):
    send_burst(sender, f"user@{receiver.domain}")
    return receive_burst(receiver)


@pytest.mark.parametrize("tls", TRANSPORTS)
def test_we_dial(scene, tls):
    """covers: TLS-01 TLS-08 TLS-12 SASL-03 SASL-04 DB-01 DB-03 DB-04 DB-22 DB-23 KEY-01 ROUTE-05
    SRV-01 STREAM-01 STREAM-02 COMP-07 COMP-10 CERT-02 CERT-03 QUIRK-06 QUIRK-08"""
    ours, theirs = scene.components("we-dial", tls)
    before = scene.opened("s2s_out")
    assert receive_burst_of(ours, theirs) == [f"m{i}" for i in range(BURST)]
    assert scene.opened("s2s_out") > before


@pytest.mark.parametrize("tls", TRANSPORTS)
def test_both_at_once(scene, tls):
    """covers: STREAM-20 ROUTE-05 DB-13 DB-25 QUIRK-14"""
    ours, theirs = scene.components("both-at-once", tls)
    other = threading.Thread(target=send_burst, args=(theirs, f"user@{ours.domain}"))
    other.start()
    send_burst(ours, f"user@{theirs.domain}")
    other.join()
    assert receive_burst(ours, scene.reorders) == receive_burst(theirs) == [f"m{i}" for i in range(BURST)]


@pytest.mark.parametrize("tls", TRANSPORTS)
def test_echo(scene, tls):
    """covers: COMP-04 COMP-09 COMP-10 NS-06 ROUTE-04 ROUTE-14 STREAM-20 XML-12"""
    ours = scene.site.component(scene.router, f"echo-{tls}.ours.example")
    theirs = scene.site.component(scene.peer, f"echo-{tls}.peer.example", echo=True)
    text = "a < b && \"c\" > 'd' \u00e9\u4e16\U0001f600"
    answer = ours.ask(f"user@{theirs.domain}", text)
    assert answer.get("type") is None and answer.findtext("{*}body") == text
    assert answer.get("from") == f"user@{theirs.domain}" and answer.get("to") == f"user@{ours.domain}"
    wait_for("every stanza has its fate", lambda: scene.router.balance() == 0)
