"""One scene: a folder, a CA, a name server, servers and components; everything ends with it."""
import contextlib
import os

from .ca import CA, self_signed
from .component import Component
from .dns import Dns
from .ejabberd import Ejabberd
from .prosody import Prosody
from .router import Router

SERVERS = {"prosody": Prosody, "ejabberd": Ejabberd, "fedrouter": Router}


class Site(contextlib.ExitStack):
    """with Site(tmp_path) as site: site.server(...); site.dns.start(); ..."""

    def __init__(self, folder):
        super().__init__()
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.ca = CA(self.folder)
        self.dns = Dns(self.folder)
        self.callback(self.dns.stop)
        self.hosts = 0

    def certificate(self, domains, kind="good"):
        """good, self-signed, expired, wrong-name, wrong-ca"""
        name = f"{domains[0]}-{kind}".replace("*", "any")
        if kind == "self-signed":
            return self_signed(self.folder, name, domains)
        if kind == "wrong-ca":
            return CA(self.folder, f"other-{name}").issue(name, domains)
        if kind == "wrong-name":
            domains = ["somebody-else.example"]
        return self.ca.issue(name, domains, expired=kind == "expired")

    def publish(self, address, domains, starttls=True, direct=False):
        """SRV records that lead from the domains to the address."""
        host = f"host{self.hosts}.example"
        self.hosts += 1
        self.dns.address(host, address)
        for domain in domains:
            self.dns.domain(domain, host, port=5269 if starttls else None, tls_port=5270 if direct else None)

    def server(self, kind, address, domains, certificate="good", starttls=True, direct=False, wildcard=None,
               **options):
        """One of SERVERS with a component domain for each of `domains`, published, not started.
        `wildcard`: what its certificate says instead of naming them all."""
        host = f"{kind}-{address.rpartition('.')[2]}.example"
        made = self.certificate([host, wildcard] if wildcard else [host, *domains], certificate)
        self.publish(address, [host, *domains], starttls, direct)
        server = SERVERS[kind](self.folder, address, host, domains, made, self.ca.path, **options)
        self.callback(server.stop)
        return server

    def component(self, server, domain=None, **options):
        component = Component(server.component_address, domain or server.domains[0], **options)
        self.callback(component.close)
        return component
