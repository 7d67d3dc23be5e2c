"""`run --stack`: a pipeline with real Jaeger and real Prometheus, and what they observe."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests

from simulator.render.jaeger import DEFAULT_PORTS
from tests.support.backends import Prometheus, find
from tests.support.collector import ERROR, SERVER
from tests.support.drawn import is_struck
from tests.support.generators import GENERATORS, sent_by
from tests.support.jaeger import attribute, spans_of
from tests.support.processes import ROOT, RunningTopology, running_topology, wait_for
from tests.support.wire import post

pytestmark = pytest.mark.calm
PIPELINE = ROOT / "topologies" / "pipeline.yaml"
STAGES = ("injector", "parse", "enrich", "archive")
MARKED = 500
SEED = 9
SENDERS = 4


@dataclass(frozen=True)
class Seen:
    """A run with its backends: {message id: (status, trace id)} of the marked messages."""

    running: RunningTopology
    jaeger: str
    prometheus: Prometheus
    marked: dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Send 500 messages of our own through a pipeline with a small load and a few faults.

    As fast as a few senders are answered, and the load as low as the backends need it, so that a slow machine has no
    more to do than it can.
    """
    for program in ("prometheus", "jaeger"):
        find(program)
    flags = ("--stack", "--rate", "5/s", "--seed", str(SEED), "--set", "enrich.faults=error(503, 5%)")
    environment = {"OTEL_TRACES_EXPORTER": "otlp"}
    folder = tmp_path_factory.mktemp("stack")
    with taking_the_known_ports(), running_topology(folder, PIPELINE, *flags, environment=environment) as running:

        def told():
            found = dict(re.findall(r"^(jaeger|prometheus): (\S+)\n", running.errors.read_text(), re.M))
            return found if len(found) == 2 else None

        addresses = wait_for(told, "addresses")
        port = int(running.stage_base("injector").rsplit(":", 1)[1])
        yield Seen(running, addresses["jaeger"], Prometheus(addresses["prometheus"]), send_marked(port))


@contextlib.contextmanager
def taking_the_known_ports():
    """Hold the usual ports of collectors, so that the backends take others, and no other program's spans arrive."""
    with contextlib.ExitStack() as stack:
        for port in (DEFAULT_PORTS.otlp_http, DEFAULT_PORTS.query, DEFAULT_PORTS.span_metrics, 9090):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


def send_marked(port):
    def send(message_id):
        answer = post(port, b'{"marked": true}', f"X-Message-Id: {message_id}", content_type="application/json")
        return answer.status, answer.headers["x-trace-id"]

    idents = [f"marked-{number}" for number in range(MARKED)]
    with ThreadPoolExecutor(SENDERS) as senders:
        return dict(zip(idents, senders.map(send, idents), strict=True))


@pytest.mark.backend("jaeger")
def test_every_marked_message_is_one_trace_of_all_its_stages(seen):
    """Jaeger has each of the 500 as one trace: right services, right parents, an error where one was injected."""
    assert Counter(status for status, _ in seen.marked.values()).keys() == {200, 502}
    for message_id, (status, trace_id) in seen.marked.items():
        stages = STAGES if status == 200 else STAGES[:3]
        # Each server span but the injector's, which has no delay, has one inside; each but the last a client span.
        count = len(stages) + 2 * (len(stages) - 1)

        def whole(trace_id=trace_id, count=count):
            spans = spans_of(seen.jaeger, trace_id)
            return spans if spans is not None and len(spans) >= count else None

        spans = wait_for(whole, f"the trace of {message_id}")
        assert len(spans) == count, message_id
        by_id = {span["spanId"]: span for span in spans}
        servers = {span["service"]: span for span in spans if span["kind"] == SERVER}
        assert tuple(sorted(servers, key=STAGES.index)) == stages
        assert [span["service"] for span in spans if not span.get("parentSpanId")] == ["injector"]
        for caller, called in itertools.pairwise(stages):
            client = by_id[servers[called]["parentSpanId"]]
            assert attribute(client, "peer.service") == called
            assert client["parentSpanId"] == servers[caller]["spanId"]
        assert {attribute(server, "simulator.message_id") for server in servers.values()} == {message_id}
        if status == 502:
            enrich = servers["enrich"]
            assert enrich["status"]["code"] == ERROR and attribute(enrich, "simulator.fault") == "error"
    struck = {ident for ident in seen.marked if is_struck(SEED, STAGES[:3], ident, "error", 0.05)}
    assert {ident for ident, (status, _) in seen.marked.items() if status == 502} == struck


