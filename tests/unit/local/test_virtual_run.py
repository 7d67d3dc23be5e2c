"""The command `run --virtual`: what can't be in virtual time is said before anything is written."""

from __future__ import annotations

import json

import pytest

from simulator.errors import ConfigurationError
from simulator.local.command import RunRequest
from simulator.local.plan import Overrides
from simulator.local.virtual_run import VirtualTime, run_virtually

TWO = """
name: two
stages:
  a: {role: injector, load: {messages: 3, rate: 10/s, arrivals: constant}, calls: [b]}
  b: {role: terminator}
"""
ENTRY = "name: entry\nstages: {a: {calls: [b]}, b: {role: terminator}}\n"


def run_it(folder, text=TWO, *, start=None, overhead=None, environment=None, **more):
    (folder / "two.yaml").write_text(text)
    request = {
        "topology": folder / "two.yaml",
        "overrides": Overrides(seed=1),
        "duration": None,
        "as_json": True,
        **more,
    }
    request["report"] = folder / "report"
    return run_virtually(RunRequest(**request), VirtualTime(start=start, overhead=overhead), environment or {})


def refusal(folder, *arguments, **more):
    with pytest.raises(ConfigurationError) as raised:
        run_it(folder, *arguments, **more)
    assert not (folder / "report").exists()
    return str(raised.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": ENTRY}, "flag --virtual: entry has no injector that creates messages, and no client can reach"),
        ({"duration": "soon"}, "flag --duration: "),
        ({"overhead": "fast"}, "flag --overhead: "),
        ({"overhead": "-1ms"}, "flag --overhead: "),
        ({"environment": {"SIMULATOR_LOG_LEVEL": "loud"}}, "SIMULATOR_LOG_LEVEL: 'loud' is not one of "),
        ({"text": TWO.replace("[b]", "[c]")}, "c"),
    ],
)
def test_what_cannot_be_virtual_is_refused(tmp_path, given, said):
    """A flag, a topology or a variable that virtual time has no use for is named, and nothing is written."""
    assert said in refusal(tmp_path, **given)


@pytest.mark.parametrize("start", ["yesterday", "", "12", "2026-13-01T00:00:00Z", "nan", "99999-01-01T00:00:00Z"])
def test_a_start_that_is_no_time(tmp_path, start):
    """It is shown, with one that is."""
    said = refusal(tmp_path, start=start)
    assert said.startswith("flag --start: ") and "is not a time like 2000-01-01T00:00:00Z" in said


@pytest.mark.parametrize("start", ["0999-12-31", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+01:00"])
def test_a_start_whose_year_is_out_of_range(tmp_path, start):
    """Timestamps have four digits for the year, also those of the last message."""
    said = refusal(tmp_path, start=start)
    assert "the year must be between 1000 and 9000" in said or "is not a time" in said


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00.100000Z"),
        ("2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00.100000Z"),
        ("2026-01-31", "2026-01-31T00:00:00.100000Z"),
        ("1969-12-31T23:59:59.95Z", "1970-01-01T00:00:00.050000Z"),
        ("1000-01-01", "1000-01-01T00:00:00.100000Z"),
    ],
)
def test_the_logs_have_the_time_that_virtual_time_begins_at(tmp_path, capsys, start, first):
    """The first message of 10/s comes a tenth of a second after it."""
    assert run_it(tmp_path, start=start) == 0
    lines = [json.loads(line) for line in (tmp_path / "report" / "logs" / "a.jsonl").read_text().splitlines()]
    received = [line["timestamp"] for line in lines if line["event"] == "message.received"]
    assert received[0] == first and len(received) == 3


def test_an_overhead_is_what_each_request_takes_beside_its_delay(tmp_path, capsys):
    """With 5 ms of it a call of a stage without a delay takes 5 ms."""
    assert run_it(tmp_path, overhead="5ms") == 0
    lines = [json.loads(line) for line in (tmp_path / "report" / "logs" / "a.jsonl").read_text().splitlines()]
    assert [line["duration_seconds"] for line in lines if line["event"] == "message.sent"] == [0.005] * 3
