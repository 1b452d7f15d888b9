"""The shared table on real Redis servers: the suite of tests/unit/session/test_store.c on each kind
of deployment, and what a node says of servers that are wrong, or go wrong under it. CLUST-04."""
import os
import re
import signal
import subprocess

import pytest

from rig.ca import CA
from rig.process import Process, wait_for
from rig.redis import SERVER, Redis

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.dirname(os.environ.get("FEDROUTER", f"{TOP}/build/fedrouter"))
SUITE, WATCH = os.path.join(BUILD, "tests/test_store"), os.path.join(BUILD, "tests/interop/storewatch")
ADDRESS, PORT = "127.0.0.71", 6379

pytestmark = pytest.mark.skipif(
    not (os.access(SERVER, os.X_OK) and os.access(SUITE, os.X_OK) and os.access(WATCH, os.X_OK)),
    reason="redis-server is not installed, or test_store and storewatch are not built",
)


@pytest.fixture
def started(tmp_path):
    """Makes servers and watchers; all end with the test."""
    all_of_them = []

    class Maker:
        folder = tmp_path

        @staticmethod
        def redis(name="redis", port=PORT, *config, **more):
            all_of_them.append(Redis(name, tmp_path, more.pop("address", ADDRESS), port, *config, **more))
            return all_of_them[-1]

        @staticmethod
        def watch(table, *words):
            watcher = Watcher(tmp_path, table, words)
            all_of_them.append(watcher)
            watcher.start()
            return watcher

    yield Maker
    for process in reversed(all_of_them):
        process.kill()


