"""What the stages of a run themselves lost, by its report."""

from __future__ import annotations

import json

import pytest

from simulator.proof.backends.own_losses import own_losses
from simulator.telemetry.otlp_signal import Signal


def test_what_stages_lost_is_said_by_signal_and_stage(tmp_path):
    """Only of signals of which something was lost, the stage that lost the most first."""
    content = {"spans_dropped": {"start": 3, "page": 20, "store": 0}, "log_records_dropped": {"page": 0}}
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert own_losses(tmp_path / "report.json") == {
        Signal.TRACES: "23 spans did not leave the stages themselves: page 20, start 3"
    }


@pytest.mark.parametrize("text", [None, "{", "[1]", '{"spans_dropped": [1]}', '{"spans_dropped": {"page": "x"}}'])
def test_a_run_without_a_report_has_no_remarks(tmp_path, text):
    """One that was killed has none, or one that is cut off."""
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    assert own_losses(tmp_path / "report.json") == {}
