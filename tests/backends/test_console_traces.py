"""The console's traces compared with real Jaeger: the same spans sent to both, and read by the same client."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from werkzeug.serving import WSGIRequestHandler, make_server

from simulator.console.traces.api import make_api
from simulator.console.traces.store import TraceStore
from simulator.render.jaeger import Ports, jaeger_config
from tests.support.backends import find, free_ports
from tests.support.collector import collector
from tests.support.otlp import START, add_attributes, request, span, trace_hex
from tests.support.processes import ROOT, run, wait_for, with_collector
from tests.support.threaded import in_thread

CHECKOUT = ROOT / "topologies" / "checkout.yaml"
MESSAGES = 25
WHOLE_TIME = {"query.start_time_min": "2020-01-01T00:00:00Z", "query.start_time_max": "2100-01-01T00:00:00Z"}
ALL = {"query.num_traces": "1000"}
# Jaeger's warning on a span whose end it moved behind its start.
JAEGER_NOTE = "@jaeger@warnings"


@dataclass(frozen=True)
class TraceApi:
    """A server of Jaeger's API: Jaeger itself or the console."""

    base: str

    def get(self, path: str, **parameters: str) -> tuple[int, Any]:
        answer = requests.get(self.base + path, params=parameters, timeout=10)
        return answer.status_code, answer.json()

    def spans(self, trace_id: str) -> dict[str, dict[str, Any]]:
        """Return everything about a trace's spans, by their ids; nothing if there is no such trace."""
        status, body = self.get(f"/api/v3/traces/{trace_id}")
        return dict(told(body)) if status == 200 else {}

    def search(self, query: dict[str, str]) -> tuple[int, set[str]]:
        """Return the status and the ids of the found traces."""
        status, body = self.get("/api/v3/traces", **query)
        return status, {one["traceId"] for _, one in told(body)} if status == 200 else set()


@dataclass(frozen=True)
class Both:
    jaeger: TraceApi
    console: TraceApi
    trace_ids: list[str]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Send a run's spans, and some of our own with every field of OTLP, to both."""
    folder = tmp_path_factory.mktemp("console_traces")
    bodies = [*bodies_of_a_run(folder), rich_request().SerializeToString()]
    store = TraceStore()
    for body in bodies:
        assert store.add(ExportTraceServiceRequest.FromString(body)).items == 0
    with running_jaeger(folder) as (jaeger, otlp), serving(store) as console:
        for body in bodies:
            headers = {"Content-Type": "application/x-protobuf"}
            requests.post(f"{otlp}/v1/traces", data=body, headers=headers, timeout=10).raise_for_status()
        found = Both(jaeger, console, store.trace_ids())
        for trace_id in found.trace_ids:
            count = len(console.spans(trace_id))
            wait_for(lambda i=trace_id, n=count: len(jaeger.spans(i)) == n, f"trace {trace_id} in Jaeger")
        yield found


def bodies_of_a_run(folder: Path) -> list[bytes]:
    """Return the requests that the stages of a real run sent to their collector."""
    with collector() as received:
        environment = with_collector(received.address) | {"SIMULATOR_CONSOLE": "false"}
        flags = ("--messages", str(MESSAGES), "--seed", "1", "--report", str(folder / "report"))
        ended = run("run", str(CHECKOUT), *flags, cwd=folder, environment=environment)
        assert ended.returncode == 0, ended.stderr
        return list(received.bodies)


def rich_request() -> ExportTraceServiceRequest:
    """Return a trace with every field that a span, its scope and its resource can have."""
    values = {"text": "ü<b>", "yes": True, "int": 2**53 + 1, "negative": -1, "half": 0.5, "bytes": b"\x00\xff"}
    root = span(
        7, 1, name="rich", kind="producer", ms=250, attributes={**values, "list": ["a", 1, False], "map": values}
    )
    event = root.events.add(time_unix_nano=START + 5, name="exception", dropped_attributes_count=1)
    add_attributes(event, {"exception.message": "no"})
    link = root.links.add(trace_id=bytes.fromhex(trace_hex(99)), span_id=b"\1" * 8, trace_state="c=d")
    add_attributes(link, {"why": "batch"})
    root.trace_state, root.flags, root.dropped_attributes_count = "a=b", 0x301, 3
    failed = span(7, 2, parent=1, name="failed", kind="consumer", at_ms=1, error="went wrong")
    instant = span(7, 3, parent=2, name="instant", kind="internal", at_ms=2, ms=0)
    orphan = span(7, 4, parent=77, name="orphan", kind="client", at_ms=3)
    sent = request(richer=[root, failed], other=[instant, orphan])
    group = sent.resource_spans[0]
    add_attributes(group.resource, {"host.cpus": 4})
    group.schema_url = "https://opentelemetry.io/schemas/1.30.0"
    group.scope_spans[0].scope.version = "1.2"
    add_attributes(group.scope_spans[0].scope, {"scoped": True})
    return sent


