"""Thresholds of a run in virtual time, where every figure is known beforehand."""

from __future__ import annotations

import json

import jsonschema
import pytest

from simulator.errors import ConfigurationError
from simulator.local.command import RunRequest
from simulator.local.judged_rows import figures_of
from simulator.local.plan import Overrides
from simulator.local.report_schema import report_schema
from simulator.local.virtual_run import VirtualTime, run_virtually

# Message n is due after n tenths of a second, and waits 50 ms longer than the one before: (n - 1) * 50 ms.
LINE = """
name: line
stages:
  users: {role: injector, load: {messages: 21, rate: 10/s, arrivals: constant}, calls: [shop]}
  shop: {delay: constant(150ms), workers: 1}
"""


def run_it(folder, *thresholds, text=LINE, **more):
    """Return the exit code, and the report."""
    (folder / "line.yaml").write_text(text)
    request = RunRequest(
        topology=folder / "line.yaml",
        overrides=Overrides(seed=1, thresholds=thresholds, messages=more.pop("messages", None)),
        duration=more.pop("duration", None),
        report=folder / "report",
        as_json=False,
        **more,
    )
    code = run_virtually(request, VirtualTime(), {})
    return code, json.loads((folder / "report" / "report.json").read_text())


@pytest.mark.parametrize(
    ("threshold", "value"),
    [
        ("p50 < 10s", 0.15 + 10 * 0.05),
        ("max < 10s", 0.15 + 20 * 0.05),
        ("lag max < 1s", 0.0),
        ("shop p50 < 10s", 0.15 + 10 * 0.05),
        ("shop queue_wait max < 10s", 20 * 0.05),
        ("shop processing max < 10s", 0.15),
        ("shop overhead max < 10s", 0.0),
        ("errors = 0", 0.0),
        ("missed = 0", 0.0),
        ("shop rejected = 0", 0.0),
        ("rate >= 9.99/s", 10.0),
        ("shop rate > 9.99/s", 10.0),
    ],
)
def test_each_measure_is_what_it_says(tmp_path, threshold, value):
    """End to end from the due time, and at a stage, by the figures that follow from the topology."""
    code, report = run_it(tmp_path, threshold)
    [verdict] = report["thresholds"]
    assert verdict["value"] == pytest.approx(value, abs=1e-6)
    assert (code, verdict["kept"], verdict["messages"]) == (0, True, 21)


def test_a_broken_threshold_is_exit_code_1(tmp_path, capsys):
    """Each is in the report and in the table, with bound, observed value and verdict."""
    code, report = run_it(tmp_path, "max < 1.1s", "p50 < 700ms")
    assert code == 1
    assert [(one["threshold"], one["kept"]) for one in report["thresholds"]] == [
        ("max < 1.1s", False),
        ("p50 < 700ms", True),
    ]
    jsonschema.validate(report, report_schema())
    shown = capsys.readouterr()
    assert [*map(str.split, shown.out.splitlines()[-2:])] == [
        ["max", "<", "1.1s", "1.15s", "21", "BROKEN"],
        ["p50", "<", "700ms", "650ms", "21", "kept"],
    ]
    assert "wrong: threshold max < 1.1s: max = 1.15s" in shown.err


def test_the_thresholds_of_the_file_and_of_the_command_line_both_count(tmp_path):
    """Those of the command line are added, and the topology that was run has both."""
    text = LINE.replace("name: line", 'name: line\nthresholds: ["max < 1s"]')
    code, report = run_it(tmp_path, "errors = 0", text=text)
    assert code == 1
    assert [one["threshold"] for one in report["thresholds"]] == ["max < 1s", "errors = 0%"]
    assert "errors = 0%" in (tmp_path / "report" / "topology.yaml").read_text()


def test_the_warm_up_is_left_out(tmp_path):
    """Messages 10 to 21 were due from 1 s on; without any left, nothing is judged, and that is broken."""
    _, report = run_it(tmp_path, "lag max < 1s", "missed = 0", warm_up="950ms")
    assert [one["messages"] for one in report["thresholds"]] == [12, 12]
    code, report = run_it(tmp_path, "lag max < 1s", warm_up="10s")
    assert (code, report["thresholds"][0]["value"]) == (1, None)
    assert report["thresholds"][0]["reason"] == "there was no message to judge after the warm-up of 10s"


