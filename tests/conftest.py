"""For all system tests: where they find `rig`, and what happens when they run in the open."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

LONG = bool(os.environ.get("FEDROUTER_LONG"))


def pytest_collection_modifyitems(items):
    alone = pytest.mark.skip(reason="needs a network of its own: sh tests/lib/isolated.sh /usr/bin/python3 -m pytest ...")
    long = pytest.mark.skip(reason="only with --long")
    for item in items:
        if {"site", "scene"} & set(getattr(item, "fixturenames", ())) and not os.environ.get("FEDROUTER_ISOLATED"):
            item.add_marker(alone)
        if item.get_closest_marker("long") and not LONG:
            item.add_marker(long)


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; runs with tests/run.sh --long")


@pytest.fixture
def site(tmp_path):
    from rig.site import Site

    with Site(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def program():
    """The router under test; without it the tests of the rig alone run."""
    from rig.router import binary

    if not os.access(binary(), os.X_OK):
        pytest.skip("the router is not built")
    return binary()
