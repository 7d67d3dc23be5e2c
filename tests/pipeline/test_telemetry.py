"""What a stage shows goes where OpenTelemetry's variables say, and what does not arrive is counted."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import simulator
from tests.support.answering import answering
from tests.support.processes import eventually, run, running_stage

MESSAGES, SPANS_EACH = 400, 2  # of a stage that has a delay and calls nobody: the server's and process
WITH_A_DELAY = ("--delay", "constant(1ms)")
BATCH_SPANS = 128
SPANS_OF_A_MESSAGE = 3  # the servers of both stages of the topology, and the call between them
TOPOLOGY = "name: two\nstages:\n  start: {role: injector, load: {rate: 5/s}, calls: [page]}\n  page: {calls: []}\n"


def exporting(server, **more):
    return {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": server.address, **more}


def span_count(request):
    found = ExportTraceServiceRequest.FromString(request.body)
    return sum(len(scope.spans) for resource in found.resource_spans for scope in resource.scope_spans)


def resource_of(request):
    resource = ExportTraceServiceRequest.FromString(request.body).resource_spans[0].resource
    return {attribute.key: attribute.value.string_value for attribute in resource.attributes}


def post(url, count=1):
    with requests.Session() as session:
        for _ in range(count):
            assert session.post(url, json={"n": 1}, timeout=30).status_code == 200


def test_with_a_slow_collector_every_span_arrives_or_is_counted(tmp_path):
    """A collector that takes a second for each batch has not got them all at a stop; the rest is counted and told."""
    posted, over = threading.Event(), threading.Event()

    def take_a_second():
        posted.wait(60)  # so that most batches are still to come when the stage is stopped
        over.wait(1.0)

    with answering(before=take_a_second) as collector:
        environment = exporting(collector, OTEL_EXPORTER_OTLP_TIMEOUT="60000")
        with running_stage(tmp_path, *WITH_A_DELAY, environment=environment) as stage:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda _: post(stage.url, MESSAGES // 4), range(4)))
            posted.set()
            assert stage.stop() == 0
            (stopped,), (dropped,) = stage.events("stage.stopped"), stage.events("telemetry.spans_dropped")
        over.set()
    received = sum(map(span_count, collector.requests))
    assert stopped["spans_dropped"] == dropped["spans_dropped"] > 0
    # The batch in flight at the end is counted as lost, though it may still arrive.
    assert 0 <= received + stopped["spans_dropped"] - MESSAGES * SPANS_EACH <= BATCH_SPANS


def test_a_stage_is_the_service_that_the_environment_names(tmp_path):
    """Name and attributes, the password of the URL, and a proxy that must not be used: all as the variables say."""
    with answering() as collector, answering() as proxy:
        environment = exporting(
            collector,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.address.replace("//", "//ann:s3cret@"),
            OTEL_SERVICE_NAME="shop-cart",
            OTEL_RESOURCE_ATTRIBUTES="service.namespace=shop,service.version=9,deployment.environment.name=test",
            HTTP_PROXY=proxy.address,
            all_proxy=proxy.address,
        )
        with running_stage(tmp_path, environment=environment) as stage:
            post(stage.url)
            eventually(lambda: collector.requests[0])
            assert stage.stop() == 0
            log = stage.log_path.read_text()
            services = {line["service"] for line in stage.log()}
    found = resource_of(collector.requests[0])
    assert {key: found[key] for key in ("service.name", "service.namespace", "service.version")} == {
        "service.name": "shop-cart",
        "service.namespace": "shop",
        "service.version": "9",
    }
    assert found["deployment.environment.name"] == "test"
    assert (found["telemetry.distro.name"], found["telemetry.distro.version"]) == (
        "web-service-simulator",
        simulator.__version__,
    )
    assert services == {"shop-cart"}
    assert collector.requests[0].headers["authorization"] == f"Basic {base64.b64encode(b'ann:s3cret').decode()}"
    assert proxy.requests == []
    assert "s3cret" not in log


def test_what_can_t_be_heeded_is_told_at_the_start(tmp_path):
    """An endpoint without a scheme and a variable without effect are named in warnings, and the stage works."""
    environment = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "ann:s3cret@127.0.0.1:4318",
        "OTEL_TRACES_SAMPLER_ARG": "0.5",
    }
    with running_stage(tmp_path, *WITH_A_DELAY, environment=environment) as stage:
        post(stage.url)
        assert stage.stop() == 0
        warnings = {line["event"]: line for line in stage.log() if line["level"] == "warning"}
        (stopped,) = stage.events("stage.stopped")
        log = stage.log_path.read_text()
    assert warnings["configuration.ignored"]["variable"] == "OTEL_TRACES_SAMPLER_ARG"
    assert "must begin with a scheme" in warnings["telemetry.endpoint_unusable"]["hint"]
    assert stopped["spans_dropped"] == SPANS_EACH
    assert "s3cret" not in log


@pytest.mark.parametrize("command", ["stage", "run"])
def test_a_wrong_variable_ends_a_command_with_a_line(tmp_path, command):
    """Values on which OpenTelemetry breaks while it is imported are exit code 2, a line for each and no traceback."""
    (tmp_path / "two.yaml").write_text(TOPOLOGY)
    arguments = ["stage", "--config", "/dev/null", "--port", "0"] if command == "stage" else ["run", "two.yaml"]
    wrong = {"OTEL_PROPAGATORS": "b33", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "-1"}
    finished = run(*arguments, cwd=tmp_path, environment=wrong)
    assert (finished.returncode, finished.stdout) == (2, "")
    title, *lines = finished.stderr.splitlines()
    assert title == "2 mistakes:"
    assert [line.split(":")[0] for line in lines] == [f"environment {variable}" for variable in wrong]


def test_without_the_sdk_nothing_names_a_trace(tmp_path):
    """With OTEL_SDK_DISABLED=true neither an answer nor a line of the log has a trace's id."""
    with running_stage(tmp_path, environment={"OTEL_SDK_DISABLED": "true"}) as stage:
        answer = requests.post(stage.url, json={"n": 1}, timeout=30)
        metrics = requests.get(f"{stage.base}/metrics", headers={"Accept": "application/openmetrics-text"}, timeout=30)
        assert stage.stop() == 0
        log = stage.log_path.read_text()
    assert "trace_id" not in answer.text
    assert "X-Trace-Id" not in answer.headers
    assert "message.handled" in log
    assert "trace_id" not in log
    assert "trace_id" not in metrics.text


def test_a_run_tells_which_spans_did_not_arrive(tmp_path):
    """Spans that no collector took, and those that the console could not pass on, are told at the end, once each."""
    (tmp_path / "two.yaml").write_text(TOPOLOGY)
    with answering() as collector:
        pass
    for console, told in (("1", "spans reached the console, but not your collector"), ("0", "spans did not arrive")):
        environment = exporting(
            collector,
            SIMULATOR_CONSOLE=console,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.address.replace("//", "//ann:s3cret@"),
        )
        finished = run("run", "two.yaml", "--messages", "3", "--report", "r", cwd=tmp_path, environment=environment)
        assert finished.returncode == 0
        assert finished.stderr.count(told) == 1
        assert "s3cret" not in finished.stdout + finished.stderr
        report = json.loads((tmp_path / "r" / "report.json").read_text())
        lost = {"1": report["spans_not_passed_on"], "0": sum(report["spans_dropped"].values())}
        assert lost[console] == 3 * SPANS_OF_A_MESSAGE
        for file in (tmp_path / "r").rglob("*"):
            assert not file.is_file() or b"s3cret" not in file.read_bytes(), file
