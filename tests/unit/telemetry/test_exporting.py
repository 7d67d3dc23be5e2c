"""Exporting: a collector that is away costs nothing but the spans, and those are counted."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from simulator.telemetry.batching import Batching
from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.exporting import PAUSE_SECONDS, ExportQueue, PatientExporter
from simulator.telemetry.logs import make_logger
from simulator.telemetry.otlp_answers import NO_CONNECTION
from simulator.telemetry.otlp_batch import CollectorAnswer
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.span_export import StageSpans

GOOD, BAD = True, False
TAKEN = CollectorAnswer(True)
AWAY = CollectorAnswer(False, True, 5.0, problem=NO_CONNECTION)
ENDPOINT = "http://127.0.0.1:4318/v1/traces"
LONG_SECONDS = 20.0


class Sender:
    """A way to the collector that succeeds or fails as it is told."""

    def __init__(self):
        self.answer = TAKEN
        self.batches, self.timeouts = [], []
        self.closed = 0

    def send(self, items, timeout_seconds=None):
        self.batches.append(len(items))
        self.timeouts.append(timeout_seconds)
        return self.answer

    def close(self):
        self.closed += 1


class Stage:
    """One whose spans are exported, its log, and what it lost."""

    def __init__(self, endpoint=ENDPOINT, signal=Signal.TRACES):
        self.resource = Resource({})
        self.dropped = []
        self.raw = []
        self.account = ExportAccount(make_logger(self.raw.append, "info"), self.dropped.append, endpoint, signal)

    def spans(self, count):
        """Return spans that have been waiting."""
        for _ in range(count):
            self.account.wait()
        return [SimpleNamespace(resource=self.resource)] * count

    def provider(self, queue, sampler=ALWAYS_ON):
        provider = TracerProvider(sampler=sampler, resource=self.resource, shutdown_on_exit=False)
        provider.add_span_processor(StageSpans(queue, self.resource, self.account))
        return provider

    @property
    def events(self):
        return [(line["level"], line["event"]) for line in self.lines]

    @property
    def lines(self):
        return [json.loads(raw) for raw in self.raw]


class Rig(Stage):
    """A patient exporter with a stage."""

    def __init__(self, endpoint=ENDPOINT, sender=None, signal=Signal.TRACES):
        super().__init__(endpoint, signal)
        self.sender = sender or Sender()
        self.now = 1000.0
        self.exporter = PatientExporter(self.sender, lambda: self.now)
        self.exporter.add(self.resource, self.account)

    def export(self, count):
        return self.exporter.export(self.spans(count))


def test_a_good_export_is_silent():
    """Spans that a collector takes are passed on and nothing is said or counted."""
    rig = Rig()
    assert [rig.export(count) for count in (3, 32)] == [GOOD, GOOD]
    assert rig.sender.batches == [3, 32]
    assert (rig.dropped, rig.raw, rig.exporter.taken) == ([], [], 35)


def test_the_first_failure_is_a_warning_and_later_ones_are_counted():
    """A collector that is away is told of once, however many batches are lost, and every span is counted."""
    rig = Rig()
    rig.sender.answer = AWAY
    for outage in range(3):
        rig.now = 1000.0 + outage * PAUSE_SECONDS
        assert [rig.export(10) for _ in range(4)] == [BAD] * 4
    assert sum(rig.dropped) == 120
    assert rig.events == [("warning", "telemetry.export_failed")]
    (line,) = rig.lines
    assert line["endpoint"] == ENDPOINT
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in line["hint"]


def test_a_password_in_the_endpoint_is_not_logged():
    """A collector's URL with a user and a password is logged without them, at a failure and at the end."""
    rig = Rig(endpoint="http://ann:s3cret@127.0.0.1:4318/v1/traces")
    rig.sender.answer = AWAY
    rig.export(1)
    rig.account.conclude()
    assert b"s3cret" not in b"".join(rig.raw)
    assert {line["endpoint"] for line in rig.lines} == {"http://***@127.0.0.1:4318/v1/traces"}


