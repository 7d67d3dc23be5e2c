"""The variables of the environment, in processes as a user starts them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from simulator.commands.variable_catalogue import COMMAND_VARIABLES
from simulator.telemetry.catalogue.unused_variables import UNUSED
from simulator.telemetry.catalogue.variables import VARIABLES
from simulator.topology.catalogue import flags
from tests.support.answering import answering
from tests.support.backends import free_ports
from tests.support.processes import PROGRAM, clean_environment, read_log, run, running_stage, wait_for

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TWO = "name: two\nstages:\n  front: {calls: [back]}\n  back: {calls: []}\n"
# Records the variables that a Python process reads, from its beginning.
RECORDER = """
import os
_get = os._Environ.__getitem__
def recorded(self, key):
    with open({path!r}, "a") as file:
        file.write(f"{{key}}\\n")
    return _get(self, key)
os._Environ.__getitem__ = recorded
"""
OURS = re.compile(r"(OTEL|SIMULATOR)_.*|(?i:https?|all|no)_(proxy|PROXY)|(REQUESTS|CURL)_CA_BUNDLE|SSL_CERT_.*")


@contextmanager
def running_stages(folder, *names, environment):
    """Run `stage --topology` with stages of TWO; yield a function that returns the lines of the log."""
    ports = dict(zip(("front", "back"), free_ports(2), strict=True))
    text = TWO
    for name, port in ports.items():
        text = text.replace(f"{name}: {{", f"{name}: {{host: 127.0.0.1, port: {port}, ")
    (folder / "two.yaml").write_text(text)
    command = [sys.executable, str(PROGRAM), "stage", "--topology", str(folder / "two.yaml")]
    command += [text for name in names for text in ("--stage", name)]
    log = folder / "log.jsonl"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, env=clean_environment(environment))
    try:
        wait_for(lambda: sum(x["event"] == "stage.started" for x in read_log(log)) == len(names), "the start", 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        yield read_log(log)
    finally:
        process.kill()
        process.wait()


def ignored(lines):
    return {line["variable"]: line["hint"] for line in lines if line["event"] == "configuration.ignored"}


@pytest.mark.parametrize("names", [("back",), ("front", "back")])
def test_a_stage_of_a_topology_keeps_its_name(tmp_path, names):
    """OTEL_SERVICE_NAME would give several the same one; each stage tells that it is not used."""
    given = {"OTEL_SERVICE_NAME": "shop", "OTEL_RESOURCE_ATTRIBUTES": "service.name=x,service.version=9"}
    with running_stages(tmp_path, *names, environment=given) as lines:
        assert {line["service"] for line in lines} == set(names)
        told = [(line["stage"], line["variable"]) for line in lines if line["event"] == "configuration.ignored"]
    assert sorted(told) == sorted((name, variable) for name in names for variable in given)


def test_what_has_no_effect_is_told_once(tmp_path):
    """By a stage in its log, by a run on standard error: unused, misspelt, and for something that is not done."""
    given = {
        "OTEL_CONFIG_FILE": "otel.yaml",
        "OTEL_SERVICENAME": "shop",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://127.0.0.1:1/v1/logs",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "junk",
    }
    with running_stage(tmp_path, environment=given) as stage:
        assert stage.stop() == 0
        told = ignored(stage.log())
        lines = [line for line in stage.log() if line["event"] == "configuration.ignored"]
    assert (set(told), len(lines)) == (set(given), len(given))
    assert "did you mean OTEL_SERVICE_NAME?" in told["OTEL_SERVICENAME"]
    assert "OTEL_LOGS_EXPORTER=otlp" in told["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"]
    (tmp_path / "two.yaml").write_text(TWO.replace("front: {", "front: {role: injector, load: {rate: 9/s}, "))
    finished = run("run", "two.yaml", "--messages", "1", "--no-console", cwd=tmp_path, environment=given)
    assert finished.returncode == 0
    assert [finished.stderr.count(f"{name} is ignored") for name in given] == [1] * len(given)


@pytest.mark.parametrize("opt_in", ["junk", "database", "HTTP"])
def test_spans_have_the_conventions_names_whatever_is_opted_in(tmp_path, opt_in):
    """OTEL_SEMCONV_STABILITY_OPT_IN adds to them, and a word that means nothing takes none away."""
    with answering() as collector:
        environment = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
        environment["OTEL_SEMCONV_STABILITY_OPT_IN"] = opt_in
        with running_stage(tmp_path, environment=environment) as stage:
            assert requests.post(stage.url, json={"n": 1}, timeout=30).ok
            assert stage.stop() == 0
        (span,) = spans_of(collector)
    assert {"http.request.method", "url.path"} <= {attribute.key for attribute in span.attributes}


def spans_of(collector):
    requests_ = [ExportTraceServiceRequest.FromString(request.body) for request in collector.requests]
    return [s for each in requests_ for part in each.resource_spans for scope in part.scope_spans for s in scope.spans]


def test_authorities_that_can_t_be_read_are_refused(tmp_path):
    """For a collector at https://, with the variable's name; where nothing is sent by TLS they do not matter."""
    (tmp_path / "junk.pem").write_text("junk")
    given = {"REQUESTS_CA_BUNDLE": str(tmp_path / "junk.pem")}
    command = ("stage", "--config", "/dev/null", "--port", "0")
    refused = run(
        *command,
        cwd=tmp_path,
        environment=given | {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "otlp"},
    )
    assert refused.returncode == 2
    assert "environment REQUESTS_CA_BUNDLE: there is no certificate in" in refused.stderr
    with running_stage(tmp_path, environment=given) as stage:
        assert stage.stop() == 0


