"""HAProxy before several nodes: S2S, Direct TLS and component ports, whoever says /readyz."""
import os

from . import COMPONENT_PORT, S2S_PORT, S2S_TLS_PORT
from .process import Process
from .router import HTTP_PORT

PROGRAM = "/usr/sbin/haproxy"
PORTS = {"s2s": S2S_PORT, "s2s_tls": S2S_TLS_PORT, "component": COMPONENT_PORT}

HEAD = """
global
  maxconn 4096
defaults
  mode tcp
  timeout connect 2s
  timeout check 1s
  timeout client 1h
  timeout server 1h
  retries 3
  option redispatch
  default-server check inter 250ms fall 2 rise 1 port {http} send-proxy-v2
"""

PART = """
frontend {name}
  bind {address}:{port}
  default_backend {name}_nodes
backend {name}_nodes
  balance roundrobin
  source {address}
  option httpchk GET /readyz
  http-check expect status 200
{servers}
"""


def installed():
    return os.access(PROGRAM, os.X_OK)


class Balancer(Process):
    """`nodes`: (name, address); they must trust PROXY headers from its address."""

    def __init__(self, folder, address, nodes):
        home = os.path.join(str(folder), "haproxy")
        os.makedirs(home)
        self.address = address
        path = os.path.join(home, "haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(HEAD.format(http=HTTP_PORT))
            for name, port in PORTS.items():
                servers = "\n".join(f"  server {node} {at}:{port}" for node, at in nodes)
                file.write(PART.format(name=name, address=address, port=port, servers=servers))
        super().__init__("haproxy", [PROGRAM, "-db", "-f", path], home)

    @property
    def component_address(self):
        return self.address, COMPONENT_PORT

    def start(self):
        return super().start([(self.address, port) for port in PORTS.values()])
