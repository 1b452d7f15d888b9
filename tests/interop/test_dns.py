"""The resolver against real name servers: nsd with signed, unsigned and forged zones, and a
validating unbound before it. On 127.0.0.x with high ports: needs no network of its own."""
import base64
import os
import subprocess

import pytest

from rig.process import Process

dnssec = pytest.importorskip("dns.dnssec", reason="python3-dnspython is not installed")
import dns.name
import dns.rdatatype
import dns.zone

ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec", reason="python3-cryptography is not installed")

NSD, UNBOUND = "/usr/sbin/nsd", "/usr/sbin/unbound"
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(os.path.dirname(os.environ.get("FEDROUTER", f"{TOP}/build/fedrouter")), "tests/interop/dnsask")
AUTHORITY, VALIDATOR = ("127.0.0.61", 5301), ("127.0.0.62", 5302)

ZONE = """
$ORIGIN {name}.
$TTL 300
@ SOA ns.{name}. host.{name}. 1 3600 900 86400 30
@ NS ns
@ A 127.6.6.6
ns A 127.0.0.61
_xmpp-server._tcp SRV 10 5 5269 host
_xmpps-server._tcp SRV 20 0 443 host
host A 127.1.0.1
host AAAA ::1
plain A 127.1.0.2
plain AAAA ::2
_xmpp-server._tcp.gone SRV 0 0 0 .
gone A 127.6.6.6
_xmpp-server._tcp.aliased SRV 1 1 5269 alias
alias CNAME alias2
alias2 CNAME host
_xmpp-server._tcp.moved CNAME _xmpp-server._tcp
{many}
"""
MANY = "\n".join(f"_xmpp-server._tcp.many SRV {i} 0 {1000 + i} h{i}\nh{i} A 127.2.0.{i + 1}" for i in range(40))

NSD_CONFIG = """
server:
  ip-address: {0}@{1}
  do-ip6: no
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  server-count: 1
  verbosity: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
{zones}
"""

UNBOUND_CONFIG = """
server:
  interface: {0}@{1}
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  do-ip6: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  logfile: ""
  verbosity: 1
  num-threads: 1
  do-not-query-localhost: no
  module-config: "validator iterator"
  ede: yes
  domain-insecure: "plain.example"
  local-zone: "example." nodefault
{anchors}
remote-control:
  control-enable: no
{stubs}
"""


def sign(zone, origin, spoil=None):
    """Keys and signatures (algorithm 13) and an NSEC chain, RFC 4034; of `spoil`, one is wrong."""
    private = ec.generate_private_key(ec.SECP256R1())
    key = dnssec.make_dnskey(private.public_key(), dnssec.Algorithm.ECDSAP256SHA256, flags=257)
    zone.find_rdataset(origin, "DNSKEY", create=True).add(key, 300)
    names = sorted(zone.nodes)
    for name, following in zip(names, names[1:] + names[:1]):
        types = sorted([r.rdtype for r in zone.nodes[name].rdatasets] + [46, 47])
        words = " ".join(dns.rdatatype.to_text(t) for t in types)
        text = f"{following.to_text()} {words}"
        zone.find_rdataset(name, "NSEC", create=True).add(dns.rdata.from_text("IN", "NSEC", text), 30)
    for name in names:
        for rdataset in list(zone.nodes[name].rdatasets):
            signature = dnssec.sign((name, rdataset), private, origin, key, lifetime=86400)
            if name.to_text() == spoil:
                signature = signature.replace(signature=bytes([signature.signature[0] ^ 1]) + signature.signature[1:])
            zone.find_rdataset(name, "RRSIG", covers=rdataset.rdtype, create=True).add(signature, rdataset.ttl)
    return key


def write_zone(folder, name, signed=False, spoil=None):
    origin = dns.name.from_text(name)
    zone = dns.zone.from_text(ZONE.format(name=name, many=MANY), origin=origin, relativize=False)
    key = sign(zone, origin, spoil) if signed else None
    zone.to_file(os.path.join(folder, name), relativize=False)
    return key and f'  trust-anchor: "{name}. DNSKEY 257 3 13 {base64.b64encode(key.key).decode()}"'


