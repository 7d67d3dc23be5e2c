"""A batch is written in pieces, between which others run."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from simulator.telemetry.data_points import DataPoint, Described
from simulator.telemetry.encoding import SpanEncoder
from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.exporting import PatientExporter
from simulator.telemetry.log_encoding import LogEncoder
from simulator.telemetry.log_records import QueuedLine
from simulator.telemetry.logs import make_logger
from simulator.telemetry.metric_encoding import encode_data_points
from simulator.telemetry.otlp_batch import CollectorAnswer
from simulator.telemetry.otlp_json import data_points_in_json, log_records_in_json, spans_in_json
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.paced import ITEMS_BETWEEN_PAUSES, Paced
from tests.unit.telemetry.test_log_records import RESOURCE, logged

COUNT = 2 * ITEMS_BETWEEN_PAUSES + 3
SPANS = [
    ReadableSpan(f"span {n}", SpanContext(1, n + 1, False, TraceFlags(1)), resource=RESOURCE) for n in range(COUNT)
]
LINES = [QueuedLine(RESOURCE, logged(event="service.log", number=n)) for n in range(COUNT)]
POINTS = [DataPoint(RESOURCE, Described("m", "s", "help", True, True), {"n": n}, 0, 1, 2.0) for n in range(COUNT)]


@pytest.mark.parametrize(
    ("make_encode", "items", "name"),
    [
        (lambda: SpanEncoder().encode, SPANS, "_span"),
        (lambda: spans_in_json, SPANS, "_span"),
        (lambda: LogEncoder().encode, LINES, "_record"),
        (lambda: log_records_in_json, LINES, "_log_record"),
        (lambda: encode_data_points, POINTS, "_add"),
        (lambda: data_points_in_json, POINTS, "_point"),
    ],
    ids=["spans", "spans-in-json", "lines", "lines-in-json", "points", "points-in-json"],
)
def test_writing_a_batch_lets_others_run(make_encode, items, name, monkeypatch):
    """After every few items there is a pause, by which so many have been written, and what is written is the same."""
    encode = make_encode()
    whole = encode(items)
    owner = getattr(encode, "__self__", None)
    written, seen = [], []

    def counted(own):
        def count(*arguments):
            written.append(arguments)
            return own(*arguments)

        return count

    if owner is None:
        module = encode.__module__
        monkeypatch.setattr(f"{module}.{name}", counted(getattr(__import__(module, fromlist=[name]), name)))
    else:
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    assert encode(Paced(items, lambda: seen.append(len(written)))) == whole
    assert seen == [ITEMS_BETWEEN_PAUSES, 2 * ITEMS_BETWEEN_PAUSES]
    assert len(written) == COUNT


def test_an_export_is_paced():
    """What an exporter sends is written with its pauses, and is still a sequence."""

    class Encoding:
        def send(self, items, timeout_seconds=None):
            assert (len(items), items[0], items[-2:]) == (COUNT, SPANS[0], SPANS[-2:])
            assert list(items) == SPANS
            return CollectorAnswer(True)

    pauses = []
    exporter = PatientExporter(Encoding(), lambda: 0.0, lambda: pauses.append(1))
    account = ExportAccount(make_logger([].append, "info"), [].append, "here", Signal.TRACES)
    exporter.add(RESOURCE, account)
    for _ in SPANS:
        account.wait()
    assert exporter.export(SPANS)
    assert len(pauses) == 2