def test_a_stage_that_no_message_reaches_is_not_judged(tmp_path):
    """That is said, and is no success."""
    text = LINE + "  audit: {}\n"
    code, report = run_it(
        tmp_path, "audit p99 < 1s", text=text.replace("[shop]", "[shop, {to: audit, probability: 0%}]")
    )
    assert (code, report["thresholds"][0]["reason"]) == (1, "there was no message to judge")


def test_what_an_injector_has_no_room_for_is_missed(tmp_path):
    """Its only worker has the first message for 1.05 s; nothing waits, so messages 2 to 11 are missed, and so on."""
    text = LINE.replace("calls: [shop]}", "workers: 1, queue: 0, calls: [shop]}").replace("150ms", "1050ms")
    code, report = run_it(tmp_path, "missed = 0", "missed < 91%", "errors < 91%", text=text)
    assert code == 1
    missed, share, errors = report["thresholds"]
    assert (missed["value"], missed["messages"]) == (19, 21)
    assert share["value"] == errors["value"] == pytest.approx(19 / 21)


def test_fail_fast_ends_the_run_at_the_first_moment(tmp_path, capsys):
    """Of 1,000 messages ten may be over 1 s for p99. Message 19 is the first that is, and 29 the eleventh.

    It was due after 2.9 s, and its answer comes 1.55 s later, when the run ends: so 44 messages are begun, and a few
    more until that is looked at.
    """
    code, report = run_it(tmp_path, "p99 <= 1.001s", messages=1000, fail_fast=True)
    assert code == 1
    assert 44 <= report["ledger"]["stages"][0]["received"] < 200
    assert "Stopped: p99 <= 1.001s can't hold any more." in capsys.readouterr().err


def test_fail_fast_ends_the_run_at_the_first_broken_window(tmp_path):
    """Without it the run takes its time, and the verdict is the same."""
    _, whole = run_it(tmp_path, "max < 1s over 2s", messages=100)
    code, report = run_it(tmp_path, "max < 1s over 2s", messages=100, fail_fast=True)
    assert code == 1
    assert whole["thresholds"][0]["first_broken_seconds"] == report["thresholds"][0]["first_broken_seconds"] == 0.0
    assert report["ledger"]["stages"][0]["received"] < whole["ledger"]["stages"][0]["received"] == 100


@pytest.mark.parametrize(
    ("thresholds", "more", "said"),
    [
        (["p99 < 1s"], {"with_truth": False}, "--no-truth or SIMULATOR_TRUTH: thresholds are judged by the truth"),
        ([], {"fail_fast": True}, "flag --fail-fast: there is no threshold"),
        ([], {"warm_up": "5s"}, "flag --warm-up: there is no threshold"),
        (["p99 < 1s"], {"warm_up": "5"}, "flag --warm-up: '5' has no unit"),
        (["shp p99 < 1s"], {}, "flag --threshold: there is no stage 'shp'; did you mean `shop`?"),
        (["p99 < 1"], {}, "flag --threshold: '1' has no unit"),
    ],
)
def test_what_can_not_be_judged_is_refused(tmp_path, thresholds, more, said):
    """It is a mistake of the command line, and nothing is written."""
    with pytest.raises(ConfigurationError) as refusal:
        run_it(tmp_path, *thresholds, **more)
    assert said in str(refusal.value)
    assert not (tmp_path / "report").exists()


def test_every_wrong_threshold_is_named_together(tmp_path):
    with pytest.raises(ConfigurationError) as refusal:
        run_it(tmp_path, "p99 < 1", "latency < 1s")
    assert len(refusal.value.problems) == 2


def test_a_row_without_its_defaults_is_read():
    """A column that equals its default is not written, and a visit that was refused was not processed."""
    row = {"kind": "visit", "stage": "shop", "received_at": 5.0, "outcome": "rejected", "duration_seconds": 0.001}
    figures = figures_of(row)
    assert (figures.at, figures.operation, figures.begins) == (5.0, "", False)
    assert (figures.succeeded, figures.rejected) == (False, True)
    assert (figures.queue_wait_seconds, figures.processing_seconds, figures.overhead_seconds) == (None, None, None)
