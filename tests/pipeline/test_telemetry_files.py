"""`run --telemetry DIR`: what the console's own receiver reads in the files is what the run has shown elsewhere."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from simulator.console.otlp.accepted import LOGS, METRICS, TRACES
from simulator.console.otlp.json_form import json_reader
from simulator.console.turns import Turns
from tests.support.collector import collector, log_records_of
from tests.support.processes import read_log, run, running_stage
from tests.support.wire import post

MESSAGES = 60
TOPOLOGY = f"""
name: files
seed: 4
stages:
  start: {{role: injector, load: {{rate: 100/s, messages: {MESSAGES}}}, calls: [page]}}
  page: {{delay: constant(1ms), calls: [store]}}
  store: {{role: terminator, instances: 2}}
"""


def requests_in(path, signal):
    """Read each line of a file as the console reads a request in JSON."""
    read = json_reader(signal, Turns())
    return [read(line) for line in path.read_bytes().split(b"\n")[:-1]]


def span_ids(requests):
    parts = (scope for request in requests for part in request.resource_spans for scope in part.scope_spans)
    return [span.span_id.hex() for part in parts for span in part.spans]


def handled_in(requests):
    """Add up the messages that each service has handled, over its instances, which each say it once."""
    found = Counter()
    for part in (part for request in requests for part in request.resource_metrics):
        (service,) = (a.value.string_value for a in part.resource.attributes if a.key == "service.name")
        for metric in part.scope_metrics[0].metrics:
            if metric.name == "simulator.messages":
                found[service] += sum(point.as_int for point in metric.sum.data_points)
    return found


@pytest.mark.parametrize("flags", [("--processes", "1"), ("--processes", "100", "--console")], ids=["packed", "apart"])
def test_the_files_have_all_that_a_run_shows(tmp_path, flags):
    """Spans, log records and metrics of all processes are in three files, beside a console and a collector or not."""
    (tmp_path / "files.yaml").write_text(TOPOLOGY)
    with collector() as received:
        environment = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT": "30000", **received.environment}
        command = ("run", "files.yaml", "--telemetry", "told", *flags)
        finished = run(*command, cwd=tmp_path, environment=environment)
        arrived = Counter(span.span_id for span in received.spans())
    assert finished.returncode == 0, finished.stderr
    assert "telemetry is written to" in finished.stderr
    told = tmp_path / "told"
    assert Counter(span_ids(requests_in(told / "traces.jsonl", TRACES))) == arrived
    assert len(arrived) > 4 * MESSAGES
    records = [
        (found.service, found.record.event_name, found.record.span_id.hex())
        for request in requests_in(told / "logs.jsonl", LOGS)
        for found in log_records_of(request.SerializeToString())
    ]
    lines = [line for path in (tmp_path / "runs" / "files" / "logs").glob("*.jsonl") for line in read_log(path)]
    assert Counter(records) == Counter((line["service"], line["event"], line.get("span_id", "")) for line in lines)
    handled = handled_in(requests_in(told / "metrics.jsonl", METRICS))
    assert handled == {"start": MESSAGES, "page": MESSAGES, "store": MESSAGES}


def test_a_second_run_replaces_the_files(tmp_path):
    """The files are those of the last run; without a collector named none is looked for, and nothing counts as lost."""
    (tmp_path / "files.yaml").write_text(TOPOLOGY)
    environment = {"OTEL_TRACES_EXPORTER": "", "SIMULATOR_TELEMETRY": "told"}
    sizes = []
    for _ in range(2):
        finished = run("run", "files.yaml", cwd=tmp_path, environment=environment)
        assert "did not arrive" not in finished.stderr
        sizes.append(len(span_ids(requests_in(tmp_path / "told" / "traces.jsonl", TRACES))))
    assert sizes[0] == sizes[1] > 4 * MESSAGES


def test_a_folder_that_can_t_be_written(tmp_path):
    """It is refused before anything starts."""
    (tmp_path / "files.yaml").write_text(TOPOLOGY)
    (tmp_path / "told").write_text("")
    finished = run("run", "files.yaml", "--telemetry", "told", cwd=tmp_path)
    assert finished.returncode == 2
    assert "the folder told for telemetry can't be written" in finished.stderr


def test_a_stage_shows_spans_and_metrics_on_standard_output(tmp_path):
    """With the exporter `console` they are lines of OTLP's JSON between those of the log; in a run they are not had."""
    environment = {
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "console",
        "OTEL_LOGS_EXPORTER": "console",
    }
    with running_stage(tmp_path, environment=environment) as stage:
        for _ in range(3):
            post(stage.port, b"hi")
        assert stage.stop() == 0
    lines = [json.loads(line) for line in stage.log_path.read_bytes().splitlines()]
    assert Counter(line["event"] for line in lines if "event" in line)["message.handled"] == 3
    spans = [line for line in lines if "resourceSpans" in line]
    names = [span["name"] for line in spans for span in line["resourceSpans"][0]["scopeSpans"][0]["spans"]]
    assert names.count("POST /messages") == 3
    assert any("resourceMetrics" in line for line in lines)
    (tmp_path / "files.yaml").write_text(TOPOLOGY)
    finished = run("run", "files.yaml", cwd=tmp_path, environment=environment)
    assert finished.returncode == 0
    for variable in ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"):
        assert f"{variable} is ignored: console is for a stage on its own" in finished.stderr


def test_a_dead_collector_costs_the_files_nothing(tmp_path):
    """Of two destinations of which one is dead, the other has everything, and what the dead one lost is counted."""
    (tmp_path / "files.yaml").write_text(TOPOLOGY)
    exporters = {f"OTEL_{signal}_EXPORTER": "otlp" for signal in ("TRACES", "METRICS", "LOGS")}
    environment = {**exporters, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    finished = run("run", "files.yaml", "--telemetry", "told", cwd=tmp_path, environment=environment)
    assert finished.returncode == 0, finished.stderr
    assert "The ledger balances" in finished.stderr
    told = tmp_path / "told"
    spans = span_ids(requests_in(told / "traces.jsonl", TRACES))
    report = json.loads((tmp_path / "runs" / "files" / "report.json").read_text())
    assert sum(report["spans_dropped"].values()) == len(spans) > 4 * MESSAGES
    assert sum(report["log_records_dropped"].values()) > 2 * MESSAGES
    assert sum(report["data_points_dropped"].values()) > 0
    for noun in ("spans", "log records", "data points"):
        assert f" {noun} did not arrive where" in finished.stderr
    assert handled_in(requests_in(told / "metrics.jsonl", METRICS)) == dict.fromkeys(
        ("start", "page", "store"), MESSAGES
    )