def test_the_collector_is_left_in_peace_for_a_while():
    """After a failure no export is attempted until the pause is over, and then one is."""
    rig = Rig()
    rig.sender.answer = AWAY
    rig.export(1)
    rig.now = 1000.0 + PAUSE_SECONDS - 0.001
    rig.sender.answer = TAKEN
    assert rig.export(2) is BAD
    assert rig.sender.batches == [1]
    rig.now = 1000.0 + PAUSE_SECONDS
    assert rig.export(4) is GOOD
    assert rig.sender.batches == [1, 4]
    assert rig.dropped == [1, 2]


def test_the_recovery_says_what_was_lost():
    """When spans get through again, one line says how many were lost, and a new outage starts a new count."""
    rig = Rig()
    rig.sender.answer = AWAY
    rig.export(5)
    rig.export(7)
    rig.now += PAUSE_SECONDS
    rig.sender.answer = TAKEN
    rig.export(1)
    rig.export(1)
    assert rig.events == [("warning", "telemetry.export_failed"), ("info", "telemetry.export_recovered")]
    assert (rig.lines[1]["spans_dropped"], rig.lines[1]["endpoint"]) == (12, ENDPOINT)
    rig.sender.answer = AWAY
    rig.export(3)
    rig.now += PAUSE_SECONDS
    rig.sender.answer = TAKEN
    rig.export(1)
    assert [event for _, event in rig.events[2:]] == ["telemetry.export_failed", "telemetry.export_recovered"]
    assert rig.lines[3]["spans_dropped"] == 3


def test_a_failure_is_told_with_its_reason():
    """What was wrong is said as it is; that a collector is missing is said only where nothing listens."""
    rig = Rig()
    rig.sender.answer = CollectorAnswer(False, problem="the collector answered 401 Unauthorized", status=401)
    rig.export(1)
    (line,) = rig.lines
    assert line["reason"] == "the collector answered 401 Unauthorized"
    assert "hint" not in line


def test_what_the_collector_rejects_of_a_batch_is_counted():
    """A partial success counts the spans that were rejected, is told once, and calls for no pause."""
    rig = Rig()
    rig.sender.answer = CollectorAnswer(True, rejected=3, problem="the collector rejected 3 spans: too old")
    assert [rig.export(10) for _ in range(4)] == [GOOD] * 4
    assert (rig.dropped, rig.account.dropped) == ([3] * 4, 12)
    assert rig.events == [("warning", "telemetry.spans_rejected")]
    assert rig.lines[0]["reason"] == "the collector rejected 3 spans: too old"
    rig.sender.answer = CollectorAnswer(True, rejected=99)
    rig.export(2)
    assert rig.dropped[-1] == 2


def test_a_batch_that_can_t_be_written_down_is_counted():
    """A batch on which the sender breaks is dropped and counted like one that no collector takes."""
    rig = Rig()
    rig.sender.send = lambda spans, timeout_seconds: "\udcff".encode()
    assert rig.export(5) is BAD
    assert rig.dropped == [5]
    assert rig.events == [("warning", "telemetry.export_failed")]


def test_the_end_says_what_was_lost():
    """The end of an outage's process says how many spans were lost, those still waiting included."""
    rig = Rig()
    rig.sender.answer = AWAY
    rig.export(9)
    rig.exporter.shutdown()
    rig.spans(4)
    rig.account.conclude()
    assert rig.events[-1] == ("warning", "telemetry.spans_dropped")
    assert rig.lines[-1]["spans_dropped"] == rig.account.dropped == sum(rig.dropped) == 13
    assert rig.sender.closed == 1


def test_the_end_is_silent_where_nothing_was_lost():
    """An end with every span exported says nothing."""
    rig = Rig()
    rig.export(9)
    rig.exporter.shutdown()
    rig.account.conclude()
    assert (rig.raw, rig.account.dropped) == ([], 0)


def test_a_flush_has_an_end():
    """Near the end no batch starts that could not be answered in time, and none may take longer than is left."""
    rig = Rig()
    assert rig.export(1) is GOOD
    rig.exporter.begin_flush(4.0)
    rig.now += 1.0
    assert rig.export(2) is GOOD
    rig.now += 1.0
    assert rig.export(4) is BAD
    assert rig.sender.timeouts == [None, 3.0]
    assert rig.dropped == [4]


