"""The program as a process: what it says, and how it ends, when it is asked, misled or cannot start."""
import os
import re
import signal
import socket
import subprocess

import pytest
import yaml

from rig.lone import Lone, run, signals
from rig.process import wait_for

LOGFMT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn|info|debug) ([\w.]+)( .*)?")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Lone(tmp_path_factory.mktemp("process")) as made:
        yield made


@pytest.fixture
def router(site, program):
    made = site.router()
    made.write()
    return made


def rewrite(router, **more):
    router.more.update(more)
    router.write()
    return router


def line_of(path, word):
    with open(path, encoding="utf-8") as file:
        return next(n for n, line in enumerate(file, 1) if word in line)


# --- asked ---


def test_a_good_configuration_is_0(router):
    done = run(router, "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{router.path}: the configuration is good\n"


WRONG = """\
node: { name: n, colour: blue }
listen:
  s2s: ["127.0.3.1:99999"]
  control: /run/x.sock
tls:
  certificates:
    - { chain: CHAIN, key: OTHER }
    - { chain: CHAIN, key: nowhere.key }
  trust_file: garbage
timeouts:
  dns: 1parsec
limits: { stanza_bytes: 1 }
log: { level: loud }
components:
  - { domain: a..b, secret_file: nowhere.secret }
  - { domain: ok.example }
"""
EXPECTED = {  # line: what it is about
    1: "node.colour", 3: "listen.s2s", 7: "is not the key of the certificate", 8: "nowhere.key", 9: "tls.trust_file",
    11: "timeouts.dns", 12: "limits.stanza_bytes", 13: "log.level", 15: "a..b", 16: "components.secret_file",
}


def test_check_tells_every_error_with_its_line(site, router):
    text = WRONG.replace("CHAIN", router.certificate.chain).replace("OTHER", site.certificate(["x.example"]).key)
    path = router.file("wrong.yaml", text)
    router.file("garbage", "no certificate\n")
    done = run(router, "--check", config=path)
    assert (done.returncode, done.stdout) == (78, "")
    said = [re.fullmatch(rf"{re.escape(path)}:(\d+): (.*)", line) for line in done.stderr.splitlines()]
    assert all(said), done.stderr
    for line, about in EXPECTED.items():
        assert any(int(s[1]) == line and about in s[2] for s in said), f"line {line}, {about}:\n{done.stderr}"
    assert [int(s[1]) for s in said] == sorted(int(s[1]) for s in said)
    assert all("; " in s[2] for s in said)  # what to do about it


def test_what_does_not_check_does_not_start(site, router):
    path = router.file("wrong.yaml", WRONG)
    check, start = run(router, "--check", config=path), run(router, config=path)
    assert (start.returncode, start.stdout, start.stderr) == (78, "", check.stderr)


def test_printed_configuration_loads_again(router):
    rewrite(router, limits={"stanza_bytes": "64KiB"}, timeouts={"dns": "3s"}, listen={"component_tls": ["127.0.3.1:5348"]},
            peers=[{"match": "*.x.example", "auth": ["dialback"], "tls": "optional", "target": ["127.0.0.1:5269"]}])
    first = run(router, "--print-config")
    assert (first.returncode, first.stderr) == (0, "")
    assert yaml.safe_load(first.stdout)["limits"]["stanza_bytes"] == "64KiB"
    copy = router.file("copy.yaml", first.stdout)
    again = run(router, "--print-config", config=copy)
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")
    assert "s3cret" not in first.stdout


@pytest.mark.parametrize("word, said", [
    ("--version", r"fedrouter \d+\.\d+\.\d+\n"), ("--help", r"usage: fedrouter (?s:.*)--check(?s:.*)78 configuration\.\n")])
def test_version_and_help_are_answers(router, word, said):
    done = run(router, word)
    assert (done.returncode, done.stderr) == (0, "") and re.fullmatch(said, done.stdout)


@pytest.mark.parametrize("words", [["--wat"], ["file"], ["--check", "file"], ["--config"]])
def test_usage_errors_are_64(router, words):
    done = run(router, *words)
    assert (done.returncode, done.stdout) == (64, "")
    assert "fedrouter" in done.stderr.splitlines()[0]


@pytest.mark.parametrize("word", [[], ["--check"], ["--print-config"]])
def test_a_missing_configuration_is_one_line(router, word):
    done = run(router, *word, config="/nowhere/fedrouter.yaml")
    assert (done.returncode, done.stdout) == (78, "")
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(r"/nowhere/fedrouter\.yaml: cannot be read: .*; .*--config.*", line)


@pytest.mark.parametrize("word", ["--print-config", "--check", "--version", "--help"])
def test_an_answer_that_cannot_be_written_is_a_failure(router, word):
    with open("/dev/full", "w") as full:
        done = run(router, word, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "standard output" in done.stderr


# --- cannot start ---

WITHOUT = {"files": ("setpriv", "--bounding-set", "-dac_override,-dac_read_search"),
           "ports": ("setpriv", "--bounding-set", "-net_bind_service")}


def take(*address):
    def held(site, router):
        site.callback(socket.create_server((router.address, *address)).close)
    return held


def key_of_another(site, router):
    rewrite(router, tls={"certificates": [{"chain": router.certificate.chain, "key": site.certificate(["x.example"]).key}]})


def key_of_root(site, router):
    os.chmod(router.certificate.key, 0o600)
    os.chown(router.certificate.key, 65534, 65534)


def trust(text):
    return lambda site, router: rewrite(router, tls={"trust_file": router.file("trust.pem", text)})


def damaged(site, router):
    with open(router.certificate.chain, "r+", encoding="ascii") as file:
        text = file.read()
        file.seek(0)
        file.truncate()
        file.write(text[:200] + "!" + text[201:])


def control(path):
    return lambda site, router: rewrite(router, listen={"control": path.format(folder=router.folder)})


def listen(**keys):
    return lambda site, router: rewrite(router, listen=keys)


HOPELESS = {  # what is wrong: (make it so, exit status, the line, run by)
    "no-key": (lambda s, r: os.remove(r.certificate.key), 78, r".*:\d+: tls\.certificates\.key: \S+\.key cannot be read: .*; .*"),
    "no-chain": (lambda s, r: os.remove(r.certificate.chain), 78, r".*:\d+: tls\.certificates\.chain: \S+\.pem cannot be read.*; .*"),
    "key-not-for-us": (key_of_root, 78, r".*:\d+: tls\.certificates\.key: \S+\.key cannot be read: not permitted; .*", "files"),
    "wrong-key": (key_of_another, 78, r".*:\d+: tls\.certificates: \S+\.key: is not the key of .*\.pem; .*"),
    "damaged-chain": (damaged, 78, r".*:\d+: tls\.certificates: \S+\.pem: .*; .*copy it anew"),
    "empty-trust": (trust(""), 78, r".*:\d+: tls\.trust_file: \S+trust.pem is empty; .*"),
    "trust-of-nobody": (trust("nobody\n"), 78, r".*:\d+: tls\.trust_file: \S+trust.pem: no certificate in it; .*"),
    "s2s-port-in-use": (take(5269), 1, r".*listen\.s2s: cannot listen on 127\.0\.3\.\d+:5269: address already in use; another process .*"),
    "component-port-in-use": (take(5347), 1, r".*listen\.component: .*127\.0\.3\.\d+:5347: address already in use; .*"),
    "http-port-in-use": (take(9269), 1, r".*listen\.http: .*127\.0\.3\.\d+:9269: address already in use; .*"),
    "address-of-another-machine": (listen(s2s=["192.0.2.1:5269"]), 1, r".*listen\.s2s: .*192\.0\.2\.1:5269: .*; this machine has no such address.*"),
    "privileged-port": (listen(s2s=["127.0.3.1:269"]), 1, r".*listen\.s2s: .*127\.0\.3\.1:269: not permitted; .*CAP_NET_BIND_SERVICE.*", "ports"),
    "control-without-directory": (control("/nowhere/control.sock"), 1, r".*listen\.control: /nowhere/control\.sock: .*; .*make it.*"),
    "control-is-a-file": (control("{folder}/fedrouter.yaml"), 1, r".*listen\.control: \S+fedrouter.yaml: .*; it is no socket.*"),
}


def hopeless():
    for case, (_, status, *_) in HOPELESS.items():
        for log_format in ("logfmt", "json") if status == 1 else ("logfmt",):  # 78: nothing is known of the log yet
            yield pytest.param(case, log_format, id=f"{case}-{log_format}")


@pytest.mark.parametrize("case, log_format", hopeless())
def test_what_cannot_start_says_why_in_one_line(site, router, case, log_format):
    """One line says what and how to mend it, nothing else is wrong, and nothing stays."""
    spoil, status, said, *by = HOPELESS[case]
    rewrite(router, log={"format": log_format})
    spoil(site, router)
    done = run(router, prefix=WITHOUT[by[0]] if by else ())
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    lines = done.stderr.splitlines()
    if log_format == "json":
        lines = [(entry["level"], entry.get("error")) for entry in map(yaml.safe_load, lines)]
        (bad,) = [error for level, error in lines if level in ("error", "warn")]
    elif status == 78:
        (bad,) = lines
    else:
        assert all(LOGFMT.fullmatch(line) for line in lines), done.stderr
        (bad,) = [line for line in lines if LOGFMT.fullmatch(line)[1] in ("error", "warn")]
    assert re.fullmatch(said, bad), bad
    assert not os.path.exists(os.path.join(router.folder, "control.sock"))


def test_an_expired_certificate_is_a_warning(site, program):
    router = site.router(certificate="expired")
    router.write()
    check = run(router, "--check")
    line = line_of(router.path, "- chain:")
    assert check.returncode == 0
    assert re.fullmatch(rf"\S+:{line}: warning: tls\.certificates: \S+\.pem has expired .*; renew it\n", check.stderr)
    router.start()
    (warning,) = router.logged(" warn config")
    assert "config.warning" in warning and f"line={line} " in warning and "has expired" in warning
    assert router.metrics()['certificate_expiry_seconds{domain="rooms.example"}'] < 0


# --- signals while it starts ---


def launch(router, number):
    """Started, and sent the signal as soon as it heeds it."""
    router.process.start()
    pid = router.process.popen.pid
    wait_for("it heeds signals", lambda: number in signals(pid, "SigBlk") | signals(pid, "SigCgt"), step=0)
    return pid


@pytest.mark.parametrize("later", range(0, 60, 15))
def test_a_stop_while_it_starts_is_a_clean_stop(router, later):
    pid = launch(router, signal.SIGTERM)
    for _ in range(later):  # a little further each time, by system calls instead of time
        signals(pid, "SigBlk")
    router.process.signal(signal.SIGTERM)
    assert router.process.popen.wait(10) == 0, router.process.log()
    assert "end status=0" in router.process.log()
    assert not os.path.exists(os.path.join(router.folder, "control.sock"))


def test_a_reload_while_it_starts_is_done_then(router):
    launch(router, signal.SIGHUP)
    router.process.signal(signal.SIGHUP)
    wait_for("it is ready", router.ready)
    wait_for("and has read its configuration again", lambda: router.logged("config.reloaded"))
