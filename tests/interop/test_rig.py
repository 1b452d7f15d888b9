"""The rig judged without us: the peers must federate with each other in every way that we will
be tried in. When one of these fails, look for the fault here and not in the router."""
import pytest

from rig.site import only_direct, only_starttls

TRUST = {"external": ("good", True), "dialback": ("self-signed", False)}


def federate(site, trust, **options):
    certificate, secure = TRUST[trust]
    a = site.server("prosody", "127.0.0.11", ["echo.prosody.example"], certificate, secure=secure, level="debug", **options)
    b = site.server("ejabberd", "127.0.0.12", ["echo.ejabberd.example"], certificate, secure=secure, level="debug",
                  **options)
    site.dns.start()
    return a.start(), b.start()


@pytest.mark.parametrize("tls", ["starttls", "direct"])
@pytest.mark.parametrize("trust", TRUST)
def test_peers_federate_with_each_other(site, trust, tls):
    prosody, ejabberd = federate(site, trust, transports=only_direct if tls == "direct" else only_starttls)
    there = site.component(ejabberd, echo=True)
    here = site.component(prosody)
    answer = here.ask("user@echo.ejabberd.example", "hello & <goodbye>")
    assert answer.get("type") is None and answer.findtext("{*}body") == "hello & <goodbye>"
    assert there.everything[0].get("from") == "user@echo.prosody.example"
