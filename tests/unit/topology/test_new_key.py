"""A key that is added to the model, and to nothing else, is everywhere where keys are."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import requests

from tests.support.processes import ROOT, running_stage

pytestmark = pytest.mark.processes
KEY = """burst: PositiveCount | None = field(
        default=None, metadata=key("How much it takes in a burst.", "12", live=True, flag=True)
    )
    """
BEFORE = "calls: tuple[Step, ...] = field("


@pytest.fixture
def tree(tmp_path):
    """A copy of the tree whose model has one more field, of an operation, and nothing else."""
    for name in ("simulator", "tests", "topologies", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run_web_service.py", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    model = tmp_path / "simulator" / "topology" / "model.py"
    text = model.read_text()
    assert text.count(BEFORE) == 1
    model.write_text(text.replace(BEFORE, KEY + BEFORE))
    return tmp_path


def python_in(tree, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True).stdout


def test_a_new_key_is_one_field(tree):
    """It is read, a flag with its sentence, in the schema, the table and the console, and can be changed live."""
    assert "--burst TEXT" in python_in(tree, "run_web_service.py", "stage", "--help")
    schema = json.loads(python_in(tree, "run_web_service.py", "schema"))["$defs"]["operation"]["properties"]["burst"]
    assert (schema["description"], schema["examples"]) == ("How much it takes in a burst.", [12])
    assert {"type": "integer", "minimum": 1, "maximum": 100_000} in schema["anyOf"]
    python_in(tree, "-m", "tests.readme_tables")
    row = "| stage, operation | `burst` | How much it takes in a burst. | `12` | yes |"
    assert row in (tree / "docs" / "keys.md").read_text().splitlines()
    boxes = "from simulator.console.page import controls_view as of; print(of._plain_keys(of.Stage))"
    assert "'burst'" in python_in(tree, "-c", boxes)
    with running_stage(tree, "--burst", "5", program=tree / "run_web_service.py") as stage:
        control = f"{stage.base}/control"
        assert requests.get(control, timeout=10).json()["burst"] == 5
        assert requests.patch(control, json={"burst": 7}, timeout=10).json()["burst"] == 7
        told = requests.patch(control, json={"bust": 7}, timeout=10).json()["problems"]
        assert told == ["bust: can't be changed while the stage runs; did you mean `burst`?"]
    system = tree / "system.yaml"
    system.write_text("stages: {a: {burst: 2, operations: {read: {}, add: {burst: 3}}}}")
    resolved = "from simulator.local.plan import *; from simulator.topology.reader import *; " + (
        "plan = apply_overrides(read_topology(Path('system.yaml')), Overrides(sets=('a.add.burst=4',)), None); "
        "print([operation.burst for operation in plan.stages['a'].operations.values()])"
    )
    assert python_in(tree, "-c", resolved).strip() == "[2, 4]"
