"""`check` as its user sees it: the whole description, what one message multiplies to, and warnings."""

from __future__ import annotations

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