class Stuck(Sender):
    """A sender that is stuck in its first batch until it is released."""

    def __init__(self):
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def send(self, items, timeout_seconds=None):
        self.entered.set()
        assert self.released.wait(LONG_SECONDS)
        return super().send(items)


@pytest.fixture
def stuck():
    """A provider whose exporter is stuck, and the counts of the spans that were dropped."""
    rig = Rig(sender=Stuck())
    rig.queue = ExportQueue(rig.exporter, Batching())
    rig.provider = rig.provider(rig.queue)
    yield rig
    rig.sender.released.set()
    rig.provider.shutdown()


def end_spans(provider, count):
    tracer = provider.get_tracer("test")
    for _ in range(count):
        tracer.start_span("span").end()


def test_what_exceeds_the_queue_is_counted(stuck):
    """While the exporter is stuck 8,192 spans wait, each further one is dropped and counted, and no end waits."""
    end_spans(stuck.provider, 1)
    assert stuck.sender.entered.wait(LONG_SECONDS)
    end_spans(stuck.provider, 8192)
    assert stuck.dropped == []
    end_spans(stuck.provider, 5)
    assert stuck.dropped == [1] * 5
    assert stuck.events == [("warning", "telemetry.queue_full")]


def test_what_a_shutdown_abandons_is_counted(stuck):
    """With a collector that never answers, the batch in flight and all that wait are counted and logged at the end."""
    stage = Stage()
    provider = stage.provider(ExportQueue(stuck.exporter, Batching(), flush_seconds=0.05))
    end_spans(provider, 1)
    assert stuck.sender.entered.wait(LONG_SECONDS)
    end_spans(provider, 500)
    provider.shutdown()
    assert (stage.account.dropped, sum(stage.dropped)) == (501, 501)
    assert stage.events[-1] == ("warning", "telemetry.spans_dropped")
    assert stage.lines[-1]["spans_dropped"] == 501
    end_spans(provider, 2)
    assert stage.account.dropped == 503


@pytest.mark.parametrize("late", [TAKEN, AWAY])
def test_what_was_given_up_is_counted_once(late):
    """What becomes of a batch after the end changes nothing: it was counted as lost when it was given up."""
    rig = Rig()
    rig.sender.answer = late
    send = rig.sender.send

    def send_late(spans, timeout_seconds):
        rig.account.conclude()
        return send(spans, timeout_seconds)

    rig.sender.send = send_late
    assert rig.export(7) is BAD
    assert rig.dropped == [7]


def test_every_span_is_exported_or_counted(stuck):
    """When the exporter comes back, exported and dropped spans together are exactly those that ended."""
    end_spans(stuck.provider, 1)
    assert stuck.sender.entered.wait(LONG_SECONDS)
    end_spans(stuck.provider, 9000)
    stuck.sender.released.set()
    stuck.provider.shutdown()
    assert sum(stuck.sender.batches) == 1 + 8192
    assert sum(stuck.sender.batches) + sum(stuck.dropped) == 9001
    assert stuck.sender.closed == 1


def test_spans_that_are_not_sampled_take_no_room():
    """A span that is not to be exported is neither passed on nor counted as dropped."""
    rig = Rig()
    provider = rig.provider(ExportQueue(rig.exporter, Batching()), ALWAYS_OFF)
    end_spans(provider, 9000)
    provider.shutdown()
    assert (rig.sender.batches, rig.dropped, rig.exporter.taken) == ([], [], 0)


def test_stages_share_batches_and_each_tells_its_own(stuck):
    """Spans of several stages go in one batch; each stage counts and logs what becomes of its own."""
    others = [Stage(), Stage()]
    providers = [stuck.provider, *(other.provider(stuck.queue) for other in others)]
    end_spans(stuck.provider, 1)
    assert stuck.sender.entered.wait(LONG_SECONDS)
    stuck.sender.answer = AWAY
    for provider, count in zip(providers, (3, 4, 5), strict=True):
        end_spans(provider, count)
    stuck.sender.released.set()
    for provider in reversed(providers):
        provider.shutdown()
    assert [stage.account.dropped for stage in (stuck, *others)] == [4, 4, 5]
    assert stuck.sender.batches == [1]
    assert stuck.events == [("warning", "telemetry.export_failed"), ("warning", "telemetry.spans_dropped")]
    assert [stage.events for stage in others] == [[("warning", "telemetry.spans_dropped")]] * 2


