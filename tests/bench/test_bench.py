"""The benchmark runs, measures and loses nothing: in small, our nodes alone."""
import json
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


def test_bench_in_small(tmp_path):
    from rig.router import release_binary

    if not os.environ.get("FEDROUTER_ISOLATED"):
        pytest.skip("needs a network of its own: tests/lib/isolated.sh")
    if not os.access(release_binary(), os.X_OK):
        pytest.skip("the router is not built")
    path = tmp_path / "bench.json"
    command = [sys.executable, f"{HERE}/bench.py", "--seconds", "1", "--links", "30", "--json", path, "fedrouter"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    scenes = json.loads(path.read_text())["fedrouter"]
    assert len(scenes) == 6
    for name, (row, wrong) in scenes.items():
        assert not wrong, f"{name}: {wrong}"
        assert all(value > 0 for key, value in row.items() if not key.startswith("KiB")), f"{name}: {row}"
