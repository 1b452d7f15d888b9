"""ejabberd as a peer: components behind S2S, as Debian ships it, without its control script
(which wants to become another user and leaves a daemon behind)."""
import glob
import os

import yaml

from . import COMPONENT_PORT, S2S_PORT, S2S_TLS_PORT, SECRET
from .process import Process


class Ejabberd:
    """`secure`: only certificates count; else dialback does, too."""

    kind = "ejabberd"

    def __init__(self, folder, address, host, domains, certificate, ca, secure=False, require_tls=True,
                 level="info", more=None):
        self.folder = os.path.join(folder, f"ejabberd-{host}")
        os.makedirs(os.path.join(self.folder, "db"))
        self.address, self.host, self.domains = address, host, list(domains)
        self.secure, self.require_tls, self.level, self.more = secure, require_tls, level, more or {}
        self.certificate, self.ca = certificate, ca
        self.path = os.path.join(self.folder, "ejabberd.yml")
        self.process = Process("ejabberd", self.command(), self.folder, env=self.environment())

    @property
    def component_address(self):
        return self.address, COMPONENT_PORT

    def environment(self):
        return {
            "EJABBERD_CONFIG_PATH": self.path,
            "EJABBERD_LOG_PATH": os.path.join(self.folder, "ejabberd-own.log"),
            "ERL_CRASH_DUMP": os.path.join(self.folder, "crash.dump"),
            "HOME": self.folder,
            "CONTRIB_MODULES_PATH": os.path.join(self.folder, "contrib"),
        }

    def command(self):
        paths = sorted(glob.glob("/usr/lib/x86_64-linux-gnu/ejabberd*/ebin") + glob.glob("/usr/lib/*/ejabberd*/ebin"))
        return [
            "erl", "-noinput", "-pa", *dict.fromkeys(paths), "+K", "true", "+P", "250000", "+sbwt", "none",
            "-mnesia", "dir", f'"{self.folder}/db"', "-s", "ejabberd",
        ]

    def settings(self):
        listen = [
            {"port": S2S_PORT, "ip": self.address, "module": "ejabberd_s2s_in", "max_stanza_size": 1048576},
            {"port": S2S_TLS_PORT, "ip": self.address, "module": "ejabberd_s2s_in", "tls": True,
             "max_stanza_size": 1048576},
            {"port": COMPONENT_PORT, "ip": self.address, "module": "ejabberd_service", "access": "all",
             "global_routes": False,  # else whoever connects gets the stanzas of all these hosts
             "hosts": {d: {"password": SECRET} for d in self.domains}},
        ]
        return {
            "hosts": [self.host],
            "loglevel": self.level,
            "certfiles": [self.certificate.both],
            "ca_file": self.ca,
            "s2s_cafile": self.ca,
            "s2s_use_starttls": "required" if self.require_tls else "optional",
            "listen": listen,
            "modules": {} if self.secure else {"mod_s2s_dialback": {}},
            **self.more,
        }

    def write(self):
        with open(self.path, "w", encoding="ascii") as file:
            yaml.safe_dump(self.settings(), file)

    def start(self):
        self.write()
        listens = [(self.address, port) for port in (S2S_PORT, S2S_TLS_PORT, COMPONENT_PORT)]
        self.process.start(listens, seconds=60)
        return self

    def stop(self):
        self.process.stop()
