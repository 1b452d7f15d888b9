"""Several routers that act as one: a table in Redis, a mesh of their own authority, and whoever
stands around them. Everything is on loopback addresses 127.0.4.x."""
import os
import re
import signal
import time

from . import S2S_PORT, S2S_TLS_PORT, SECRET
from .balancer import Balancer
from .ca import CA
from .numbered import Counter, Source, heard_since
from .process import wait_for
from .redis import Redis
from .router import Router, merge
from .site import Site

MESH_PORT, REDIS_PORT, SENTINEL_PORT = 5290, 6379, 26379
PEER, REDIS, BALANCER = "127.0.4.11", "127.0.4.50", "127.0.4.80"
DOORS = "127.0.4.5{}"  # of Redis: each node comes by one of its own, so that it can be cut off alone
REMOTE = "recv.peer.example"
OURS = "many.ours.example"  # one component serves all domains below it
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PASSWORD, ADMIN = "table-s3cret", "admin"
SECRETS = ["0123456789abcdef" * 4, "fedcba9876543210" * 4]
DRAIN = 10  # seconds that a node may take to end; a tenth of it, and what is under way, is what it needs
BOUND = 3.5  # seconds: so long who promised claims nothing; in a new cluster all have
SLACK = 3  # seconds more, for a loaded machine
READY = 40.0  # seconds: a new cluster watches for 6.5 s before it begins, a stranger's name for 30


class Node(Router):
    """One of the routers. `table`: keys of store.redis."""

    def __init__(self, cluster, number, settings, program=None):
        self.cluster, self.number = cluster, number
        self.lines = 0
        self.secret, self.previous = SECRETS[0], None  # of dialback
        self.name = f"node{number}"
        site, address = cluster.site, f"127.0.4.{number}"
        self.mesh = cluster.mesh_ca.issue(self.name, [self.name])
        super().__init__(site.folder, address, f"{self.name}.example", [f"*.{OURS}"], cluster.certificate,
                         site.ca.path, program=program, settings=settings)

    def settings(self):
        table = {"url": [f"redis://{DOORS.format(self.number)}:{REDIS_PORT}"], "username": "fedrouter",
                 "password_file": self.file("redis.password", PASSWORD), **self.cluster.table}
        secrets = {"secret_file": self.file(f"dialback.{self.secret[:8]}", self.secret)}
        if self.previous:
            secrets["previous_secret_file"] = self.file(f"dialback.{self.previous[:8]}", self.previous)
        return merge(super().settings(), {
            "dialback": secrets,
            "listen": {"mesh": [f"{self.address}:{MESH_PORT}"], "proxy_protocol_from": [BALANCER]},
            "mesh": {"ca_file": self.cluster.mesh_ca.path, "cert_file": self.mesh.chain, "key_file": self.mesh.key},
            "store": {"kind": "redis", "redis": table},
            "components": [{"domain": domain, "secret_file": self.file("component.secret", SECRET), **keys}
                           for domain, keys in {f"*.{OURS}": {"connections": "share"}, **self.cluster.components}.items()],
        })

    def launch(self):
        """Starts it; whether it is ready is another question."""
        self.write()
        self.forget()
        self.process.start([(self.address, S2S_PORT), (self.address, S2S_TLS_PORT)])
        return self

    def forget(self):
        """What it said so far."""
        self.lines = len(self.process.log().splitlines())

    def said(self, *words):
        """Lines of its log since it was started, or that was forgotten."""
        lines = self.process.log().splitlines()[self.lines:]
        return [line for line in lines if all(re.search(word, line) for word in words)]

    def start(self):
        self.launch()
        wait_for(f"{self.name} is ready", self.ready, READY)
        return self

    def reload(self):
        before = len(self.said("config.reloaded"))
        self.write()
        self.process.signal(signal.SIGHUP)
        wait_for(f"{self.name} has read its configuration", lambda: len(self.said("config.reloaded")) > before)

    def state(self):
        found = [k for k, v in self.metrics().items() if k.startswith("node_state{") and v]
        return found[0].split('"')[1] if found else None

    def component(self):
        return self.cluster.component(self.component_address)

    def kill(self):
        """kill -9. When it was."""
        self.process.kill()
        return time.monotonic()

    def sound(self):
        """The sanitizers found nothing."""
        said = self.process.logged("AddressSanitizer|ThreadSanitizer|LeakSanitizer|runtime error|assertion|Assertion")
        return not said or f"{self.name}: {said[:3]}"


