"""The real OpenTelemetry Collector takes what a stage sends, and has the same figures."""

import gzip
import json
from collections import Counter

import pytest
import requests

from tests.support.backends import free_port
from tests.support.consoles import running_console
from tests.support.otel_collector import attributes_of, built_otel_collector, running_otel_collector
from tests.support.processes import eventually, running_stage, running_topology

MESSAGES = 40
EXPORTERS = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp"}
TOPOLOGY = """
name: two
stages:
  source: {role: injector, load: {rate: 50/s}, calls: [page]}
  page: {delay: 1ms}
"""
FOREIGN = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "foreign"}}]},
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                            "spanId": "00f067aa0ba902b7",
                            "name": "GET /",
                            "kind": 2,
                            "startTimeUnixNano": "1700000000000000000",
                            "endTimeUnixNano": "1700000000001000000",
                        }
                    ]
                }
            ],
        }
    ]
}
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


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_every_span_arrives_with_its_times_and_attributes(collector, tmp_path, protocol, compression):
    """The Collector's spans are those of the log: the same ids, outcomes and durations."""
    environment = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.grpc if protocol == "grpc" else collector.http,
    }
    flags = ("--delay", "exponential(2ms)", "--faults", "error(503, 30%)", "--seed", "7")
    with running_stage(tmp_path, *flags, environment=environment) as stage:
        send_messages(stage)
        assert stage.stop() == 0
        (stopped,) = stage.events("stage.stopped")
        handled = {line["span_id"]: line for line in stage.events("message.handled")}
    assert len(handled) == MESSAGES
    assert stopped["spans_dropped"] == 0

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


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_log_records_and_metrics_arrive_as_they_are_shown(collector, tmp_path, protocol):
    """Every line is a record with its ids and keys, and the last figures are those of /metrics."""
    environment = {
        **EXPORTERS,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.grpc if protocol == "grpc" else collector.http,
    }
    with running_stage(tmp_path, "--faults", "error(503, 30%)", "--seed", "7", environment=environment) as stage:
        send_messages(stage)
        shown = stage.samples()
        assert stage.stop() == 0
        lines = stage.log()

    def all_arrived():
        records = [record for _, record in collector.items("logs")]
        assert [(record["eventName"], record.get("traceId", "")) for record in records] == [
            (line["event"], line.get("trace_id", "")) for line in lines
        ]
        handled = [attributes_of(record) for record in records if record["eventName"] == "message.handled"]
        assert [found["duration_seconds"] for found in handled] == [
            line["duration_seconds"] for line in lines if line["event"] == "message.handled"
        ]
        points = {
            (metric["name"], frozenset(attributes_of(point).items())): point
            for _, metric in collector.items("metrics")  # the last one counts
            for kind in ("sum", "gauge", "histogram")
            for point in metric.get(kind, {}).get("dataPoints", ())
        }
        for (name, labels), value in shown.items():
            if name == "simulator_messages_total":
                assert int(points["simulator.messages", labels]["asInt"]) == value
        durations = [point for (name, _), point in points.items() if name == "http.server.request.duration"]
        assert sum(int(point["count"]) for point in durations) == MESSAGES

    eventually(all_arrived)


def test_a_console_forwards_to_it_over_grpc(collector, tmp_path):
    """Spans of a run, and those of another service that sends JSON in gzip, which is nothing for gRPC."""
    (tmp_path / "two.yaml").write_text(TOPOLOGY)
    environment = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.grpc}
    with running_console(tmp_path, tmp_path / "two.yaml", "--messages", "20", **environment) as shown:
        body = gzip.compress(json.dumps(FOREIGN).encode())
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        answer = requests.post(f"{shown.origin}/v1/traces", data=body, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        assert shown.running.process.wait(60) == 0, shown.running.errors.read_text()
        lines = [line for name in ("source", "page") for line in shown.running.log(name)]
    handled = {line["span_id"] for line in lines if line["event"] == "message.handled"}
    assert len(handled) == 40
    services = {span["spanId"]: resource["service.name"] for resource, span in collector.items("traces")}
    assert handled <= set(services)
    assert services["00f067aa0ba902b7"] == "foreign"


def test_a_console_takes_grpc_as_it_forwards_it(collector, tmp_path):
    """Spans, log records and metrics of a service that is not of the run; its spans reach the Collector, too."""
    (tmp_path / "two.yaml").write_text(TOPOLOGY)
    port = free_port()
    environment = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.grpc}
    own = {
        **EXPORTERS,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
    }
    flags = ("--console-grpc-port", str(port))
    with running_console(tmp_path, tmp_path / "two.yaml", *flags, **environment) as shown:
        assert f"OTLP over gRPC: http://127.0.0.1:{port}" in shown.running.errors.read_text()
        with running_stage(tmp_path, environment=own, name="guest") as guest:
            send_messages(guest)
            assert guest.stop() == 0
            (stopped,) = guest.events("stage.stopped")
            traces = {line["trace_id"] for line in guest.events("message.handled")}
        for item in ("spans", "log_records", "data_points"):
            assert stopped[f"{item}_dropped"] == 0
        services = requests.get(f"{shown.origin}/api/services", timeout=30).json()["data"]
        assert "guest" in services
        for trace in traces:
            answer = requests.get(f"{shown.origin}/api/v3/traces/{trace}", timeout=30)
            assert answer.status_code == 200, answer.text
        assert shown.running.interrupt(60) == 0, shown.running.errors.read_text()
    forwarded = {span["traceId"] for resource, span in collector.items("traces") if resource["service.name"] == "guest"}
    assert forwarded == traces


def test_it_reads_the_files_of_a_run(program, tmp_path):
    """`run --telemetry` writes what the receiver of files takes in: every span, every line and the figures."""
    files, out = tmp_path / "otlp", tmp_path / "collector"
    out.mkdir()
    environment = {"OTEL_TRACES_EXPORTER": "otlp"}
    flags = ("--telemetry", str(files), "--messages", str(MESSAGES))
    with running_topology(tmp_path, TOPOLOGY, *flags, environment=environment) as running:
        assert running.process.wait(60) == 0, running.errors.read_text()
        lines = [line for name in ("source", "page") for line in running.log(name)]
    handled = Counter(line["span_id"] for line in lines if line["event"] == "message.handled")
    assert sum(handled.values()) == 2 * MESSAGES
    with running_otel_collector(program, out, reads=f"{files}/*.jsonl") as collector:

        def all_read():
            spans = {span["spanId"] for _, span in collector.items("traces")}
            assert set(handled) <= spans
            events = Counter(record["eventName"] for _, record in collector.items("logs"))
            assert events == Counter(line["event"] for line in lines)
            metrics = [(resource["service.name"], metric) for resource, metric in collector.items("metrics")]
            last = {name: metric for name, metric in metrics if metric["name"] == "simulator.messages"}
            for name in ("source", "page"):
                points = last[name]["sum"]["dataPoints"]
                assert sum(int(point["asInt"]) for point in points) == MESSAGES

        eventually(all_read)
