"""The benchmarks run, measure and lose nothing: in small, our nodes alone."""
import json
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


def measured(script, path, *words, seconds=120):
    """What it says in --json."""
    from rig.router import release_binary

    if not os.environ.get("FEDROUTER_ISOLATED"):
        pytest.skip("needs a network of its own: tests/lib/isolated.sh")
    if not os.access(release_binary(), os.X_OK):
        pytest.skip("the router is not built")
    command = [sys.executable, f"{HERE}/{script}", "--seconds", "1", "--json", path, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


def test_bench_in_small(tmp_path):
    scenes = measured("bench.py", tmp_path / "bench.json", "--links", "30", "fedrouter")["fedrouter"]
    assert len(scenes) == 6
    for name, (row, wrong) in scenes.items():
        assert not wrong, f"{name}: {wrong}"
        assert all(value > 0 for key, value in row.items() if not key.startswith("KiB")), f"{name}: {row}"


SMALL = ["--pairs", "60", "--takeover", "10", "--rows", "2000"]


@pytest.mark.parametrize("scenes, count", [
    ("relay,claims,drain", 4),
    pytest.param("takeover,cold,rows,growth", 5, marks=pytest.mark.long),
])
def test_cluster_bench_in_small(tmp_path, scenes, count):
    from rig import quota

    found = measured("cluster.py", tmp_path / "bench.json", "--only", scenes, *SMALL, seconds=240)
    assert len(found) == count - ("growth" in scenes and quota.missing() is not None)
    for name, scene in found.items():
        assert not scene["wrong"], f"{name}: {scene['wrong']}"
        for row, values in scene["rows"].items():
            least = 0 if row == "doubled stanzas" or row.startswith("CPU") else 1e-9
            assert all(value >= least for value in values["values"].values()), f"{name}, {row}: {values}"


def test_quota_bounds_a_process_and_leaves_nothing():
    from rig import quota
    from rig.process import wait_for

    why_not = quota.missing()
    if why_not:
        pytest.skip(why_not)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with quota.Quota(0.1) as it:
            home = it.home(busy.pid)
            it.add(busy.pid)
            assert it.home(busy.pid) == it.folder
            wait_for("it is held back", lambda: it.held_back() > 0, 10)
        assert it.home(busy.pid) == home != it.folder and not os.path.exists(it.folder)
    finally:
        busy.kill()
        busy.wait()
