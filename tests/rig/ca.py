"""Certificates by the openssl command: a CA, and leaves that are right or wrong in one way each."""
import datetime
import os
import subprocess

CONFIG = """
[ca]
default_ca = it
[it]
dir = .
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""

LEAF = """
[leaf]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = {usage}
subjectAltName = {names}
"""

BOTH = "serverAuth,clientAuth"  # older servers refuse a peer without clientAuth


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"


def alt_names(domains, more=()):
    return ",".join([f"DNS:{domain}" for domain in domains] + list(more))


class Certificate:
    """Paths of a chain (leaf first), its key, and both in one file (ejabberd wants that)."""

    def __init__(self, folder, name):
        self.chain = os.path.join(folder, f"{name}.pem")
        self.key = os.path.join(folder, f"{name}.key")
        self.both = os.path.join(folder, f"{name}.both.pem")

    def join(self):
        with open(self.both, "w", encoding="ascii") as both:
            for path in (self.chain, self.key):
                with open(path, encoding="ascii") as part:
                    both.write(part.read())
        return self


class CA:
    def __init__(self, folder, name="ca"):
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder)
        self.path = os.path.join(self.folder, "ca.pem")
        with open(os.path.join(self.folder, "conf"), "w", encoding="ascii") as file:
            file.write(CONFIG)
        open(os.path.join(self.folder, "index"), "w").close()
        run(self.folder, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "3650", "-subj", f"/CN=Test {name}",
            "-config", "/dev/null", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, domains, days=30, expired=False, usage=BOTH, more=()):
        """A leaf for the domains (the first is its subject). `expired`: its time is over."""
        made = Certificate(self.folder, name)
        now = datetime.datetime.now(datetime.timezone.utc)
        start = now - datetime.timedelta(days=days + 2 if expired else 1)
        end = now - datetime.timedelta(days=1) if expired else now + datetime.timedelta(days=days)
        with open(os.path.join(self.folder, f"{name}.conf"), "w", encoding="ascii") as file:
            file.write(CONFIG + LEAF.format(usage=usage, names=alt_names(domains, more)))
        subject = domains[0][:60]  # a CN holds 64 characters
        run(self.folder, "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}", "-config", "/dev/null")
        run(self.folder, "openssl", "ca", "-batch", "-config", f"{name}.conf", "-extensions", "leaf", "-notext",
            "-cert", "ca.pem", "-keyfile", "ca.key", "-in", f"{name}.csr", "-out", f"{name}.pem",
            "-startdate", f"{start:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}")
        return made.join()


def self_signed(folder, name, domains):
    """Proves nothing: what a server has that relies on dialback."""
    made = Certificate(folder, name)
    run(folder, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "30", "-subj", f"/CN={domains[0][:60]}",
        "-config", "/dev/null", "-addext", f"subjectAltName={alt_names(domains)}")
    return made.join()
