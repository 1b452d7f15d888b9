"""The name server: unbound with answers of its own, on 127.0.0.53, which resolv.conf names.

What is not told to it does not exist (NXDOMAIN). Zones can be made to fail (SERVFAIL).
"""
import os

from . import S2S_PORT
from .process import Process

ADDRESS = "127.0.0.53"

CONFIG = """
server:
  interface: {address}
  port: 53
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  logfile: ""
  verbosity: 1
  module-config: "iterator"
  do-not-query-localhost: no
  num-threads: 1
  edns-tcp-keepalive: no
  minimal-responses: no
  local-zone: "." static
  local-data: ". 60 IN SOA root. nobody. 1 3600 900 86400 60"
{lines}
remote-control:
  control-enable: no
"""


# Domains end in .example: resolvers (libunbound in Prosody) answer for .test themselves, in the negative.
class Dns:
    def __init__(self, folder):
        self.folder = os.path.join(folder, "dns")
        os.makedirs(self.folder)
        self.lines = []
        self.zones = []
        self.process = None

    def record(self, text):
        self.lines.append(f"  local-data: '{text}'")

    def address(self, name, address):
        self.record(f"{name}. 60 IN {'AAAA' if ':' in address else 'A'} {address}")

    def domain(self, domain, host, port=S2S_PORT, tls_port=None, priority=0):
        """An XMPP domain served by `host`: STARTTLS on `port`, Direct TLS on `tls_port`; None: no record."""
        if port:
            self.record(f"_xmpp-server._tcp.{domain}. 60 IN SRV {priority} 0 {port} {host}.")
        if tls_port:
            self.record(f"_xmpps-server._tcp.{domain}. 60 IN SRV {priority} 0 {tls_port} {host}.")

    def fail(self, zone):
        """Every question below it is answered SERVFAIL: it is forwarded to nobody."""
        self.lines.append(f'  local-zone: "{zone}." transparent')
        self.zones.append(f'forward-zone:\n  name: "{zone}."\n  forward-addr: 127.0.0.1@9')

    def start(self):
        path = os.path.join(self.folder, "unbound.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(CONFIG.format(address=ADDRESS, folder=self.folder, lines="\n".join(self.lines)))
            file.write("\n".join(self.zones) + "\n")
        self.process = Process("unbound", ["/usr/sbin/unbound", "-d", "-c", path], self.folder)
        self.process.start(listens=[(ADDRESS, 53)])
        return self

    def restart(self):
        """With what was added since."""
        self.stop()
        return self.start()

    def stop(self):
        if self.process:
            self.process.stop()
