"""One scene: a folder, a CA, a name server, servers and components; everything ends with it."""
import contextlib
import os

from . import S2S_PORT, S2S_TLS_PORT
from .ca import CA, self_signed
from .component import Component
from .dns import Dns
from .ejabberd import Ejabberd
from .prosody import Prosody
from .router import Router

SERVERS = {"prosody": Prosody, "ejabberd": Ejabberd, "fedrouter": Router}


def only_starttls(domain):
    return True, False


def only_direct(domain):
    return False, True


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
        self.servers = []

    def __exit__(self, *details):
        for server in self.servers:  # all at once; then each is waited for
            server.process.ask_to_end()
        return super().__exit__(*details)

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

    def publish(self, address, domains, transports=only_starttls):
        """SRV records that lead from the domains to the address."""
        host = f"host{self.hosts}.example"
        self.hosts += 1
        self.dns.address(host, address)
        for domain in domains:
            starttls, direct = transports(domain)
            self.dns.domain(domain, host, S2S_PORT if starttls else None, S2S_TLS_PORT if direct else None)

    def server(self, kind, address, domains, certificate="good", transports=only_starttls, wildcard=None, **options):
        """One of SERVERS with a component domain for each of `domains`, published, not started.
        `wildcard`: what its certificate says instead of naming them all. `transports`: for a
        domain, whether its SRV records say STARTTLS and Direct TLS."""
        host = f"{kind}-{address.rpartition('.')[2]}.example"
        made = self.certificate([host, wildcard] if wildcard else [host, *domains], certificate)
        self.publish(address, [host, *domains], transports)
        server = SERVERS[kind](self.folder, address, host, domains, made, self.ca.path, **options)
        self.servers.append(server)
        self.callback(server.stop)
        return server

    def component(self, server, domain=None, **options):
        component = Component(server.component_address, domain or server.domains[0], **options)
        self.callback(component.close)
        return component
