"""Exporting: a collector that is away costs nothing but the spans, and those are counted."""

from __future__ import annotations

import json
import threading

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from simulator.telemetry.exporting import PAUSE_SECONDS, BoundedProcessor, PatientExporter
from simulator.telemetry.logs import make_logger

GOOD, BAD = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
ENDPOINT = "http://127.0.0.1:4318/v1/traces"
LONG_SECONDS = 20.0


class Inner(SpanExporter):
    """An exporter that succeeds or fails as it is told."""

    def __init__(self):
        self.result = GOOD
        self.batches = []
        self.ended = []

    def export(self, spans):
        self.batches.append(len(spans))
        return self.result

    def shutdown(self):
        self.ended.append("shutdown")

    def force_flush(self, timeout_millis=30000):
        self.ended.append(timeout_millis)
        return True


class Rig:
    """A patient exporter with all around it."""

    def __init__(self, endpoint=ENDPOINT):
        self.inner = Inner()
        self.now = 1000.0
        self.dropped = []
        self.raw = []
        self.exporter = PatientExporter(
            self.inner, make_logger(self.raw.append, "info"), self.dropped.append, lambda: self.now, endpoint
        )

    def export(self, count):
        return self.exporter.export([None] * count)

    @property
    def events(self):
        return [(line["level"], line["event"]) for line in self.lines]

    @property
    def lines(self):
        return [json.loads(raw) for raw in self.raw]


def test_a_good_export_is_silent():
    """Spans that a collector takes are passed on and nothing is said or counted."""
    rig = Rig()
    assert [rig.export(count) for count in (3, 32)] == [GOOD, GOOD]
    assert rig.inner.batches == [3, 32]
    assert (rig.dropped, rig.raw, rig.exporter.taken) == ([], [], 35)


def test_the_first_failure_is_a_warning_and_later_ones_are_counted():
    """A collector that is away is told of once, however many batches are lost, and every span is counted."""
    rig = Rig()
    rig.inner.result = BAD
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
    rig.inner.result = BAD
    rig.export(1)
    rig.exporter.shutdown()
    assert b"s3cret" not in b"".join(rig.raw)
    assert {line["endpoint"] for line in rig.lines} == {"http://***@127.0.0.1:4318/v1/traces"}


def test_the_collector_is_left_in_peace_for_a_while():
    """After a failure no export is tried until the pause is over, and then one is."""
    rig = Rig()
    rig.inner.result = BAD
    rig.export(1)
    rig.now = 1000.0 + PAUSE_SECONDS - 0.001
    rig.inner.result = GOOD
    assert rig.export(2) is BAD
    assert rig.inner.batches == [1]
    rig.now = 1000.0 + PAUSE_SECONDS
    assert rig.export(4) is GOOD
    assert rig.inner.batches == [1, 4]
    assert rig.dropped == [1, 2]


def test_the_recovery_says_what_was_lost():
    """When spans get through again, one line says how many were lost, and a new outage begins a new count."""
    rig = Rig()
    rig.inner.result = BAD
    rig.export(5)
    rig.export(7)
    rig.now += PAUSE_SECONDS
    rig.inner.result = GOOD
    rig.export(1)
    rig.export(1)
    assert rig.events == [("warning", "telemetry.export_failed"), ("info", "telemetry.export_recovered")]
    assert (rig.lines[1]["spans_dropped"], rig.lines[1]["endpoint"]) == (12, ENDPOINT)
    rig.inner.result = BAD
    rig.export(3)
    rig.now += PAUSE_SECONDS
    rig.inner.result = GOOD
    rig.export(1)
    assert [event for _, event in rig.events[2:]] == ["telemetry.export_failed", "telemetry.export_recovered"]
    assert rig.lines[3]["spans_dropped"] == 3


def test_a_batch_that_can_t_be_written_down_is_counted():
    """A batch on which the exporter breaks is dropped and counted like one that no collector takes."""
    rig = Rig()
    rig.inner.export = lambda spans: "\udcff".encode()
    assert rig.export(5) is BAD
    assert rig.dropped == [5]
    assert rig.events == [("warning", "telemetry.export_failed")]


def test_the_end_says_what_was_lost():
    """A shutdown during an outage says how many spans were lost, and shuts the inner exporter down."""
    rig = Rig()
    rig.inner.result = BAD
    rig.export(9)
    rig.exporter.shutdown()
    assert rig.events[-1] == ("warning", "telemetry.spans_dropped")
    assert rig.lines[-1]["spans_dropped"] == 9
    assert rig.inner.ended == ["shutdown"]


def test_the_end_is_silent_where_nothing_was_lost():
    """A shutdown with every span exported, or an outage long over, says nothing."""
    rig = Rig()
    rig.export(9)
    rig.exporter.shutdown()
    assert (rig.raw, rig.inner.ended) == ([], ["shutdown"])


def test_flushing_is_passed_on():
    """A flush reaches the inner exporter with its time limit."""
    rig = Rig()
    assert rig.exporter.force_flush(1234) is True
    assert rig.inner.ended == [1234]


class Stuck(Inner):
    """An exporter that is stuck in its first export until it is released."""

    def __init__(self):
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def export(self, spans):
        self.entered.set()
        assert self.released.wait(LONG_SECONDS)
        return super().export(spans)


@pytest.fixture
def stuck():
    """A provider whose exporter is stuck, and the counts of the spans that were dropped."""
    rig = Rig()
    rig.inner = Stuck()
    rig.exporter = PatientExporter(
        rig.inner, make_logger(rig.raw.append, "info"), rig.dropped.append, lambda: rig.now, ENDPOINT
    )
    rig.provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    rig.provider.add_span_processor(BoundedProcessor(rig.exporter, rig.dropped.append))
    yield rig
    rig.inner.released.set()
    rig.provider.shutdown()


def end_spans(provider, count):
    tracer = provider.get_tracer("test")
    for _ in range(count):
        tracer.start_span("span").end()


def test_what_exceeds_the_queue_is_counted(stuck):
    """While the exporter is stuck 8,192 spans wait, each further one is dropped and counted, and no end waits."""
    end_spans(stuck.provider, 1)
    assert stuck.inner.entered.wait(LONG_SECONDS)
    end_spans(stuck.provider, 8192)
    assert stuck.dropped == []
    end_spans(stuck.provider, 5)
    assert stuck.dropped == [1] * 5


def test_every_span_is_exported_or_counted(stuck):
    """When the exporter comes back, exported and dropped spans together are exactly those that ended."""
    end_spans(stuck.provider, 1)
    assert stuck.inner.entered.wait(LONG_SECONDS)
    end_spans(stuck.provider, 9000)
    stuck.inner.released.set()
    stuck.provider.shutdown()
    assert sum(stuck.inner.batches) == 1 + 8192
    assert sum(stuck.inner.batches) + sum(stuck.dropped) == 9001
    assert stuck.inner.ended == ["shutdown"]


def test_spans_that_are_not_sampled_take_no_room():
    """A span that is not to be exported is neither passed on nor counted as dropped."""
    rig = Rig()
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(BoundedProcessor(rig.exporter, rig.dropped.append))
    end_spans(provider, 9000)
    provider.shutdown()
    assert (rig.inner.batches, rig.dropped, rig.exporter.taken) == ([], [], 0)
