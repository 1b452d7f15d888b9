"""Our own daemon: configuration, metrics, status, log."""
import hashlib
import json
import os
import re
import subprocess
import urllib.request

import yaml

from . import COMPONENT_PORT, S2S_PORT, S2S_TLS_PORT, SECRET
from .dns import ADDRESS as DNS_ADDRESS
from .process import Process, wait_for

HTTP_PORT = 9269


def binary():
    """The one under test: sanitised where tests/run.sh set it so."""
    return os.path.abspath(os.environ.get("FEDROUTER", "build-dev/fedrouter"))


def release_binary():
    return os.path.abspath(os.environ.get("FEDROUTER_RELEASE", "build-release/fedrouter"))


def tsan_binary():
    return os.path.abspath(os.environ.get("FEDROUTER_TSAN", "build-tsan/fedrouter"))


def merge(base, more):
    """`more` over `base`, sections key by key."""
    made = dict(base)
    for key, value in more.items():
        made[key] = merge(made[key], value) if isinstance(value, dict) and isinstance(made.get(key), dict) else value
    return made


def start_all(*routers):
    """Together, and waits until all are ready."""
    for router in routers:
        router.write()
        router.process.start()
    for router in routers:
        ports = (S2S_PORT, S2S_TLS_PORT, COMPONENT_PORT, HTTP_PORT)
        router.process.await_listening([(router.address, port) for port in ports])
        wait_for(f"{router.host} is ready", router.ready)
    return routers


class Router:
    kind = "fedrouter"

    def __init__(self, folder, address, host, domains, certificate, ca, program=None, settings=None, env=None):
        self.folder = os.path.join(folder, f"fedrouter-{host}")
        os.makedirs(self.folder)
        self.address, self.host, self.domains = address, host, list(domains)
        self.certificate, self.ca = certificate, ca
        self.more = settings or {}
        self.program = program or binary()
        self.path = os.path.join(self.folder, "fedrouter.yaml")
        self.process = Process("fedrouter", [self.program, "--config", self.path], self.folder, env=env)

    @property
    def component_address(self):
        return self.address, COMPONENT_PORT

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def settings(self):
        base = {
            "node": {"name": self.host.partition(".")[0]},
            "listen": {
                "s2s": [f"{self.address}:{S2S_PORT}"],
                "s2s_tls": [f"{self.address}:{S2S_TLS_PORT}"],
                "component": [f"{self.address}:{COMPONENT_PORT}"],
                "http": f"{self.address}:{HTTP_PORT}",
                "control": os.path.join(self.folder, "control.sock"),
            },
            "tls": {
                "certificates": [{"chain": self.certificate.chain, "key": self.certificate.key}],
                "trust_file": self.ca,
            },
            # Of this router alone: whoever has the same is taken for a node of the same cluster.
            "dialback": {"secret_file": self.file("dialback.secret", hashlib.sha256(self.host.encode()).hexdigest())},
            "dns": {"servers": [f"{DNS_ADDRESS}:53"], "dnssec": "off"},
            "components": [{"domain": d, "secret_file": self.file("component.secret", SECRET)} for d in self.domains],
        }
        return merge(base, self.more)

    def write(self):
        with open(self.path, "w", encoding="utf-8") as file:
            yaml.safe_dump(self.settings(), file, sort_keys=False)

    def start(self):
        return start_all(self)[0]

    def stop(self):
        return self.process.stop(40)  # draining may take its 30 s

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.address}:{HTTP_PORT}{path}", timeout=5) as answer:
            return answer.read().decode()

    def ready(self):
        try:
            return bool(self.get("/readyz"))
        except OSError:
            return False

    def metrics(self):
        """{name: sum over labels} and {name{labels}: value}, without the prefix."""
        values = {}
        for line in self.get("/metrics").splitlines():
            found = re.match(r"fedrouter_(\w+)(\{.*\})? (\S+)$", line)
            if found:
                name, labels, value = found.groups()
                values[name] = values.get(name, 0) + float(value)
                if labels:
                    values[name + labels] = float(value)
        return values

    def balance(self):
        """in - (out + bounced + dropped + held): 0 at rest. Hops between workers are not part of it."""
        m = self.metrics()

        def total(name):
            return sum(v for k, v in m.items() if k.startswith(name + "{") and 'link="mesh"' not in k)

        fates = total("stanzas_out_total") + total("stanzas_bounced_total") + total("stanzas_dropped_total")
        return total("stanzas_in_total") - fates - m.get("stanzas_held", 0)

    def ctl(self, *words):
        """Rows of `fedrouterctl --json`."""
        program = os.path.join(os.path.dirname(self.program), "fedrouterctl")
        done = subprocess.run(
            [program, "--socket", os.path.join(self.folder, "control.sock"), "--json", *words],
            capture_output=True, text=True, timeout=30,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def logged(self, *words):
        return self.process.logged(*words)