class Servers:
    def __init__(self, folder):
        self.folder = str(folder)
        anchors = [write_zone(self.folder, "signed.example", signed=True),
                   write_zone(self.folder, "forged.example", signed=True, spoil="_xmpp-server._tcp.forged.example."),
                   write_zone(self.folder, "badhost.example", signed=True, spoil="host.badhost.example.")]
        write_zone(self.folder, "plain.example")
        names = ["signed.example", "forged.example", "badhost.example", "plain.example"]
        zones = "".join(f'zone:\n  name: "{n}"\n  zonefile: "{n}"\n' for n in names)
        stubs = "".join(f'stub-zone:\n  name: "{n}"\n  stub-addr: {AUTHORITY[0]}@{AUTHORITY[1]}\n' for n in names)
        self.nsd = self.process("nsd", [NSD, "-d"], NSD_CONFIG.format(*AUTHORITY, folder=self.folder, zones=zones))
        self.unbound = self.process("unbound", [UNBOUND, "-d"], UNBOUND_CONFIG.format(
            *VALIDATOR, folder=self.folder, stubs=stubs, anchors="\n".join(anchors)))

    def process(self, name, command, config):
        path = os.path.join(self.folder, f"{name}.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(config)
        return Process(name, command + ["-c", path], self.folder)

    def start(self):
        self.nsd.start(listens=[AUTHORITY])
        self.unbound.start(listens=[VALIDATOR])
        return self

    def stop(self):
        self.unbound.stop()
        self.nsd.stop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    for needed in NSD, UNBOUND, PROGRAM:
        if not os.path.exists(needed):
            pytest.skip(f"{needed} is not there")
    made = Servers(tmp_path_factory.mktemp("dns"))
    try:
        yield made.start()
    finally:
        made.stop()


def ask(*domains, server=VALIDATOR, options=(), before=()):
    """[(kind, dnssec, [endpoint], text)]"""
    command = [*before, PROGRAM, "--server", f"{server[0]}:{server[1]}", *options, *domains]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [(kind, secure, endpoints.split(), text) for kind, secure, endpoints, text in rows]


# SRV-01, SRV-02, DNSSEC-02
def test_signed_zone_is_secure(servers):
    [(kind, secure, endpoints, text)] = ask("signed.example")
    assert (kind, secure) == ("resolved", "secure"), text
    assert endpoints == ["[::1]:5269=secure", "127.1.0.1:5269=secure", "tls://[::1]:443=secure",
                         "tls://127.1.0.1:443=secure"]


# DNSSEC-07
def test_unsigned_zone_is_insecure(servers):
    [(kind, secure, endpoints, text)] = ask("plain.example")
    assert (kind, secure) == ("resolved", "insecure"), text
    assert endpoints[0] == "[::1]:5269"


# DNSSEC-02: the same answers, not believed
def test_switched_off(servers):
    [(kind, secure, endpoints, text)] = ask("signed.example", options=["--off"])
    assert (kind, secure) == ("resolved", "insecure"), text


# DNSSEC-04, DNSSEC-06: unbound says why by an extended error
def test_forged_signature_is_bogus(servers):
    forged, badhost = ask("forged.example", "badhost.example")
    assert forged[:3] == ("bogus", "bogus", []), forged
    assert badhost[:3] == ("bogus", "bogus", []), badhost


# SRV-04, SRV-07, SRV-12: proven absence, with NSEC and without
@pytest.mark.parametrize("zone", ["signed.example", "plain.example"])
def test_absence(servers, zone):
    gone, plain, nowhere = ask(f"gone.{zone}", f"plain.{zone}", f"nowhere.{zone}")
    assert gone[0] == "refused" and gone[2] == []
    assert plain[2] == ["[::2]:5269", "127.1.0.2:5269"]
    assert nowhere[0] == "nothing" and nowhere[3].startswith("_xmpps-server: none (NXDOMAIN)")


# SRV-09: a target that is an alias, a service that is one, an answer too large for UDP
@pytest.mark.parametrize("zone", ["signed.example", "plain.example"])
def test_aliases_and_large_answers(servers, zone):
    mark = "=secure" if zone.startswith("signed") else ""
    aliased, moved, many = ask(f"aliased.{zone}", f"moved.{zone}", f"many.{zone}")
    assert aliased[2] == [f"[::1]:5269{mark}", f"127.1.0.1:5269{mark}"]
    assert moved[2] == aliased[2]
    assert many[2] == [f"127.2.0.{i + 1}:{1000 + i}{mark}" for i in range(16)]


# SRV-11: a configured host is looked up as every program does: /etc/hosts, then DNS
def test_configured_host(servers, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.7.7.7 gateway host.plain.example\n")
    before = ["unshare", "--mount", "sh", "-c", f'mount --bind "{hosts}" /etc/hosts && exec "$@"', "sh"]
    if subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let us have an /etc/hosts of our own")
    gateway, both, dns_only = ask("@gateway", "@host.plain.example", "@plain.plain.example", before=before)
    assert gateway == ("resolved", "insecure", ["127.7.7.7:5269"], "gateway: 127.7.7.7")
    assert both[2] == ["127.7.7.7:5269"]
    assert dns_only[2] == ["[::2]:5269", "127.1.0.2:5269"]
    [domain] = ask("host.plain.example", before=before)
    assert domain[2] == ["[::1]:5269", "127.1.0.1:5269"]  # a domain of the network is DNS's alone


# A server that does not resolve for us, asked directly: its refusals are no absence
def test_authority_is_no_resolver(servers):
    [(kind, _, endpoints, text)] = ask("elsewhere.org", server=AUTHORITY)
    assert (kind, endpoints) == ("failed", []) and "REFUSED" in text


# Nobody listens there; the next one does
def test_next_server(servers):
    [(kind, _, endpoints, _)] = ask("signed.example", server=("127.0.0.63", 5303),
                                    options=["--server", f"{VALIDATOR[0]}:{VALIDATOR[1]}"])
    assert kind == "resolved" and endpoints


def test_nobody_answers(servers):
    [(kind, secure, _, text)] = ask("signed.example", server=("127.0.0.63", 5303), options=["--timeout", "3000"])
    assert (kind, secure) == ("failed", "indeterminate") and "refused" in text


def test_many_at_once(servers):
    rows = ask(*[f"x{i}.plain.example" for i in range(500)], "signed.example")
    assert [row[0] for row in rows] == ["nothing"] * 500 + ["resolved"]