class Cluster:
    """`count` nodes and a Redis, written down; `start` starts them. Nodes are numbered from 1."""

    def __init__(self, site, count, settings=None, table=None, program=None, certificate="good", components=None):
        self.site = site
        self.mesh_ca = CA(site.folder, "mesh")
        self.certificate = site.certificate([OURS, f"*.{OURS}"], certificate)
        self.table = table or {}
        self.components = components or {}  # besides: domain -> its keys
        base = {
            "node": {"drain_timeout": f"{DRAIN}s", "workers": 2},
            "timeouts": {"close": "1s"},
            "limits": {"connections_per_address": 4096},
            "peers": [{"match": "*", "allow": "both", "tls": "required", "auth": ["pkix"]}],
        }
        self.nodes = [Node(self, n + 1, merge(base, settings or {}), program) for n in range(count)]
        for node in self.nodes:
            site.callback(node.process.kill)
        self.redis = None
        self.arrivals, self.errors = [], []  # of our components, wherever they are attached

    def acl(self):
        """Whoever is root in it, and the user of conf/redis.acl for the nodes."""
        with open(os.path.join(TOP, "conf/redis.acl"), encoding="ascii") as file:
            line = file.read().replace("change-this-password", PASSWORD)
        path = os.path.join(self.site.folder, "users.acl")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"user default on >{ADMIN} ~* &* +@all\n" + line)
        return path

    def new_redis(self, name="redis", port=REDIS_PORT, *config, sentinel=False):
        config = config if sentinel else (f"aclfile {self.acl()}", f"masterauth {ADMIN}", *config)
        made = Redis(name, self.site.folder, REDIS, port, *config, sentinel=sentinel,
                     cli=[] if sentinel else ["--no-auth-warning", "-a", ADMIN])
        self.site.callback(made.kill)
        return made

    def start(self, redis=True):
        if redis:
            doors = " ".join(DOORS.format(node.number) for node in self.nodes)
            self.redis = self.new_redis("redis", REDIS_PORT, f"bind {REDIS} {doors}").start()
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            wait_for(f"{node.name} is ready", node.ready, READY)
        self.meshed()
        time.sleep(BOUND)
        return self

    def heal(self):
        """Whatever a test did to them: all run, are members, and see each other."""
        if self.redis.running:
            self.redis.signal(signal.SIGCONT)
        else:
            self.redis.start()
        for node in self.nodes:
            if node.process.running:
                node.process.signal(signal.SIGCONT)
            else:
                node.launch()
        for node in self.nodes:
            wait_for(f"{node.name} is a member", lambda n=node: n.ready() and n.state() == "member", READY)
        self.meshed()

    def meshed(self):
        for node in self.nodes:
            wait_for(f"{node.name} is connected to the others",
                     lambda n=node: n.metrics()["mesh_peers"] == len(self.nodes) - 1, 15)

    def owners(self, domains, remote):
        """{our domain: name of the node whose row says that the pair is its}"""
        keys = [f"{{fr}}:pair:{domain} {remote}" for domain in domains]
        rows = self.redis.call("MGET", *keys).splitlines()
        return {domain: row.partition(":")[0] for domain, row in zip(domains, rows)}

    def members(self):
        return set(self.redis.call("HKEYS", "{fr}:list").split())

    def balancer(self):
        made = Balancer(self.site.folder, BALANCER, [(n.name, n.address) for n in self.nodes])
        self.site.callback(made.kill)
        return made

    def component(self, address):
        """One that serves all our domains."""
        made = Counter(address, f"*.{OURS}", arrivals=self.arrivals, errors=self.errors)
        self.site.callback(made.close)
        return made

    def at_rest(self):
        """Each has given every stanza its fate, and counted it once."""
        for node in self.nodes:
            if node.process.running:
                wait_for(f"{node.name} holds nothing", lambda n=node: n.metrics()["stanzas_held"] == 0, 20, step=0.1)
                wait_for(f"{node.name}: in = fates", lambda n=node: n.balance() == 0, 5)
            assert node.sound() is True, node.sound()


class Many(Site):
    """A scene of a cluster and one remote server."""

    def __init__(self, folder, count, peer="prosody", themselves=(REMOTE,), cluster=None, **options):
        super().__init__(folder)
        self.cluster = Cluster(self, count, **(cluster or {}))
        self.themselves = list(themselves)
        options = {"secure": True, "level": "warn", **options}
        self.peer = self.server(peer, PEER, self.themselves, **options)
        self.numbers = 0
        self.sources = []

    def start(self):
        self.dns.start()
        self.peer.start()
        self.cluster.start()
        return self

    def domains(self, count):
        """Names nobody has used yet."""
        self.numbers += count
        return [f"d{n}.{OURS}" for n in range(self.numbers - count, self.numbers)]

    def lead(self, domains, address):
        """In DNS. Before it is started."""
        host = f"edge{address.rpartition('.')[2]}-{domains[0]}"
        self.dns.address(host, address)
        for domain in domains:
            self.dns.domain(domain, host)
        return domains

    def receiver(self, domain=None):
        made = Counter(self.peer.component_address, domain or self.themselves[0])
        self.callback(made.close)
        return made

    def begun(self, node, domains, rate=200, receiver=None):
        """A component at the node that sends over these pairs, all of which are open now. `receiver`:
        else self.got."""
        got = receiver or self.got
        source = Source(node.component(), got, f"{node.name}-{len(self.sources)}", domains, rate)
        self.sources.append(source)
        wait_for("all pairs are open", lambda: heard_since(got, source, 0) == set(domains))
        return source

    def opened(self, node, count, rate=200, receiver=None):
        """The same over so many new pairs, which that node comes to own. While it is bound by a
        promise, as all are after a start, others claim for it."""
        end = time.monotonic() + BOUND + SLACK
        while True:
            domains = self.domains(count)
            source = self.begun(node, domains, rate, receiver)
            owners = self.cluster.owners(domains, source.to.partition("@")[2])
            if set(owners.values()) == {node.name}:
                return source
            source.stop()
            assert time.monotonic() < end, f"{node.name} does not claim: {owners}"
