"""Ten thousand handled messages have the same figures in the log, the console, the Collector and Prometheus."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.backends import find, running_prometheus
from tests.support.consoles import running_console
from tests.support.otel_collector import attributes_of, built_otel_collector, running_otel_collector
from tests.support.processes import eventually

MESSAGES = 5000  # each is handled by two stages
TOPOLOGY = f"""
name: two
seed: 5
stages:
  start: {{role: injector, load: {{rate: 300/s, messages: {MESSAGES}}}, queue: {MESSAGES}, calls: [page]}}
  page: {{delay: 1ms, faults: ["error(503, 5%)"], queue: {MESSAGES}, calls: []}}
"""
EXPORTERS = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp"}
LONG = {
    "OTEL_EXPORTER_OTLP_TIMEOUT": "60000",
    "OTEL_BSP_MAX_QUEUE_SIZE": "100000",
    "OTEL_BLRP_MAX_QUEUE_SIZE": "100000",
}


@pytest.mark.backend("go")
@pytest.mark.backend("prometheus3")
@pytest.mark.timeout(960)
def test_every_backend_has_the_figures_of_the_log(tmp_path):
    """Spans by way of the console, log records in the Collector, metrics in Prometheus: none is lost or doubled."""
    find("prometheus3")
    (tmp_path / "two.yaml").write_text(TOPOLOGY)
    received = tmp_path / "received"
    received.mkdir()
    with (
        running_otel_collector(built_otel_collector(tmp_path), received) as collector,
        running_prometheus(tmp_path, {}, name="prometheus3", options=("--web.enable-otlp-receiver",)) as prometheus,
    ):
        to = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http,
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{prometheus.base}/api/v1/otlp/v1/metrics",
        }
        with running_console(tmp_path, tmp_path / "two.yaml", **EXPORTERS, **LONG, **to) as shown:
            assert shown.running.process.wait(240) == 0, shown.running.errors.read_text()
            lines = {name: shown.running.log(name) for name in ("start", "page")}
            report = shown.running.errors.read_text()
        assert "were not forwarded" not in report and "did not arrive" not in report
        handled = {name: [line for line in lines[name] if line["event"] == "message.handled"] for name in lines}
        outcomes = Counter((name, line["outcome"]) for name in lines for line in handled[name])
        assert sum(outcomes.values()) == 2 * MESSAGES and ("page", "faulted") in outcomes

        spans = Counter()
        ids = set()
        for resource, span in collector.items("traces"):
            attributes = attributes_of(span)
            ids.add(span["spanId"])
            if "simulator.outcome" in attributes:
                spans[resource["service.name"], attributes["simulator.outcome"]] += 1
        assert spans == outcomes
        assert {line["span_id"] for name in lines for line in handled[name]} <= ids
        records = Counter(
            (resource["service.name"], record["eventName"]) for resource, record in collector.items("logs")
        )
        assert records == Counter((name, line["event"]) for name in lines for line in lines[name])

        def counted():
            found = prometheus.query("simulator_messages_total > 0")
            return {
                (series["metric"]["stage"], series["metric"]["outcome"]): float(series["value"][1]) for series in found
            }

        def the_last_export_has_come():
            assert counted() == outcomes

        eventually(the_last_export_has_come)
        durations = prometheus.value('sum(http_server_request_duration_seconds_count{stage="page"})')
        assert durations == MESSAGES
