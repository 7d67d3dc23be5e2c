"""The locks: what is installed where."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
STAGE = ROOT / "deploy" / "requirements.txt"
EVERYTHING = ROOT / "requirements.txt"
TESTS = ROOT / "tests" / "requirements.txt"


def locked(path):
    """Return the versions of a lock, {package: version}."""
    pins = (line.split("==") for line in path.read_text().splitlines() if not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pins}


@pytest.mark.parametrize("path", [STAGE, EVERYTHING], ids=["stage", "everything"])
def test_a_lock_has_all_that_its_packages_require(path):
    """An environment without setuptools works too: nothing relies on a package that merely happens to be there."""
    lock = locked(path)
    for name in lock:
        for wanted in map(Requirement, metadata.requires(name) or ()):
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                assert canonicalize_name(wanted.name) in lock, f"{name} requires {wanted}"
    assert locked(EVERYTHING).items() >= locked(STAGE).items()
    assert not locked(TESTS).keys() & locked(EVERYTHING).keys()


def test_a_lock_is_within_the_ranges_of_the_project():
    """What a checkout installs is one of those that the package allows, and all that is asked for is locked."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for path, wanted in (
        (STAGE, project["dependencies"]),
        (EVERYTHING, project["dependencies"] + extras["console"]),
        (TESTS, extras["tests"]),
    ):
        lock = locked(path)
        for one in map(Requirement, wanted):
            assert one.specifier.contains(lock[canonicalize_name(one.name)]), f"{path}: {one}"


def test_a_range_begins_where_it_is_tested():
    """Each dependency has a lower end, which an environment of the lowest versions has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for one in map(Requirement, project["dependencies"] + project["optional-dependencies"]["console"]):
        assert any(bound.operator in (">=", "==") for bound in one.specifier), one


def test_a_stage_is_installed_without_the_console():
    """Its image has what every stage imports, and no page, no charts and no layout of a picture."""
    assert not locked(STAGE).keys() & {"dash", "plotly", "igraph", "setuptools"}
    imported = set()
    for room in ("behaviour", "engine", "stage", "telemetry", "topology", "render", "local"):
        for file in (ROOT / "simulator" / room).rglob("*.py"):
            imported |= set(re.findall(r"^ *(?:from|import) ([a-z_0-9]+)", file.read_text(), re.MULTILINE))
    packages = metadata.packages_distributions()
    outside = {canonicalize_name(each) for name in imported for each in packages.get(name, [])}
    assert {"flask", "gevent", "rich"} <= outside
    # opentelemetry and google are shared by many packages, of which a stage has its own.
    known = {name for name in outside if not name.startswith(("opentelemetry", "google"))}
    # What an extra brings is imported only where it is asked for.
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert known - {canonicalize_name(Requirement(one).name) for one in extras["grpc"]} <= locked(STAGE).keys()