@contextlib.contextmanager
def running_jaeger(folder: Path) -> Iterator[tuple[TraceApi, str]]:
    """Run the real Jaeger on its own ports; yield its API and its URL for spans."""
    program = find("jaeger")
    ports = Ports(*free_ports(7))
    otlp = f"http://127.0.0.1:{ports.otlp_http}"
    config = folder / "jaeger.yaml"
    config.write_text(jaeger_config("http://127.0.0.1:9", "127.0.0.1", ports))
    with (folder / "jaeger.log").open("wb") as log:
        process = subprocess.Popen([program, "--config", f"file:{config}"], stdout=log, stderr=log, env=os.environ)
    api = TraceApi(f"http://127.0.0.1:{ports.query}")

    def ready() -> bool:
        assert process.poll() is None, (folder / "jaeger.log").read_text()
        # It answers queries before it accepts spans.
        with contextlib.suppress(requests.ConnectionError):
            nothing = requests.post(f"{otlp}/v1/traces", headers={"Content-Type": "application/x-protobuf"}, timeout=10)
            return nothing.ok and api.get("/api/v3/services")[0] == 200
        return False

    try:
        wait_for(ready, "Jaeger")
        yield api, otlp
    finally:
        process.kill()  # it stores nothing, and would take ten seconds to stop
        process.wait(20)


class Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(store: TraceStore) -> Iterator[TraceApi]:
    server = make_server("127.0.0.1", 0, make_api(store), request_handler=Silent)
    with in_thread(server):
        yield TraceApi(f"http://127.0.0.1:{server.server_port}")


