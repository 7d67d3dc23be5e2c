"""The real OpenTelemetry Collector takes what a stage sends, and has the same figures."""

from collections import Counter

import pytest
import requests

from tests.support.otel_collector import attributes_of, built_otel_collector, running_otel_collector
from tests.support.processes import eventually, running_stage

MESSAGES = 40
pytestmark = [pytest.mark.backend("go"), pytest.mark.timeout(960)]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return built_otel_collector(tmp_path_factory.mktemp("otelcol"))


@pytest.fixture
def collector(program, tmp_path):
    with running_otel_collector(program, tmp_path) as running:
        yield running


def send_messages(stage):
    for number in range(MESSAGES):
        answer = requests.post(stage.url, json={"number": number}, timeout=30)
        assert answer.status_code in (200, 503), answer.text


def test_every_span_arrives_with_its_times_and_attributes(collector, tmp_path):
    """The Collector's spans are those of the log: the same ids, outcomes and durations."""
    environment = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http}
    flags = ("--delay", "exponential(2ms)", "--faults", "error(503, 30%)", "--seed", "7")
    with running_stage(tmp_path, *flags, environment=environment) as stage:
        send_messages(stage)
        assert stage.stop() == 0
        handled = {line["span_id"]: line for line in stage.events("message.handled")}
    assert len(handled) == MESSAGES

    def all_arrived():
        servers = [(resource, span) for resource, span in collector.items("traces") if span["kind"] == 2]
        assert len(servers) == MESSAGES
        for resource, span in servers:
            line, attributes = handled[span["spanId"]], attributes_of(span)
            assert resource["service.name"] == line["service"] == "stage"
            assert span["traceId"] == line["trace_id"]
            assert attributes["simulator.outcome"] == line["outcome"]
            assert attributes["http.response.status_code"] == line["code"]
            seconds = (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e9
            assert seconds == pytest.approx(line["duration_seconds"], abs=2e-6)
        outcomes = Counter(attributes_of(span)["simulator.outcome"] for _, span in servers)
        assert outcomes == Counter(line["outcome"] for line in handled.values())
        assert set(outcomes) == {"delivered", "faulted"}

    eventually(all_arrived)