def test_a_batch_of_several_that_fails_is_told_by_each():
    """Where a collector takes nothing, the log of each stage whose spans were in the batch says so."""
    rig, other = Rig(), Stage()
    rig.exporter.add(other.resource, other.account)
    rig.sender.answer = AWAY
    rig.exporter.export([*rig.spans(2), *other.spans(3), *rig.spans(1)])
    assert (rig.dropped, other.dropped) == ([3], [3])
    assert rig.events == other.events == [("warning", "telemetry.export_failed")]
    rig.now += PAUSE_SECONDS
    rig.sender.answer = CollectorAnswer(True, rejected=4)
    rig.exporter.export([*rig.spans(3), *other.spans(3)])
    assert sum(rig.dropped) + sum(other.dropped) == 3 + 3 + 4


def test_others_get_no_time_that_would_cost_spans():
    """While a batch is encoded others run, and may end more spans than that; with half of the queue full they wait."""
    rig, pauses = Rig(), 0

    def pause():
        nonlocal pauses
        pauses += 1
        for _ in range(40 if pauses <= 100 else 0):
            queue.put(SimpleNamespace(resource=rig.resource), rig.account)

    def send(items, timeout_seconds=None):
        rig.sender.batches.append(len(list(items)))
        return TAKEN

    rig.sender.send = send
    exporter = PatientExporter(rig.sender, lambda: rig.now, pause)
    queue = ExportQueue(exporter, Batching(queue_items=1000, batch_items=128, every_millis=600_000))
    queue.join(rig.resource, rig.account)
    for _ in range(128):
        queue.put(SimpleNamespace(resource=rig.resource), rig.account)
    queue.leave(rig.account, LONG_SECONDS)
    assert pauses > 100  # they had their time, all the same
    assert (sum(rig.sender.batches), rig.dropped) == (128 + 100 * 40, [])


def test_a_stage_that_ends_has_its_spans_exported_while_others_go_on():
    """The end of one stage exports what it has left at once, and the way stays open for the others."""
    rig, other = Rig(), Stage()
    queue = ExportQueue(rig.exporter, Batching(every_millis=600_000))
    first, second = rig.provider(queue), other.provider(queue)
    end_spans(first, 3)
    first.shutdown()
    assert (rig.sender.batches, rig.account.dropped, rig.sender.closed) == ([3], 0, 0)
    end_spans(second, 2)
    second.shutdown()
    assert (rig.sender.batches, other.account.dropped, rig.sender.closed) == ([3, 2], 0, 1)


@pytest.mark.parametrize(("signal", "items"), [(Signal.LOGS, "log_records"), (Signal.METRICS, "data_points")])
def test_other_signals_tell_their_losses_in_their_own_words(signal, items):
    """Log records and data points are counted and told like spans, by the names that OTLP has for them."""
    rig = Rig(signal=signal)
    rig.sender.answer = CollectorAnswer(True, rejected=2, problem="the collector rejected 2 of them")
    rig.export(3)
    rig.sender.answer = AWAY
    rig.export(4)
    rig.now += PAUSE_SECONDS
    rig.sender.answer = TAKEN
    rig.export(1)
    rig.spans(5)
    rig.account.conclude()
    assert [event for _, event in rig.events] == [
        f"telemetry.{items}_rejected",
        "telemetry.export_failed",
        "telemetry.export_recovered",
        f"telemetry.{items}_dropped",
    ]
    assert (rig.lines[2][f"{items}_dropped"], rig.lines[3][f"{items}_dropped"]) == (6, 5)
    assert rig.dropped == [2, 4, 5]


def test_what_happens_because_of_an_export_is_known():
    """Whoever is called by an export can see that it is, as a line of the log about its failure must."""
    rig = Rig()
    queue = ExportQueue(rig.exporter, Batching())
    seen = []
    send = rig.sender.send

    def look(items, timeout_seconds):
        seen.append(queue.is_exporting)
        return send(items, timeout_seconds)

    rig.sender.send = look
    provider = rig.provider(queue)
    end_spans(provider, 1)
    provider.shutdown()
    assert (seen, queue.is_exporting) == ([True], False)