def told(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return each span of an answer by its id, with its resource and its scope, and unordered attributes."""
    for group in body["result"]["resourceSpans"]:
        for scope in group["scopeSpans"]:
            for one in scope["spans"]:
                around = {"resource": plain(group.get("resource", {})), "scope": plain(scope.get("scope", {}))}
                yield one["spanId"], plain(one) | around


def plain(node: Any) -> Any:
    """Return values in one canonical form: attributes as a map, and nothing for empty ones."""
    if isinstance(node, list):
        return [plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: plain(value) for key, value in node.items() if key != "attributes"}
    made["attributes"] = {a["key"]: a["value"] for a in node.get("attributes", []) if a["key"] != JAEGER_NOTE}
    if "endTimeUnixNano" in node:
        made["endTimeUnixNano"] = max(int(node["endTimeUnixNano"]), int(node["startTimeUnixNano"]) + 1)
    return {key: value for key, value in made.items() if value not in ({}, [], "", 0)}


@pytest.mark.backend("jaeger")
def test_every_trace_is_the_same_trace(both):
    """Ids, parents, names, kinds, times, attributes, resource, scope, events, links and status agree, span by span."""
    assert len(both.trace_ids) == MESSAGES + 1
    for trace_id in both.trace_ids:
        expected = both.jaeger.spans(trace_id)
        assert len(expected) >= 4
        assert both.console.spans(trace_id) == expected


@pytest.mark.backend("jaeger")
def test_services_and_operations_are_the_same(both):
    """Both have the same services, and for each the same operations with their kinds, all and of one kind."""
    (_, ours), (_, theirs) = (api.get("/api/v3/services") for api in (both.console, both.jaeger))
    assert ours["services"] == sorted(theirs["services"])
    for service in [*ours["services"], "nobody", ""]:
        for kind in ("", "server", "client", "internal", "producer", "other"):
            answers = [
                api.get("/api/v3/operations", service=service, span_kind=kind) for api in (both.console, both.jaeger)
            ]
            (_, ours), (_, theirs) = answers
            by_name = sorted(theirs["operations"], key=lambda operation: (operation["name"], operation["spanKind"]))
            assert ours["operations"] == by_name, (service, kind)


@pytest.mark.backend("jaeger")
@pytest.mark.parametrize(
    "query",
    [
        WHOLE_TIME | ALL | {"query.service_name": "checkout"},
        WHOLE_TIME | ALL | {"query.service_name": "mail"},
        WHOLE_TIME | ALL | {"query.service_name": "nobody"},
        WHOLE_TIME | ALL | {"query.service_name": "payment", "query.operation_name": "process"},
        WHOLE_TIME | ALL | {"query.service_name": "payment", "query.operation_name": "inject"},
        WHOLE_TIME | ALL | {"query.service_name": "payment", "query.duration_min": "40ms"},
        WHOLE_TIME | ALL | {"query.service_name": "payment", "query.duration_max": "50ms"},
        WHOLE_TIME
        | ALL
        | {"query.service_name": "payment", "query.operation_name": "process", "query.duration_max": "30ms"},
        WHOLE_TIME
        | ALL
        | {"query.service_name": "richer", "query.duration_min": "250ms", "query.duration_max": "250ms"},
        WHOLE_TIME | ALL | {"query.service_name": "richer", "query.duration_min": "1h1m1.5s"},
        WHOLE_TIME | ALL | {"query.service_name": "richer", "query.duration_min": "0", "query.raw_traces": "true"},
        ALL | {"query.service_name": "richer", **dict.fromkeys(WHOLE_TIME, "2026-11-23T02:13:20Z")},
        ALL | {"query.service_name": "richer", **dict.fromkeys(WHOLE_TIME, "2026-11-23T04:13:20.000+02:00")},
        ALL | {"query.service_name": "richer", **dict.fromkeys(WHOLE_TIME, "2026-11-23T02:13:20.000000001Z")},
        ALL | {"query.service_name": "richer"},
        WHOLE_TIME | {"query.service_name": "richer", "query.start_time_min": "yesterday"},
        WHOLE_TIME | {"query.service_name": "richer", "query.num_traces": "many"},
        WHOLE_TIME | ALL | {"query.service_name": "richer", "query.duration_min": "5"},
        WHOLE_TIME | ALL | {"query.service_name": "richer", "query.duration_max": "1e3ms"},
        WHOLE_TIME | ALL | {"query.service_name": "richer", "query.raw_traces": "maybe"},
    ],
    ids=lambda query: " ".join(value for key, value in query.items() if key not in WHOLE_TIME or len(query) < 4),
)
def test_a_search_finds_the_same_traces(both, query):
    """The same query has the same answer: the same traces, or the same status if there are none or it is wrong."""
    status, found = both.jaeger.search(query)
    assert both.console.search(query) == (status, found)
    assert bool(found) == (status == 200)


@pytest.mark.backend("jaeger")
def test_searches_distinguish_traces(both):
    """Of the queries above some find all traces of a run, some a part of them and some none."""
    queries = ({"query.service_name": "checkout"}, {"query.service_name": "payment", "query.duration_min": "40ms"})
    every, slow = (both.console.search(WHOLE_TIME | ALL | query)[1] for query in queries)
    assert len(every) == MESSAGES
    assert 0 < len(slow) < MESSAGES and slow < every


@pytest.mark.backend("jaeger")
def test_a_search_returns_the_requested_number_of_traces(both):
    """Of many traces both return the requested number."""
    query = WHOLE_TIME | {"query.service_name": "checkout", "query.num_traces": "4"}
    assert [len(api.search(query)[1]) for api in (both.console, both.jaeger)] == [4, 4]


@pytest.mark.backend("jaeger")
@pytest.mark.parametrize(
    "path",
    [trace_hex(7)[-1:], trace_hex(7)[4:], "abc", "1" * 32, "1" * 33, "xyz", "0" * 32]
    + [f"{trace_hex(7)}?{wrong}=x" for wrong in ("start_time", "end_time", "raw_traces")]
    + [f"{trace_hex(7)}?start_time=2020-01-01T00:00:00Z"],
)
def test_an_id_is_read_in_the_same_way(both, path):
    """Short, unknown and impossible ids have the same status and the same words around the mistake."""
    (ours, our_body), (theirs, their_body) = (api.get(f"/api/v3/traces/{path}") for api in (both.console, both.jaeger))
    assert ours == theirs
    assert our_body.keys() == their_body.keys()
    if ours != 200:
        assert our_body["error"].keys() == their_body["error"].keys()
        assert our_body["error"]["httpCode"] == their_body["error"]["httpCode"] == ours


def plain_old(trace: dict[str, Any]) -> dict[str, Any]:
    """Return a trace of the older API in one canonical form: processes in their spans, and tags as maps."""
    processes = {
        number: {"service": process["serviceName"], "tags": as_map(process["tags"])}
        for number, process in trace["processes"].items()
    }
    spans = {
        one["spanID"]: {
            **{key: value for key, value in one.items() if key not in ("processID", "warnings")},
            "tags": as_map(one["tags"]),
            "process": processes[one["processID"]],
        }
        for one in trace["spans"]
    }
    return {"traceID": trace["traceID"], "spans": spans}


def as_map(tags: list[dict[str, Any]]) -> dict[str, tuple[str, Any]]:
    return {tag["key"]: (tag["type"], tag["value"]) for tag in tags if tag["key"] != JAEGER_NOTE}


@pytest.mark.backend("jaeger")
def test_the_older_api_has_the_same_traces(both):
    """Span by span, with references, tags and their types, logs, times in microseconds, and processes."""
    for trace_id in both.trace_ids:
        answers = [api.get(f"/api/traces/{trace_id}") for api in (both.console, both.jaeger)]
        assert [status for status, _ in answers] == [200, 200]
        (ours, theirs) = (body for _, body in answers)
        assert ours.keys() == theirs.keys()
        assert [trace.keys() for trace in ours["data"]] == [trace.keys() for trace in theirs["data"]]
        assert list(map(plain_old, ours["data"])) == list(map(plain_old, theirs["data"]))


@pytest.mark.backend("jaeger")
def test_the_older_api_has_the_same_lists(both):
    """Services, operations by name and by kind, and the calls between services."""
    for service in ("checkout", "payment", "richer", "nobody"):
        for path, query in (
            ("/api/services", {}),
            (f"/api/services/{service}/operations", {}),
            ("/api/operations", {"service": service}),
            ("/api/operations", {"service": service, "spanKind": "client"}),
            ("/api/operations", {}),
            ("/api/dependencies", {"endTs": "4102444800000", "lookback": "4102444800000"}),
            ("/api/dependencies", {"endTs": "x"}),
        ):
            (our_status, ours), (their_status, theirs) = (api.get(path, **query) for api in (both.console, both.jaeger))
            assert our_status == their_status
            assert ours.keys() == theirs.keys()
            assert (ours["total"], in_order(ours)) == (theirs["total"], in_order(theirs)), (path, query)


def in_order(body: dict[str, Any]) -> list[str]:
    """Return what an answer lists, sorted; Jaeger answers null for an empty list."""
    return sorted(map(str, body["data"] or []))


@pytest.mark.backend("jaeger")
@pytest.mark.parametrize(
    "query",
    [
        {"service": "checkout"},
        {"service": "payment", "operation": "process"},
        {"service": "payment", "minDuration": "40ms"},
        {"service": "payment", "maxDuration": "20us", "operation": "process"},
        {"service": "nobody"},
        {"service": "richer", "tags": '{"text":"ü<b>","half":"0.5"}'},
        {"service": "richer", "tags": '{"exception.message":"no"}'},
        {"service": "richer", "tags": '{"text":"other"}'},
        {"service": "richer", "tag": "host.cpus:4"},
        {"service": "richer", "tag": "4"},
        {"service": "richer", "tags": "{"},
        {"service": "richer", "limit": "many"},
        {"service": "richer", "start": "now"},
        {"service": "richer", "minDuration": "2s", "maxDuration": "1s"},
        {"traceID": trace_hex(7)},
        {"traceID": "xyz"},
        {},
    ],
    ids=lambda query: " ".join(f"{key}={value}" for key, value in query.items()) or "nothing",
)
def test_the_older_api_finds_the_same_traces(both, query):
    """Grafana's search: the same traces, or the same status if a parameter is wrong."""
    period = {"start": "0", "end": "4102444800000000", "limit": "1000"}
    answers = [api.get("/api/traces", **{**period, **query}) for api in (both.console, both.jaeger)]
    (our_status, ours), (their_status, theirs) = answers
    assert our_status == their_status
    assert ours.keys() == theirs.keys()
    our_ids, their_ids = (sorted(trace["traceID"] for trace in body["data"] or []) for body in (ours, theirs))
    assert our_ids == their_ids
    assert our_status == 200 or ours["errors"][0]["code"] == theirs["errors"][0]["code"]


@pytest.mark.backend("jaeger")
def test_jaeger_s_page_accepts_a_download(both):
    """A downloaded file of one trace, or of all, is uploaded to Jaeger, and no span is lost."""
    one = requests.get(f"{both.console.base}/download/traces/{trace_hex(7)}.json", timeout=10).content
    every = requests.get(f"{both.console.base}/download/traces.json", timeout=10).content
    for file, trace_ids in ((one, [trace_hex(7)]), (every, both.trace_ids)):
        answer = requests.post(f"{both.jaeger.base}/api/transform", data=file, timeout=10)
        assert answer.status_code == 200, answer.text
        uploaded = {
            # The page leaves out leading zeros.
            trace["traceID"].rjust(32, "0"): {(one["spanID"], one["operationName"]) for one in trace["spans"]}
            for trace in answer.json()["data"]
        }
        assert uploaded == {
            trace_id: {(span_id, one["name"]) for span_id, one in both.jaeger.spans(trace_id).items()}
            for trace_id in trace_ids
        }
