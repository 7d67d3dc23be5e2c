"""`verify` with real backends behind a real Collector: what it does to telemetry is found, and nothing else.

One run goes through a Collector with several ways; each does one thing to its spans before a Jaeger of its own.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.backends import find, free_ports, running_prometheus
from tests.support.jaegers import running_jaeger
from tests.support.otel_collector import TracePipeline, built_otel_collector, running_otel_collector
from tests.support.processes import run, running_topology, wait_for

MESSAGES = 240
SLOW_MS = 1000  # far more than a message takes here that is not slowed down, even on a busy machine
TOPOLOGY = f"""
name: piped
seed: 5
stages:
  start: {{role: injector, load: {{rate: 20/s, messages: {MESSAGES}}}, queue: {MESSAGES}, calls: [page]}}
  page:
    delay: "mixture(95%: constant(5ms), 5%: constant(1.1s))"
    log: ["page of {{message_id}}", {{level: warning, message: "again"}}]
    calls: [{{to: store, retries: "retries(2, backoff=5ms)"}}, {{parallel: [cache, audit]}}]
  store: {{delay: exponential(15ms), faults: ["error(503, 10%)"], calls: []}}
  cache: {{kind: cache, system: redis, delay: 1ms, calls: []}}
  audit: {{delay: 1ms, forward: accept, calls: [{{delay: 2ms}}]}}
"""
EXPORTERS = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_BSP_SCHEDULE_DELAY": "1000",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "30000",
}
PAGE = 'resource.attributes["service.name"] == "page"'
TWO_SECONDS = 2 * 10**9
WAYS = {
    "untouched": {},
    "sampled": {"probabilistic_sampler": {"sampling_percentage": 10}},
    "dropped": {"filter": {"traces": {"span": ['resource.attributes["service.name"] == "store"']}}},
    "renamed": {
        "attributes": {
            "actions": [
                {"key": "http.status_code", "from_attribute": "http.response.status_code", "action": "insert"},
                {"key": "http.response.status_code", "action": "delete"},
            ]
        }
    },
    "skewed": {
        "transform": {
            "trace_statements": [
                {
                    "context": "span",
                    "conditions": [PAGE],
                    "statements": [
                        f"set(span.{time}_time_unix_nano, span.{time}_time_unix_nano + {TWO_SECONDS})"
                        for time in ("start", "end")
                    ],
                }
            ]
        }
    },
}
TAIL = {
    "tail_sampling": {
        # Every span of a trace must have come by then: each stage sends what it has once a second, if it gets to it.
        "decision_wait": "15s",
        "policies": [
            {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
            {"name": "slow", "type": "latency", "latency": {"threshold_ms": SLOW_MS}},
        ],
    }
}
pytestmark = [pytest.mark.calm, pytest.mark.backend("go"), pytest.mark.backend("jaeger"), pytest.mark.timeout(960)]


@dataclass(frozen=True)
class Piped:
    """A run that is over: its folder, that of the Collector's files, and the address of each way's Jaeger."""

    run: Path
    files: Path
    jaegers: dict[str, str]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return built_otel_collector(tmp_path_factory.mktemp("otelcol"))


@pytest.fixture(scope="module")
def piped(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("piped")
    with contextlib.ExitStack() as running:
        jaegers = {name: running.enter_context(running_jaeger(folder / name)) for name in [*WAYS, "doubled"]}
        ways = [
            TracePipeline(name=name, processors=named(name, processors), sends_to=jaegers[name].otlp)
            for name, processors in WAYS.items()
        ]
        ways += [
            TracePipeline(name=f"doubled-{number}", processors={}, sends_to=jaegers["doubled"].otlp)
            for number in (1, 2)
        ]
        ways += [TracePipeline(name="tail", processors=named("tail", TAIL))]
        collector = running.enter_context(running_otel_collector(program, folder, pipelines=ways))
        environment = {**EXPORTERS, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http}
        with running_topology(folder, TOPOLOGY, "--no-console", environment=environment) as ran:
            assert ran.process.wait(120) == 0, ran.errors.read_text()
            assert "did not arrive" not in ran.errors.read_text()
            report = ran.report_folder
        yield Piped(report, folder, {name: jaeger.api for name, jaeger in jaegers.items()})


def named(name, processors):
    return {f"{kind}/{name}": processor for kind, processor in processors.items()}


def verdict(folder, run_folder, *flags, code):
    """Return what `verify` found, as {name of the finding: finding}; a backend gets time until all has arrived."""
    done = run("verify", "--run", str(run_folder), "--json", "--settle", "30s", *flags, cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    [backend] = json.loads(done.stdout)["backends"]
    return {finding["name"]: finding for check in backend["checks"] for finding in check["findings"]}


def only(findings, name):
    assert list(findings) == [name], findings
    return findings[name]


def test_nothing_is_found_where_nothing_was_touched(piped, tmp_path):
    """Spans in Jaeger; spans, lines and counts in the Collector's files; the logs of the run itself."""
    assert verdict(tmp_path, piped.run, "--jaeger", piped.jaegers["untouched"], code=0) == {}
    for signal in ("traces", "logs", "metrics"):
        assert verdict(tmp_path, piped.run, "--otlp-file", str(piped.files / f"{signal}.jsonl"), code=0) == {}
    assert verdict(tmp_path, piped.run, "--logs", str(piped.run / "logs"), code=0) == {}