class Watcher(Process):
    def __init__(self, folder, table, words):
        super().__init__("watch", [WATCH, *words], str(folder), {"FEDROUTER_TEST_REDIS": table})
        self.seen = 0

    def says(self, pattern, seconds=15.0):
        """The next line that fits, after those that were looked at before."""
        def look():
            lines = self.log().splitlines()
            for at in range(self.seen, len(lines)):
                if re.search(pattern, lines[at]):
                    self.seen = at + 1
                    return lines[at]
            return None

        try:
            return wait_for(f"storewatch says {pattern!r}", look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from None

    def broke(self):
        return len(self.logged("^broken"))


def suite(table):
    done = subprocess.run([SUITE], env={**os.environ, "FEDROUTER_TEST_REDIS": table}, cwd=TOP,
                          capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def url(redis, scheme="redis"):
    return f"url={scheme}://{redis.address}:{redis.port}"


# --- the suite on each kind -------------------------------------------------------------------------


def test_suite_over_tcp(started):
    redis = started.redis().start()
    said = suite(url(redis))
    print(re.search("claim of 200: .*", said).group(0))


def test_over_ipv6(started):
    redis = started.redis(address="::1").start()
    watch = started.watch(f"url=redis://[::1]:{redis.port}")
    assert watch.says("up") == f"up [::1]:{redis.port}"
    watch.says("settled")


def test_suite_over_a_unix_socket(started):
    path = os.path.join(str(started.folder), "redis.sock")
    started.redis("redis", PORT, f"unixsocket {path}").start()
    suite(f"url=unix:{path}")


def test_suite_with_the_rights_of_the_acl_file(started):
    """conf/redis.acl is enough, and nothing in it is too much."""
    with open(os.path.join(TOP, "conf/redis.acl"), encoding="ascii") as file:
        line = file.read()
    assert len(line.splitlines()) == 1  # Redis knows no comments in it
    acl = os.path.join(str(started.folder), "users.acl")
    with open(acl, "w", encoding="ascii") as file:
        file.write("user default on >admin ~* &* +@all\n" + line.replace("change-this-password", "s3cret"))
    redis = started.redis("redis", PORT, f"aclfile {acl}", cli=["--no-auth-warning", "-a", "admin"]).start()
    table = f"{url(redis)} user=fedrouter password=s3cret"
    suite(table)
    watch = started.watch(table)
    watch.says("settled")
    assert redis.call("ACL", "LOG") == "", "something was refused"
    watch.kill()
    used = set(redis.call("INFO", "commandstats").split("cmdstat_"))
    used = {word.partition(":")[0].replace("|", " ").split()[0] for word in used}
    granted = {word[1:].partition("|")[0] for word in line.split() if word.startswith("+")}
    unused = granted - used - {"eval", "wait", "ping"}  # after SCRIPT FLUSH, with replicas, in idle times
    assert not unused, "rights that nobody uses"
    for wrong in ("user=fedrouter password=wrong", "user=nobody password=s3cret"):
        watch = started.watch(f"{url(redis)} {wrong}")
        assert "password_file" in watch.says("down .*login refused")
        watch.kill()
    watch = started.watch(url(redis))
    assert "password_file" in watch.says("down .*NOAUTH")


def test_suite_over_tls_with_client_certificates(started):
    ca, other = CA(str(started.folder)), CA(str(started.folder), "other")
    server = ca.issue("server", ["redis.example"], more=[f"IP:{ADDRESS}"])
    node, stranger = ca.issue("node", ["node.example"]), other.issue("stranger", ["node.example"])
    misnamed = ca.issue("misnamed", ["elsewhere.example"])
    redis = started.redis("redis", 0, f"tls-port {PORT}", f"tls-cert-file {server.chain}", f"tls-key-file {server.key}",
                          f"tls-ca-cert-file {ca.path}", "tls-auth-clients yes").start(listens=False)
    redis.port = PORT
    table = f"{url(redis, 'rediss')} ca={ca.path}"
    good = f"{table} cert={node.chain} key={node.key}"
    wait_for("it answers", lambda: subprocess.run(
        ["redis-cli", "-h", ADDRESS, "-p", str(PORT), "--tls", "--cacert", ca.path, "--cert", node.chain,
         "--key", node.key, "PING"], capture_output=True, text=True).stdout.strip() == "PONG")
    suite(good)
    for words, said in (
        (table, "TLS"),  # no certificate of ours
        (f"{table} cert={stranger.chain} key={stranger.key}", "TLS"),
        (f"{url(redis, 'rediss')} ca={other.path} cert={node.chain} key={node.key}", "TLS.*ca_file"),
        (f"{url(redis)}", "down"),  # no TLS
    ):
        watch = started.watch(words)
        watch.says(f"down .*{ADDRESS}.*{said}" if said != "down" else f"down {ADDRESS}")
        watch.kill()
    wrong = started.redis("wrong", 0, f"tls-port {PORT + 1}", f"tls-cert-file {misnamed.chain}",
                          f"tls-key-file {misnamed.key}", f"tls-ca-cert-file {ca.path}").start(listens=False)
    wrong.port = PORT + 1
    watch = started.watch(good.replace(f":{PORT}", f":{PORT + 1}"))
    assert "elsewhere.example" in watch.says("down .*certificate is for")


def replica_of(started, master, port, *config):
    return started.redis(f"replica{port}", port, f"replicaof {master.address} {master.port}", *config).start()


def test_suite_on_a_cluster(started):
    """All slots on one master with a replica; the replica as seed: MOVED leads to the master."""
    config = ("cluster-enabled yes", "cluster-node-timeout 2000", "cluster-allow-replica-migration no")
    master = started.redis("master", PORT, *config).start()
    replica = started.redis("replica", PORT + 1, *config).start()
    master.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    replica.call("CLUSTER", "MEET", ADDRESS, str(PORT))
    name = master.call("CLUSTER", "MYID")
    wait_for("the replica knows the master", lambda: name in replica.call("CLUSTER", "NODES"))
    wait_for("it replicates", lambda: replica.call("CLUSTER", "REPLICATE", name, check=False) == "OK")
    wait_for("the cluster is up", lambda: "cluster_state:ok" in replica.call("CLUSTER", "INFO"))
    wait_for("a replica is there", lambda: master.info("connected_slaves") == "1")
    watch = started.watch(url(master))
    assert "wait_replicas" in watch.says("down .*Redis Cluster")
    watch.kill()
    suite(f"{url(replica)} wait=1")


def sentinels(started, master, down_ms=500):
    made = [
        started.redis(f"sentinel{i}", 26379 + i, f"sentinel monitor table {master.address} {master.port} 2",
                      f"sentinel down-after-milliseconds table {down_ms}", "sentinel failover-timeout table 2000",
                      sentinel=True).start()
        for i in range(3)
    ]
    for sentinel in made:
        wait_for("sentinels know each other and the replica",
                 lambda s=sentinel: re.search("slaves=1,sentinels=3", s.call("INFO", "sentinel")))
    return " ".join(f"sentinel={s.address}:{s.port}" for s in made)


def test_suite_by_sentinels_and_failover(started):
    master = started.redis("master", PORT).start()
    replica = replica_of(started, master, PORT + 1)
    wait_for("a replica is there", lambda: master.info("connected_slaves") == "1")
    table = f"{url(master)} {sentinels(started, master)} master=table wait=1"
    suite(table)
    watch = started.watch(table)
    watch.says(f"up {ADDRESS}:{PORT}$")
    watch.says("settled")
    master.kill()
    watch.says("broken")
    wait_for("the replica is promoted", lambda: replica.info("role") == "master")
    watch.says("down .*0 replicas.*wait_replicas")  # a master alone counts as away
    master.start()
    watch.says(f"up {ADDRESS}:{PORT + 1}$", 30)
    watch.says("epoch .* settled")
    missing = started.watch(table.replace("master=table", "master=other"))
    assert "store.redis.master" in missing.says("down sentinel .*")


# --- what goes wrong --------------------------------------------------------------------------------


def test_wrong_policy(started):
    redis = started.redis("redis", PORT, "maxmemory-policy allkeys-lru").start()
    watch = started.watch(url(redis))
    assert "noeviction" in watch.says("down .*allkeys-lru")
    redis.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    watch.says("up", 3)


def test_missing_replicas(started):
    redis = started.redis().start()
    watch = started.watch(f"{url(redis)} wait=1")
    watch.says("down .*0 replicas.*asks for 1")
    replica = replica_of(started, redis, PORT + 1)
    watch.says("up")
    watch.says("settled")
    replica.signal(signal.SIGSTOP)  # it stays connected, and acknowledges nothing
    watch.says("down .*0 replicas have our renewal")
    replica.signal(signal.SIGCONT)
    watch.says("up")
    assert watch.broke() == 0


def test_demoted_to_replica(started):
    redis = started.redis().start()
    other = started.redis("other", PORT + 1).start()
    watch = started.watch(url(redis))
    watch.says("settled")
    redis.call("REPLICAOF", other.address, str(other.port))
    assert "replica" in watch.says("broken")
    redis.call("REPLICAOF", "NO", "ONE")
    watch.says("up", 3)


def test_busy_full_and_forgetful(started):
    redis = started.redis().start()
    watch = started.watch(url(redis))
    watch.says("settled")
    loop = subprocess.Popen(["redis-cli", "-h", ADDRESS, "-p", str(PORT), "EVAL", "while true do end", "0"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert "SCRIPT KILL" in watch.says("down .*busy")
    redis.call("SCRIPT", "KILL")
    loop.wait(10)
    watch.says("up", 3)
    redis.call("CONFIG", "SET", "maxmemory", "1")
    assert "maxmemory" in watch.says("down .*memory is full")
    redis.call("CONFIG", "SET", "maxmemory", "0")
    watch.says("up", 3)
    redis.call("CONFIG", "SET", "min-replicas-to-write", "1")
    assert "min-replicas-to-write" in watch.says("down .*")
    redis.call("CONFIG", "SET", "min-replicas-to-write", "0")
    watch.says("up", 3)
    before = len(watch.log().splitlines())
    redis.call("SCRIPT", "FLUSH")
    count = int(redis.call("HGET", "{fr}:list", "w").split(":")[2])
    wait_for("renewals go on", lambda: int(redis.call("HGET", "{fr}:list", "w").split(":")[2]) > count + 2)
    assert len(watch.log().splitlines()) == before, watch.log()
    assert watch.broke() == 0


def test_stopped_and_killed(started):
    redis = started.redis().start()
    watch = started.watch(url(redis))
    first = watch.says("settled")
    redis.signal(signal.SIGSTOP)
    watch.says("broken .*no answer for 6 s")
    redis.signal(signal.SIGCONT)
    watch.says("up", 5)
    redis.kill()
    watch.says("broken")
    watch.says("down .*connection refused")
    redis.start()
    watch.says("up", 5)
    assert watch.says("settled") != first  # it came back empty: a new epoch


def test_size_of_a_row(started):
    """At most 160 bytes of Redis a pair."""
    redis = started.redis().start()
    watch = started.watch(url(redis), "1")
    watch.says("claimed")
    watch.kill()
    before = int(redis.info("used_memory"))
    watch = started.watch(url(redis), "20000")
    print(watch.says("claimed 20000"))
    watch.kill()
    wait_for("it is disconnected", lambda: redis.info("connected_clients") == "1")
    size = (int(redis.info("used_memory")) - before) / 20000
    print(f"{size:.0f} bytes a pair")
    assert size <= 160
