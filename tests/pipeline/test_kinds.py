"""Databases, caches and external services as their callers' spans, metrics and logs show them."""

from __future__ import annotations

from collections import Counter

import pytest
import requests

from tests.support.collector import CLIENT, ERROR, INTERNAL, SERVER, collector
from tests.support.processes import read_log, read_samples, run, running_topology, wait_for, with_collector

TOPOLOGY = """
name: shop
seed: 7
stages:
  start: {role: injector, load: {rate: 60/s, messages: 40}, span: checkout, calls: [shop.get]}
  shop:
    operations:
      get:
        method: GET
        path: "/shop/{id}"
        span: shop.Shop/Get
        calls: [cache.GET, db.SELECT, {to: db.INSERT, retries: 3}, flat, pay]
  cache: {kind: cache, system: redis, operations: {GET: {delay: constant(1ms)}}}
  db:
    kind: database
    system: postgresql
    namespace: orders
    operations: {SELECT: {method: GET}, INSERT: {faults: ["error(503, 20%)"]}}
  flat: {kind: database, system: mysql, namespace: prices, server_span: true}
  pay: {kind: external, path: /charge}
"""
MESSAGES = 40


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The spans of a run, the lines of its database's log, and how many INSERTs failed."""
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "shop.yaml").write_text(TOPOLOGY)
    with collector() as received:
        finished = run("run", "shop.yaml", "--no-console", cwd=folder, environment=with_collector(received.address))
        spans = received.spans()
    assert "The ledger balances" in finished.stderr, finished.stderr
    return spans, read_log(folder / "runs" / "shop" / "logs" / "db.jsonl")


def of(spans, service, kind):
    return Counter(span.name for span in spans if span.service == service and span.kind == kind)


def test_a_call_of_a_database_is_an_operation_of_it(shown):
    """The client's span has the conventions' name and attributes, none of HTTP, and the failed ones have the status."""
    spans, log = shown
    failed = sum(line["event"] == "message.handled" and line["code"] == 503 for line in log)
    assert 0 < failed < MESSAGES
    assert of(spans, "shop", CLIENT) == {
        "GET": MESSAGES,
        "SELECT orders": MESSAGES,
        "INSERT orders": MESSAGES + failed,
        "prices": MESSAGES,
        "POST": MESSAGES,
    }
    for span in spans:
        if span.name == "INSERT orders":
            assert {name: value for name, value in span.attributes.items() if name != "server.port"} == {
                "db.system.name": "postgresql",
                "db.namespace": "orders",
                "db.operation.name": "INSERT",
                "server.address": "127.0.0.1",
                "service.peer.name": "db",
                "peer.service": "db",
                **({"db.response.status_code": "503", "error.type": "503"} if span.status == ERROR else {}),
            }
    assert sum(span.status == ERROR for span in spans if span.name == "INSERT orders") == failed
    (call,) = {frozenset(s.attributes) for s in spans if s.name == "call db" and s.kind == INTERNAL}
    assert {"db.system.name", "db.operation.name"} <= call


def test_databases_have_no_spans_unless_asked_for(shown):
    """Nor do caches and external services."""
    spans, _ = shown
    assert {span.service for span in spans} == {"start", "shop", "flat"}
    assert of(spans, "flat", SERVER) == {"POST /messages": MESSAGES}


def test_a_database_s_log_belongs_to_its_caller_s_span(shown):
    """Each line has the trace and the span of the client."""
    spans, log = shown
    clients = {(span.trace_id, span.span_id) for span in spans if span.name in ("SELECT orders", "INSERT orders")}
    handled = {(line["trace_id"], line["span_id"]) for line in log if line["event"] == "message.handled"}
    assert handled == clients


def test_spans_have_the_name_that_an_operation_gives_them(shown):
    """The server's, the client's of it, and the root's of an injector."""
    spans, _ = shown
    assert of(spans, "shop", SERVER) == {"shop.Shop/Get": MESSAGES}
    assert of(spans, "start", CLIENT) == {"shop.Shop/Get": MESSAGES}
    assert of(spans, "start", INTERNAL)["checkout"] == MESSAGES
    (route,) = {span.attributes["http.route"] for span in spans if span.name == "shop.Shop/Get" and span.kind == SERVER}
    assert route == "/shop/{id}"


def test_the_caller_measures_the_operations_of_a_database(tmp_path):
    """In one histogram, with the conventions' name and labels."""
    with running_topology(tmp_path, TOPOLOGY.replace("messages: 40", "messages: 100000")) as running:
        shop = running.stage_base("shop")

        def counts():
            samples = read_samples(requests.get(f"{shop}/metrics", timeout=10).text)
            keys = ("db_system_name", "db_namespace", "db_operation_name", "error_type")
            return {
                tuple(dict(labels)[key] for key in keys): value
                for (name, labels), value in samples.items()
                if name == "db_client_operation_duration_seconds_count"
            }

        found = wait_for(lambda: found if len(found := counts()) == 5 else None, "every operation")
    assert set(found) == {
        ("redis", "", "GET", ""),
        ("postgresql", "orders", "SELECT", ""),
        ("postgresql", "orders", "INSERT", ""),
        ("postgresql", "orders", "INSERT", "503"),
        ("mysql", "prices", "", ""),
    }
    assert all(found.values())
