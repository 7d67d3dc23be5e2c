"""Whatever a system shows, in spans, their events, its resource and its logs, is in the catalogue, with its type."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from simulator.render.series import stage_series
from simulator.telemetry.catalogue.events import ALWAYS, EVENTS
from simulator.telemetry.catalogue.metrics import DOWNSTREAM_OPERATION, OPERATION
from simulator.telemetry.catalogue.spans import RESOURCE, SPANS
from tests.support.answering import answering
from tests.support.processes import read_log, read_samples, run, running_stage, running_topology

# Something of everything: what is answered before it is processed, faults, retries, hedging, a breaker, a
# fallback and several instances.
TOPOLOGY = """
name: many
seed: 3
stages:
  start:
    role: injector
    load: {rate: 60/s, messages: 200}
    decide: {hit: 90%, tenant: {gold: 5%, silver: 95%}, items: uniform(1, 8)}
    calls: [page, cart.read]
  cart:
    operations:
      read:
        method: GET
        path: "/carts/{id}"
        faults: ["error(503, 20%)"]
        calls: [{delay: constant(2ms)}, {to: db.find, retries: 1}]
      add: {path: /carts}
  db:
    kind: database
    system: postgresql
    namespace: shop
    operations: {find: {method: GET, path: /find, faults: ["error(503, 20%)"]}, set: {method: PUT, path: /set}}
  page:
    forward: accept
    faults: ["hang(5ms, 20%)", "error(503, 5%)"]
    calls:
      - {to: store, retries: 2, timeout: 300ms, optional: true}
      - {to: other, fallback: store}
      - {to: slow, hedge: 5ms, optional: true, breaker: "breaker(failures=3, reset=1s)"}
  store: {faults: ["error(503, 30%)", "slow_body(100KB/s, 5%)"], instances: 2, calls: []}
  other: {delay: exponential(3ms), faults: ["reset(20%)", "truncate(5%)"], calls: []}
  slow: {delay: exponential(30ms), workers: 1, calls: []}
"""
# What a value of JSON is, and of OTLP.
JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"}
OTLP_TYPES = {"string_value": "string", "int_value": "int", "double_value": "double", "bool_value": "boolean"}
KINDS = {Span.SPAN_KIND_SERVER: "server", Span.SPAN_KIND_CLIENT: "client", Span.SPAN_KIND_INTERNAL: "internal"}
# What a name in the catalogue has in braces.
PLACES = {"{method}": r"[A-Z]+", "{path}": r"/.*", "{name}": r"[a-z_]+", "{stage}": r"[a-z]+"}
PLACES |= {"{operation}": "(find|set)", "{target}": "shop"}
# A client's span has no path where the called stage has none to tell apart.
CLIENT_OF_A_PLAIN_STAGE = r"[A-Z]+"


@dataclass(frozen=True)
class Shown:
    """What a run has shown: all of its spans, resources and lines of logs."""

    spans: list[Span]
    resources: list[dict[str, str]]
    lines: list[dict]


def received(requests) -> Iterator:
    for request in requests:
        yield from ExportTraceServiceRequest.FromString(request.body).resource_spans


def types_of(attributes) -> dict[str, str]:
    return {attribute.key: OTLP_TYPES[attribute.value.WhichOneof("value")] for attribute in attributes}


def exporting_to(server) -> dict[str, str]:
    return {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": server.address}


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Shown:
    folder = tmp_path_factory.mktemp("shown")
    (folder / "many.yaml").write_text(TOPOLOGY)
    with answering() as collector:
        command = ("run", "many.yaml", "--no-console")
        finished = run(*command, cwd=folder, environment=exporting_to(collector))
        parts = list(received(collector.requests))
    assert "The ledger balances" in finished.stderr, finished.stderr
    return Shown(
        spans=[span for part in parts for scope in part.scope_spans for span in scope.spans],
        resources=[types_of(part.resource.attributes) for part in parts],
        lines=[line for path in sorted((folder / "runs" / "many" / "logs").glob("*.jsonl")) for line in read_log(path)],
    )


def matches(template: str, name: str) -> bool:
    """Return whether a name is one that an entry of the catalogue means."""
    pattern = re.escape(template).replace(r"\{", "{").replace(r"\}", "}").replace(r"\ ", " ")
    for place, texts in PLACES.items():
        pattern = pattern.replace(place, texts)
    return re.fullmatch(pattern, name) is not None


def entry_of(span):
    """Return the entry of the catalogue for a span."""
    name = f"{span.name} /" if re.fullmatch(CLIENT_OF_A_PLAIN_STAGE, span.name) else span.name
    for entry in SPANS:
        if entry.kind == KINDS[span.kind] and matches(entry.name, name):
            return entry
    raise AssertionError(f"the catalogue has no {KINDS[span.kind]} span {span.name}")


def strange(found, wanted):
    """Return those of the attributes found, {name: type}, that the wanted ones of the catalogue do not allow."""
    return {
        name: kind
        for name, kind in found.items()
        if not any(matches(each.name, name) and each.type in (kind, "any") for each in wanted)
    }


def test_every_span_is_in_the_catalogue(shown):
    """Each has the name, kind, attributes and events of an entry, and every entry occurs."""
    seen: dict[str, set[str]] = {}
    for span in shown.spans:
        entry, found = entry_of(span), types_of(span.attributes)
        assert strange(found, entry.attributes) == {}, span.name
        for event in span.events:
            (of_event,) = [each.attributes for each in entry.events if each.name == event.name]
            assert strange(types_of(event.attributes), of_event) == {}, span.name
        seen.setdefault(entry.name, set()).update(found)
    assert set(seen) == {entry.name for entry in SPANS}
    assert {"simulator.operation", "simulator.decision.hit", "http.route"} <= seen["{method} {path}"]


def test_a_resource_has_the_attributes_of_the_catalogue(shown):
    """All of them but the version, which only the user can give."""
    wanted = {attribute.name: attribute.type for attribute in RESOURCE if attribute.name != "service.version"}
    assert shown.resources
    assert all(resource == wanted for resource in shown.resources)


def test_every_line_of_the_log_is_in_the_catalogue(shown):
    """Each is one of the events, at one of its levels, with its keys and no others, and values of their types."""
    events = {event.name: event for event in EVENTS}
    for line in shown.lines:
        event = events[line["event"]]
        keys = {key.name: key for key in (*ALWAYS, *event.keys)}
        assert line["level"] in event.levels
        assert set(line) <= set(keys), line
        assert {name for name, key in keys.items() if not key.is_optional} <= set(line), line
        for name, value in line.items():
            found = "null" if value is None else JSON_TYPES[type(value)]
            wanted = keys[name].types
            assert found in wanted or wanted == ("any",) or (found == "integer" and "number" in wanted), (name, line)
    seen = {line["event"] for line in shown.lines}
    assert {"message.received", "message.sent", "message.handled", "attempt.failed", "fault.injected"} <= seen
    assert {"stage.started", "stage.draining", "stage.stopped"} <= seen


@pytest.mark.parametrize(
    ("host", "address"), [("shop.example:8080", "shop.example"), ("[::1]:8080", "::1"), ("10.0.0.7", "10.0.0.7")]
)
def test_a_server_span_has_the_path_and_the_host(tmp_path, host, address):
    """As the conventions ask: the path of a request, known or not, and the host that it names, without the port."""
    with answering() as collector:
        with running_stage(tmp_path, environment=exporting_to(collector)) as stage:
            for path in ("/messages?a=1", "/nowhere"):
                head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nConnection: close\r\n\r\n"
                with socket.create_connection(("127.0.0.1", stage.port), timeout=30) as connection:
                    connection.sendall(f"{head}x".encode())
                    assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 ")
            assert stage.stop() == 0
        spans = [s for part in received(collector.requests) for scope in part.scope_spans for s in scope.spans]
    found = [{a.key: a.value.string_value for a in span.attributes} for span in spans if KINDS[span.kind] == "server"]
    assert [(a["url.path"], a.get("url.query")) for a in found] == [("/messages", "a=1"), ("/nowhere", None)]
    assert {attributes["server.address"] for attributes in found} == {address}


def test_the_metrics_of_each_operation_are_apart(tmp_path):
    """A stage with operations counts each message under its own, by method and route, and each call likewise."""
    topology = """
