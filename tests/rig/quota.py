"""A bound on what processes may use of the processor: a control group, of version 2 or 1."""
import os
import tempfile

ROOTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct")
PERIOD = 20000  # microseconds: whoever has used up his share waits no longer than this


def read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def find():
    """The folder of the controller `cpu`, and its version; or None, 0."""
    for root in ROOTS:
        if "cpu" in read(f"{root}/cgroup.controllers").split():
            return root, 2
        if os.path.exists(f"{root}/cpu.cfs_quota_us"):
            return root, 1
    return None, 0


class Quota:
    """with Quota(0.25) as it: it.add(pid); a quarter of a core for all of them together. They are
    where they were before when it ends."""

    def __init__(self, share):
        self.share = share
        self.root, self.version = find()
        self.folder = None
        self.homes = {}  # pid -> folder

    def __enter__(self):
        if self.version == 2 and "cpu" not in read(f"{self.root}/cgroup.subtree_control").split():
            write(f"{self.root}/cgroup.subtree_control", "+cpu")
        self.folder = tempfile.mkdtemp(prefix="fedrouter-", dir=self.root)
        try:
            self.limit(int(self.share * PERIOD))
        except OSError:
            os.rmdir(self.folder)
            raise
        return self

    def limit(self, microseconds):
        if self.version == 2:
            write(f"{self.folder}/cpu.max", f"{microseconds} {PERIOD}")
        else:
            write(f"{self.folder}/cpu.cfs_period_us", str(PERIOD))
            write(f"{self.folder}/cpu.cfs_quota_us", str(microseconds))

    def home(self, pid):
        """Where it is now."""
        for line in read(f"/proc/{pid}/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "" if self.version == 2 else "cpu" in controllers.split(","):
                return self.root + path
        return self.root

    def add(self, pid):
        self.homes[str(pid)] = self.home(pid)
        write(f"{self.folder}/cgroup.procs", str(pid))

    def held_back(self):
        """In how many periods so far."""
        stat = dict(line.split() for line in read(f"{self.folder}/cpu.stat").splitlines())
        return int(stat.get("nr_throttled", 0))

    def __exit__(self, *fault):
        for pid in read(f"{self.folder}/cgroup.procs").split():
            write(f"{self.homes.get(pid, self.root)}/cgroup.procs", pid)
        os.rmdir(self.folder)


def missing():
    """Why there can be none, in words; None if there can."""
    if not find()[0]:
        return "no control group has the controller cpu here"
    try:
        with Quota(1):
            return None
    except OSError as error:
        return f"control groups cannot be made: {error}"
