"""`check` as its user sees it: the whole description, what one message multiplies to, and warnings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.processes import run

pytestmark = pytest.mark.processes

STRAINED = """
name: strained
stages:
  start: {role: injector, load: {rate: 100/s}, calls: [front]}
  front: {workers: 4, calls: [{to: slow, timeout: 100ms}]}
  slow: {delay: 200ms}
"""


def test_a_retry_storm_is_foreseen(tmp_path):
    """Three levels with three retries each: sixty-four calls for one message."""
    checked = run("check", str(Path("topologies/retry-storm.yaml").resolve()), cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "\n    up to 64 calls of database (1)\n" in checked.stdout


def test_warnings_are_not_mistakes(tmp_path):
    """They are told on standard error, one a line, and the exit code stays 0."""
    (tmp_path / "t.yaml").write_text(STRAINED)
    checked = run("check", "t.yaml", cwd=tmp_path)
    assert checked.returncode == 0
    assert "strained: 3 stages, good to run" in checked.stdout
    assert checked.stderr.splitlines() == [
        "warning: front: all of the calls of slow will time out: the timeout is 100ms, "
        "and its delay is 200ms at the median",
        "warning: front has too few workers for the load: 100/s, each for 100ms, keep 10 busy, and there are 4; "
        "its queue fills, and the rest is answered 503",
    ]


@pytest.mark.parametrize(
    ("form", "first"),
    [("text", "shop: 8 stages, good to run"), ("mermaid", "flowchart LR"), ("dot", 'digraph "shop" {')],
)
def test_the_formats(tmp_path, form, first):
    """Each is all that standard output has."""
    checked = run("check", "--format", form, str(Path("topologies/shop.yaml").resolve()), cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.splitlines()[0] == first


def test_json_has_the_warnings_too(tmp_path):
    """A program need not read standard error."""
    (tmp_path / "t.yaml").write_text(STRAINED)
    checked = run("check", "--format", "json", "t.yaml", cwd=tmp_path)
    found = json.loads(checked.stdout)
    assert checked.returncode == 0
    assert [f"warning: {text}" for text in found["warnings"]] == checked.stderr.splitlines()
    assert len(found["warnings"]) == 2


def test_a_mistake_has_no_picture(tmp_path):
    """It is told as ever, and nothing is drawn."""
    (tmp_path / "t.yaml").write_text("stages:\n  a: {calls: [nobody]}\n")
    checked = run("check", "--format", "dot", "t.yaml", cwd=tmp_path)
    assert (checked.returncode, checked.stdout) == (2, "")