name: shop
stages:
  cart:
    operations:
      read: {method: GET, path: "/carts/{id}", faults: ["hang(1ms, 100%)"], calls: [db.find]}
      add: {path: /carts, calls: [db.set, log]}
  db: {operations: {find: {method: GET, path: /find}, set: {method: PUT, path: /set}}}
  log: {}
"""
    with running_topology(tmp_path, topology) as running:
        cart = running.stage_base("cart")
        for number in range(3):
            assert requests.get(f"{cart}/carts/{number}", timeout=30).status_code == 200
        assert requests.post(f"{cart}/carts", data=b"x", timeout=30).status_code == 200
        assert requests.delete(f"{cart}/carts", timeout=30).status_code == 405
        samples = read_samples(requests.get(f"{cart}/metrics", timeout=30).text)
        plain = read_samples(requests.get(f"{running.stage_base('log')}/metrics", timeout=30).text)
    known = {name: labels - {"job", "instance"} for name, labels in stage_series().items()}
    assert all({label for label, _ in labels} == known[name] for name, labels in samples if name in known)
    assert not any(label in (OPERATION, DOWNSTREAM_OPERATION) for _, labels in plain for label, _ in labels)

    def counted(name, *by, **where):
        found = Counter()
        for (series, labels), value in samples.items():
            if series == name and where.items() <= dict(labels).items():
                found[tuple(dict(labels)[label] for label in by)] += value
        return {at: count for at, count in found.items() if count}

    assert counted("simulator_messages_total", "operation", "outcome") == {
        ("read", "forwarded"): 3,
        ("add", "forwarded"): 1,
    }
    assert counted("simulator_faults_injected_total", "operation", "fault") == {("read", "hang"): 3}
    http = ("http_request_method", "http_route", "http_response_status_code")
    assert counted("http_server_request_duration_seconds_count", *http) == {
        ("GET", "/carts/{id}", "200"): 3,
        ("POST", "/carts", "200"): 1,
        ("DELETE", "/carts", "405"): 1,
    }
    for name in ("attempt", "call"):
        called = counted(f"simulator_downstream_{name}_duration_seconds_count", "downstream", "downstream_operation")
        assert called == {("db", "find"): 3, ("db", "set"): 1, ("log", ""): 1}
