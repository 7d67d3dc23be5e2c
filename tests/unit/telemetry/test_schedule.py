"""The watcher of an injector's schedule tells metrics, tally and log the same."""

from __future__ import annotations

import json

import pytest
from prometheus_client import CollectorRegistry

from simulator.telemetry import tally
from simulator.telemetry.families import Measured
from simulator.telemetry.logs import make_logger
from simulator.telemetry.metrics import Metrics
from simulator.telemetry.schedule import ScheduleWatcher
from simulator.telemetry.tally import Tally
from tests.support.fake_time import FakeTime

LABELS = {"stage": "injector", "role": "injector"}


class Told:
    """A watcher with the three that it tells."""

    def __init__(self, counts):
        self.registry = CollectorRegistry()
        self.raw = []
        metrics = Metrics(self.registry, Measured(stage="injector", role="injector"), FakeTime())
        self.watcher = ScheduleWatcher(metrics, counts, make_logger(self.raw.append, "info", service="injector"))

    def sample(self, name):
        return self.registry.get_sample_value(name, LABELS)

    @property
    def events(self):
        return [(line["level"], line["event"]) for line in map(json.loads, self.raw)]


@pytest.fixture
def counts(tmp_path):
    return Tally.create(tmp_path / "injector", tally.slots([], []))


def test_due_messages_and_their_lag(counts):
    """Each due message is counted by metrics and tally alike, and its lag observed exactly."""
    told = Told(counts)
    for lag in (0.0, 0.25, 0.5):
        told.watcher.due(lag)
    assert told.sample("simulator_injector_due_total") == 3
    assert told.sample("simulator_injector_lag_seconds_sum") == 0.75
    assert told.sample("simulator_injector_lag_seconds_count") == 3
    assert (counts.counts()["due"], told.raw) == (3, [])


def test_missed_messages(counts):
    """A due message that found no room is counted by metrics and tally alike."""
    told = Told(counts)
    told.watcher.missed()
    told.watcher.missed()
    assert told.sample("simulator_injector_missed_total") == 2
    assert counts.counts()["missed"] == 2


def test_messages_that_were_not_started(counts):
    """They were due and missed, in metrics and tally alike, without a lag; the log says how late the oldest was."""
    told = Told(counts)
    told.watcher.unstarted(40, 0.5)
    assert told.sample("simulator_injector_due_total") == told.sample("simulator_injector_missed_total") == 40
    assert told.sample("simulator_injector_lag_seconds_count") == 0
    assert (counts.counts()["due"], counts.counts()["missed"]) == (40, 40)
    (line,) = map(json.loads, told.raw)
    assert (line["event"], line["level"], line["missed"], line["lag_seconds"]) == ("load.behind", "warning", 40, 0.5)


def test_lines_read(counts):
    """Lines of the input are counted, and a bad one is an error in the log that says which line and why."""
    told = Told(counts)
    for _ in range(3):
        told.watcher.line()
    told.watcher.bad_line(3, "not JSON")
    assert (counts.counts()["lines"], counts.counts()["bad_lines"]) == (3, 1)
    (line,) = map(json.loads, told.raw)
    assert (line["event"], line["level"], line["line"], line["error"]) == ("input.bad_line", "error", 3, "not JSON")


def test_the_end_of_the_load(counts):
    """The end of the load is logged once and stands in the tally, where the runner looks for it."""
    told = Told(counts)
    told.watcher.finished()
    assert told.events == [("info", "load.finished")]
    assert counts.counts()["load_finished"] == 1


def test_without_a_ledger():
    """A stage by itself, with no tally, is watched by metrics and log all the same."""
    told = Told(None)
    told.watcher.due(0.125)
    told.watcher.missed()
    told.watcher.line()
    told.watcher.bad_line(1, "not JSON")
    told.watcher.finished()
    assert told.sample("simulator_injector_due_total") == told.sample("simulator_injector_missed_total") == 1
    assert told.events == [("error", "input.bad_line"), ("info", "load.finished")]