@pytest.mark.backend("jaeger")
def test_the_dependencies_are_the_topology_s_graph(seen):
    """Jaeger finds exactly the calls between the stages that the topology has."""
    now = int(time.time() * 1000)
    answer = requests.get(f"{seen.jaeger}/api/dependencies?endTs={now}&lookback=3600000", timeout=30).json()
    edges = {(edge["parent"], edge["child"]) for edge in answer["data"] if edge["parent"] != edge["child"]}
    assert edges == set(itertools.pairwise(STAGES))


@pytest.mark.backend("jaeger")
def test_the_monitor_has_its_series(seen):
    """Prometheus has the span metrics that Jaeger's Monitor tab draws, for every stage, and Jaeger reads them."""

    def services():
        found = {
            result["metric"]["service_name"] for result in seen.prometheus.query("traces_span_metrics_calls_total")
        }
        return found == set(STAGES) or None

    wait_for(services, "span metrics of every stage")

    def calls():
        parameters = {
            "service": "enrich",
            "lookback": 600_000,
            "step": 5000,
            "ratePer": 60_000,
            "endTs": int(time.time() * 1000),
        }
        answer = requests.get(f"{seen.jaeger}/api/metrics/calls", params=parameters, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["metrics"]

    # A rate is that of two scrapes, and the services may have been seen in the first.
    wait_for(calls, "the rate of calls in Jaeger")


@pytest.mark.backend("jaeger")
def test_an_exemplar_opens_as_its_trace(seen):
    """The exemplar of a slow request in Prometheus links to the trace of that request in Jaeger."""
    selector = 'http_server_request_duration_seconds_bucket{stage="parse"}'

    def some():
        return seen.prometheus.exemplars(selector, time.time() - 300, time.time()) or None

    exemplar = wait_for(some, "an exemplar")[-1]
    spans = wait_for(lambda: spans_of(seen.jaeger, exemplar["labels"]["trace_id"]), "its trace")
    (server,) = [span for span in spans if span["spanId"] == exemplar["labels"]["span_id"]]
    assert server["service"] == "parse" and server["kind"] == SERVER
    seconds = (int(server["endTimeUnixNano"]) - int(server["startTimeUnixNano"])) / 1e9
    assert seconds >= float(exemplar["value"]) - 0.001


@pytest.mark.backend("prometheus")
def test_the_rules_of_the_topology_are_followed(seen):
    """Prometheus has loaded them without a mistake, and every recorded ratio has a value."""
    groups = requests.get(f"{seen.prometheus.base}/api/v1/rules", timeout=10).json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}

    def recorded():
        values = seen.prometheus.query('stage:error_ratio:rate5m{stage="enrich"}')
        return values and float(values[0]["value"][1]) > 0.01

    wait_for(recorded, "the error ratio of enrich")


def test_every_expression_of_every_rule_finds_its_series(seen):
    """Each recorded series has a value, and each alert's series exist, whether or not it fires."""
    groups = requests.get(f"{seen.prometheus.base}/api/v1/rules", timeout=10).json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["type"] for rule in rules} == {"recording", "alerting"}
    for rule in rules:
        # A comparison that always holds returns its operands; there is no silent stage here.
        always = re.sub(r"(>|==) [0-9.e-]+", ">= 0", rule["query"])
        wait_for(lambda always=always: seen.prometheus.query(always), always)


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_traces_that_a_load_generator_starts_are_found(seen, tmp_path, generator):
    """Each message of k6's and Locust's scripts is handled under its id, in the trace that the script began."""
    environment = {"TARGET": f"{seen.running.stage_base('injector')}/messages", "MAX_FAILED": "1", "RATE": "20"}
    sent = sent_by(generator, tmp_path, 5, environment)

    def handled():
        lines = seen.running.log("injector")
        found = [x for x in lines if x["event"] == "message.handled" and x["message_id"].startswith(f"{generator}-")]
        return found if len(found) >= sent else None

    lines = wait_for(handled, "its messages")
    assert len(lines) == sent
    assert len(lines) >= 60
    for line in lines:

        def first(line=line):
            spans = spans_of(seen.jaeger, line["trace_id"]) or []
            servers = [span for span in spans if span["service"] == "injector" and span["kind"] == SERVER]
            return (servers[0], spans) if servers else None

        server, spans = wait_for(first, line["message_id"])
        # Its parent is the script's own, which is not a span in Jaeger.
        assert server["parentSpanId"] and server["parentSpanId"] not in {span["spanId"] for span in spans}


def test_the_backends_end_with_the_run(seen):
    """When the run has ended nothing listens on their ports. It is the last test of this file."""
    assert seen.running.interrupt(60) == 0, seen.running.errors.read_text()
    for base in (seen.jaeger, seen.prometheus.base):
        with pytest.raises(requests.ConnectionError):
            requests.get(base, timeout=5)
