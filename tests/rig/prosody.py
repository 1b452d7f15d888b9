"""Prosody as a peer: components behind S2S, as Debian ships it."""
import os

from . import COMPONENT_PORT, S2S_PORT, S2S_TLS_PORT, SECRET
from .process import Process

CONFIG = """
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}"
admins = {{}}
modules_enabled = {{ {modules} }}
modules_disabled = {{ "s2s_auth_certs_none", "offline", "c2s" }}
interfaces = {{ "{address}" }}
local_interfaces = {{ "{address}" }}
component_interfaces = {{ "{address}" }}
s2s_ports = {{ {port} }}
s2s_direct_tls_ports = {{ {tls_port} }}
component_ports = {{ {component_port} }}
c2s_ports = {{}}
s2s_require_encryption = {require_tls}
s2s_secure_auth = {secure}
s2s_stanza_size_limit = 1048576
network_settings = {{ tcp_backlog = 1024 }}
ssl = {{ key = "{key}", certificate = "{chain}", cafile = "{ca}" }}
log = {{ {level} = "*console" }}
{more}
VirtualHost "{host}"
{components}
"""


def lua(value):
    return "true" if value else "false"


class Prosody:
    """`secure`: only certificates count; else dialback does, too."""

    kind = "prosody"

    def __init__(self, folder, address, host, domains, certificate, ca, secure=False, require_tls=True,
                 level="info", more="", modules=("dialback", "saslauth", "tls")):
        self.folder = os.path.join(folder, f"prosody-{host}")
        os.makedirs(self.folder)
        self.address, self.host, self.domains = address, host, list(domains)
        self.more, self.level, self.modules = more, level, modules
        self.secure, self.require_tls = secure, require_tls
        self.certificate, self.ca = certificate, ca
        self.path = os.path.join(self.folder, "prosody.cfg.lua")
        self.process = Process("prosody", ["/usr/bin/prosody", "--config", self.path, "-F"], self.folder)

    @property
    def component_address(self):
        return self.address, COMPONENT_PORT

    def write(self):
        components = "\n".join(f'Component "{d}"\n  component_secret = "{SECRET}"' for d in self.domains)
        with open(self.path, "w", encoding="ascii") as file:
            file.write(CONFIG.format(
                folder=self.folder, address=self.address, port=S2S_PORT, tls_port=S2S_TLS_PORT,
                component_port=COMPONENT_PORT, secure=lua(self.secure), require_tls=lua(self.require_tls),
                key=self.certificate.key, chain=self.certificate.chain, ca=self.ca, level=self.level,
                modules=", ".join(f'"{m}"' for m in self.modules), more=self.more, host=self.host, components=components,
            ))

    def start(self):
        self.write()
        listens = [(self.address, port) for port in (S2S_PORT, S2S_TLS_PORT, COMPONENT_PORT)]
        self.process.start(listens)
        return self

    def stop(self):
        self.process.stop()
