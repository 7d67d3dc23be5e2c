"""Spans, log records and metrics by OTLP are what the log, /metrics and the messages say, to the unit."""

from __future__ import annotations

from collections import Counter

import pytest
import requests

from tests.support.collector import Collector, collector
from tests.support.processes import RunningTopology, read_samples, running_topology, wait_for
from tests.support.prometheus_names import samples_of

OURS = ("simulator_", "http_", "db_")
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
  idle: {{role: injector, load: {{rate: 0.001/s}}, calls: [page]}}  # as long as it has messages the run goes on
  page: {{faults: ["error(503, 5%)"], queue: {MESSAGES}, workers: 50, calls: []}}
"""
EXPORTERS = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp"}
LONG = {
    "OTEL_EXPORTER_OTLP_TIMEOUT": "60000",
    "OTEL_BSP_MAX_QUEUE_SIZE": "100000",
    "OTEL_BLRP_MAX_QUEUE_SIZE": "100000",
}


class Shown:
    """What a run has shown, in its own files and to a collector."""

    def __init__(self, running: RunningTopology, received: Collector) -> None:
        self.received = received
        self.samples = {name: stage_samples(running, name) for name in ("start", "page")}
        assert running.interrupt(60) == 0
        self.ledger = running.errors.read_text()
        self.lines = {name: running.log(name) for name in ("start", "page")}


def stage_samples(running, name):
    """Return what /metrics of a stage has, except what goes on without messages."""
    samples = read_samples(requests.get(f"{running.stage_base(name)}/metrics", timeout=30).text)
    return {
        (sample, frozenset((label, text) for label, text in labels if text)): value
        for (sample, labels), value in samples.items()
        if sample.startswith(OURS) and not sample.endswith("_created") and "_per_second" not in sample
    }


def has_handled_all(running):
    text = requests.get(f"{running.stage_base('start')}/metrics", timeout=30).text
    handled = [v for (name, _), v in read_samples(text).items() if name == "simulator_messages_total"]
    return sum(handled) == MESSAGES


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Shown:
    folder = tmp_path_factory.mktemp("signals")
    with collector() as received:
        environment = {**EXPORTERS, **LONG, **received.environment}
        with running_topology(folder, TOPOLOGY, "--processes", "1", environment=environment) as running:
            wait_for(lambda: has_handled_all(running), "the last message", 240)
            found = Shown(running, received)
    assert "The ledger balances" in found.ledger
    return found


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


def test_the_last_figures_are_those_of_metrics(shown):
    """The last export of each stage has every series of /metrics, with its labels and to the unit."""
    last = {}
    for request in shown.received.metrics():
        for service, samples in samples_of(request).items():
            last.setdefault(service, {}).update(samples)
    for name, samples in shown.samples.items():
        exported = {key: value for key, value in last[name].items() if key in samples}
        assert exported == pytest.approx(samples)
        assert {key for key in last[name] if key[0].startswith(OURS) and "_per_second" not in key[0]} == set(samples)
    handled = {key: value for key, value in last["page"].items() if key[0] == "simulator_messages_total"}
    assert sum(handled.values()) == MESSAGES


def test_each_attempt_is_also_under_opentelemetry_s_name(shown):
    """The requests of the client are as many as the attempts, and as many as failed have the status as error.type."""

    def total(name, **labels):
        found = ((dict(have), value) for (sample, have), value in shown.samples["start"].items() if sample == name)
        return sum(value for have, value in found if labels.items() <= have.items())

    attempts, sent = "simulator_downstream_attempt_duration_seconds_count", "http_client_request_duration_seconds_count"
    assert total(attempts) == total(sent) == MESSAGES
    assert total(attempts, code="503") == total(sent, error_type="503", http_response_status_code="503") > 0
    assert total(sent, server_address="127.0.0.1", http_request_method="POST") == MESSAGES