def test_trace_context_comes_by_b3(tmp_path):
    """With the extra installed, in any case of its letters: a message is part of the caller's trace."""
    pytest.importorskip("opentelemetry.propagators.b3")
    with running_stage(tmp_path, environment={"OTEL_PROPAGATORS": "TraceContext,baggage,B3"}) as stage:
        answer = requests.post(stage.url, json={"n": 1}, headers={"b3": f"{TRACE_ID}-{SPAN_ID}-1"}, timeout=30)
        assert stage.stop() == 0
    assert answer.headers["X-Trace-Id"] == TRACE_ID


def test_trace_context_goes_on_by_jaeger(tmp_path):
    """With the extra installed, a called service finds the caller's trace in uber-trace-id."""
    pytest.importorskip("opentelemetry.propagators.jaeger")
    with answering() as called:
        environment = {"OTEL_PROPAGATORS": "jaeger", "OTEL_TRACES_EXPORTER": "none"}
        with running_stage(tmp_path, "--downstream", f"{called.address}/", environment=environment) as stage:
            came = {"uber-trace-id": f"{TRACE_ID}:{SPAN_ID}:0:1"}
            assert requests.post(stage.url, json={"n": 1}, headers=came, timeout=30).ok
            assert stage.stop() == 0
    assert called.requests[0].headers["uber-trace-id"].startswith(f"{TRACE_ID}:")
    assert "traceparent" not in called.requests[0].headers


def test_without_the_sdk_a_run_has_no_ids(tmp_path):
    """No line of a log, no header between stages and no metric of a run has a trace's id, not even zeros."""
    (tmp_path / "two.yaml").write_text(TWO.replace("front: {", "front: {role: injector, load: {rate: 9/s}, "))
    command = ("run", "two.yaml", "--messages", "3", "--report", "report")
    finished = run(*command, cwd=tmp_path, environment={"OTEL_SDK_DISABLED": "TRUE"})
    assert finished.returncode == 0, finished.stderr
    texts = [path.read_text() for path in (tmp_path / "report").rglob("*") if path.suffix in (".jsonl", ".json")]
    lines = [json.loads(line) for text in texts for line in text.splitlines() if '"event"' in line]
    assert sum(line["event"] == "message.handled" for line in lines) == 6
    assert not any("trace_id" in line or "span_id" in line for line in lines)
    assert not any("0" * 16 in text for text in texts)


def test_a_stage_reads_no_variable_that_is_in_no_catalogue(tmp_path):
    """OpenTelemetry's, our own, and those of proxies and authorities, whether the SDK reads them or our code."""
    read = tmp_path / "read.txt"
    (tmp_path / "sitecustomize.py").write_text(RECORDER.format(path=str(read)))
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    environment = {
        "PYTHONPATH": path,
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    with answering() as called:
        flag = ("--downstream", f"{called.address}/")
        with running_stage(tmp_path, *flag, environment=environment) as stage:
            assert requests.post(stage.url, json={"n": 1}, timeout=30).ok
            assert stage.stop() == 0
    names = {name for name in read.read_text().split() if OURS.fullmatch(name)}
    known = {name for variable in (*VARIABLES, *COMMAND_VARIABLES) for name in variable.names}
    known |= {*UNUSED, *(f"SIMULATOR_{key}" for key in flags())}
    assert "OTEL_TRACES_SAMPLER" in names and "SIMULATOR_DELAY" in names
    assert {name for name in names if name not in known and name.upper() not in known} == set()