def test_a_sampler_of_10_percent_is_found_and_may_be_expected(piped, tmp_path):
    """Whole traces are missing; where 10% are expected, nothing is wrong, and where 50% are, the share is."""
    sampled = "--jaeger", piped.jaegers["sampled"], "--settle", "10s"
    found = only(verdict(tmp_path, piped.run, *sampled, code=1), "traces missing")
    # Beyond four standard deviations of the binomial: sqrt(240 * 0.1 * 0.9) = 4.6.
    assert found["total"] == MESSAGES and abs(found["count"] - 0.9 * MESSAGES) < 19
    assert "as with a sampler that keeps" in found["meaning"]
    assert verdict(tmp_path, piped.run, *sampled, "--expect", "sampling: 10%", code=0) == {}
    only(verdict(tmp_path, piped.run, *sampled, "--expect", "sampling: 50%", code=1), "sampling share")


def test_a_dropped_service_is_found(piped, tmp_path):
    """By its name, and no trace is called incomplete for it."""
    found = only(verdict(tmp_path, piped.run, "--jaeger", piped.jaegers["dropped"], code=1), "service missing")
    assert found["meaning"].startswith("no span of store is there")


def test_a_renamed_attribute_is_found_with_both_names(piped, tmp_path):
    """In every span that has it."""
    found = only(verdict(tmp_path, piped.run, "--jaeger", piped.jaegers["renamed"], code=1), "attribute renamed")
    assert found["meaning"].startswith("http.response.status_code is http.status_code there")
    assert found["count"] == found["total"] > 4 * MESSAGES


def test_a_clock_that_is_2_seconds_ahead_is_found(piped, tmp_path):
    """In one service, by how much."""
    found = only(verdict(tmp_path, piped.run, "--jaeger", piped.jaegers["skewed"], code=1), "clock skew")
    assert found["meaning"].startswith("the clock of page is 2.000 s ahead")


def test_spans_that_came_twice_are_found(piped, tmp_path):
    """Jaeger holds both, and removes none when it is asked for what it has."""
    found = only(verdict(tmp_path, piped.run, "--jaeger", piped.jaegers["doubled"], code=1), "spans doubled")
    assert found["count"] > 10 * MESSAGES


def test_a_tail_sampler_keeps_what_its_rules_say(piped, tmp_path):
    """All traces with an error and all slower than the limit, whole, and no others; a head sampler keeps few."""
    file = str(piped.files / "traces-tail.jsonl")
    rules = "keep: errors", f"keep: slower than {SLOW_MS}ms"
    flags = [text for rule in rules for text in ("--expect", rule)]
    assert verdict(tmp_path, piped.run, "--otlp-file", file, *flags, code=0) == {}
    head = "--jaeger", piped.jaegers["sampled"], "--settle", "0s"
    found = verdict(tmp_path, piped.run, *head, "--expect", "sampling: 10%, keep: errors", code=1)
    assert 0 < only(found, "kept traces missing")["count"] < MESSAGES


def test_a_collector_that_was_down_for_3_seconds_is_a_gap(program, tmp_path):
    """In spans and lines: nothing is missing before and after, and the counts at the end are whole."""
    ports = free_ports(2)
    short = {"OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_BLRP_SCHEDULE_DELAY": "200", "OTEL_EXPORTER_OTLP_TIMEOUT": "300"}
    environment = {**EXPORTERS, **short, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{ports[0]}"}
    files = tmp_path / "files"
    files.mkdir()
    with contextlib.ExitStack() as first:
        first.enter_context(running_otel_collector(program, files, ports=ports))
        flags = "--no-console", "--messages", "400"
        with running_topology(tmp_path, TOPOLOGY, *flags, environment=environment) as ran:
            wait_for(lambda: (files / "traces.jsonl").stat().st_size > 50_000, "spans")
            first.close()
            time.sleep(3)  # it is down; that is what is tested
            with running_otel_collector(program, files, ports=ports):
                assert ran.process.wait(120) == 0, ran.errors.read_text()
                found = verdict(tmp_path, ran.report_folder, "--otlp-file", str(files), "--settle", "3s", code=1)
    gap = only(found, "gap in time")
    assert "what takes them was down, or full" in gap["meaning"]


@pytest.mark.backend("prometheus3")
def test_counts_are_whole_in_prometheus_by_otlp_and_what_it_does_not_scrape_is_found(tmp_path):
    """What is pushed at the end is all; scrapes have nothing of stages that are not asked."""
    find("prometheus3")
    topology = TOPOLOGY.replace("  page:\n", "  page:\n    port: PORT\n", 1)
    [port] = free_ports(1)
    pushed, scraped = tmp_path / "pushed", tmp_path / "scraped"
    for folder in (pushed, scraped):
        folder.mkdir()
    receiver = ("--web.enable-otlp-receiver",)
    with (
        running_prometheus(pushed, {}, name="prometheus3", options=receiver) as receiving,
        running_prometheus(scraped, {"page": f"127.0.0.1:{port}"}, name="prometheus3") as asking,
    ):
        environment = {
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{receiving.base}/api/v1/otlp/v1/metrics",
        }
        text = topology.replace("PORT", str(port))
        with running_topology(tmp_path, text, "--no-console", environment=environment) as ran:
            assert ran.process.wait(120) == 0, ran.errors.read_text()
        assert verdict(tmp_path, ran.report_folder, "--prometheus", receiving.base, code=0) == {}
        found = verdict(tmp_path, ran.report_folder, "--prometheus", asking.base, "--settle", "0s", code=1)
    # What page counted after the last scrape, if anything, is missing as well.
    assert {"series missing"} <= set(found) <= {"series missing", "counts missing"}
    assert "stage=audit" in str(found["series missing"]["examples"])
    if "counts missing" in found:
        assert "before the end of the run: what came later was not scraped" in found["counts missing"]["meaning"]
