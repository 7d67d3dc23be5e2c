"""Spans, log records and metrics by OTLP are what the log, /metrics and the messages say, to the unit."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.collector import Collector, collector
from tests.support.processes import RunningTopology, running_topology, wait_for

MESSAGES = 5000  # each is handled by two stages
TOPOLOGY = f"""
name: two
seed: 5
stages:
  start:
    role: injector
    load: {{rate: 2000/s, messages: {MESSAGES}}}
    queue: {MESSAGES}
    workers: 50
    decide: {{tier: {{gold: 20%, silver: 80%}}}}
    calls: [page]
  page: {{faults: ["error(503, 5%)"], queue: {MESSAGES}, workers: 50, calls: []}}
"""
EXPORTERS = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"}
LONG = {
    "OTEL_EXPORTER_OTLP_TIMEOUT": "60000",
    "OTEL_BSP_MAX_QUEUE_SIZE": "100000",
    "OTEL_BLRP_MAX_QUEUE_SIZE": "100000",
}


class Shown:
    """What a run has shown, in its own files and to a collector."""

    def __init__(self, received: Collector, running: RunningTopology) -> None:
        self.received = received
        self.lines = {name: running.log(name) for name in ("start", "page")}


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Shown:
    folder = tmp_path_factory.mktemp("signals")
    with collector() as received:
        environment = {**EXPORTERS, **LONG, **received.environment}
        with running_topology(folder, TOPOLOGY, "--processes", "1", environment=environment) as running:
            wait_for(lambda: running.process.poll() is not None, "the end of the run", 240)
            assert "The ledger balances" in running.errors.read_text()
            return Shown(received, running)


def handled(lines):
    return [line for line in lines if line["event"] == "message.handled"]


def test_every_line_is_a_record(shown):
    """The records of a stage are the lines of its log, in their order, key for key and with their ids."""
    for name, lines in shown.lines.items():
        records = [found for found in shown.received.log_records() if found.service == name]
        assert len(records) == len(lines) > 2 * MESSAGES
        for line, found in zip(lines, records, strict=True):
            ids = (found.record.trace_id.hex(), found.record.span_id.hex())
            assert ids == (line.pop("trace_id", ""), line.pop("span_id", ""))
            assert found.record.flags == int(line.pop("trace_flags", "0"), 16)
            assert (found.record.event_name, found.record.severity_text) == (line.pop("event"), line.pop("level"))
            del line["timestamp"]
            assert found.attributes == line


def test_every_message_has_its_spans(shown):
    """Each message has the span that the injector makes, the call and the server's: no more and no less of these."""
    names = Counter((span.service, span.name) for span in shown.received.spans())
    assert names["start", "inject"] == names["start", "POST"] == names["page", "POST /messages"] == MESSAGES
