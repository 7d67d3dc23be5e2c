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


def foreseen_and_received(folder, name, messages):
    """Return what `check` foresees for each message, and what each stage received in virtual time."""
    path = str(Path(f"topologies/{name}.yaml").resolve())
    foreseen = json.loads(run("check", "--format", "json", path, cwd=folder).stdout)["multiplied"]
    ended = run("run", path, "--virtual", "--messages", str(messages), "--seed", "7", "--json", cwd=folder)
    received = {line["stage"]: line["received"] for line in json.loads(ended.stdout)["ledger"]["stages"]}
    return foreseen, received


def test_the_worst_case_is_what_happens_if_everything_fails(tmp_path):
    """In the retry storm the database never answers, so that every attempt is made."""
    foreseen, received = foreseen_and_received(tmp_path, "retry-storm", 20)
    assert {one["called"]: 20 * one["max_calls"] for one in foreseen} == {
        name: count for name, count in received.items() if name != "clients"
    }


def test_the_means_are_what_happens_if_next_to_nothing_fails(tmp_path):
    """With the decisions of the shop, within sampling error and the few that can't pay."""
    foreseen, received = foreseen_and_received(tmp_path, "shop", 5000)
    means = dict.fromkeys(received, 0.0)
    for one in foreseen:
        means[one["called"].partition(".")[0]] += one["mean_calls"]
    for name in ("cart", "cache", "carts", "stock"):
        assert received[name] / 5000 == pytest.approx(means[name], rel=0.15), name
