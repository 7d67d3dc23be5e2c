"""Decisions live: a cache that misses is followed by one find and one set, to the last message in every signal."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import requests

from tests.support.collector import CLIENT, SERVER, collector
from tests.support.processes import read_log, read_samples, run, running_topology, wait_for

MESSAGES = 200
# Its load ends with `messages`, or by a change of its rate.
SHOP = """
name: shop
seed: 7
stages:
  shoppers:
    role: injector
    load: {rate: 100/s, messages: 200}
    decide: {hit: 90%}
    calls: [cart]
  cart: {calls: [cache.get, {steps: [carts.find, cache.set], when: not hit}]}
  cache: {operations: {get: {method: GET, path: "/entries/{id}"}, set: {method: PUT, path: "/entries/{id}"}}}
  carts: {operations: {find: {method: GET, path: "/carts/{id}"}}}
"""
SPAN_NAMES = {
    ("cache", "get"): "GET /entries/{id}",
    ("cache", "set"): "PUT /entries/{id}",
    ("carts", "find"): "GET /carts/{id}",
}
CALLED = tuple(SPAN_NAMES)


def expected(messages, misses):
    return {("cache", "get"): messages, ("cache", "set"): misses, ("carts", "find"): misses}


def misses_of(lines):
    """Return how many messages have missed, by the injector's log."""
    return sum(line["event"] == "message.handled" and not line["decisions"]["hit"] for line in lines)


def in_logs(logs):
    return Counter(
        (line["stage"], line["operation"])
        for lines in logs
        for line in lines
        if line["event"] == "message.handled" and line["stage"] in ("cache", "carts")
    )


def in_the_ledger(report):
    return {(line["stage"], line["operation"]): line["received"] for line in report["ledger"]["operations"]}


def total(samples, name, **labels):
    return sum(value for (series, have), value in samples.items() if series == name and set(labels.items()) <= have)


@pytest.mark.parametrize("packing", ["apart", "packed"])
def test_misses_finds_and_sets_are_equal_live(tmp_path, packing):
    """Logs, metrics of both sides, spans of both sides and the ledger count the same."""
    flags = ("--processes", "1") if packing == "packed" else ()
    text = SHOP.replace(f", messages: {MESSAGES}", "")
    with collector() as received:
        environment = {"OTEL_TRACES_EXPORTER": "otlp", **received.environment}
        with running_topology(tmp_path, text, *flags, "--no-console", environment=environment) as running:

            def scraped(stage):
                return read_samples(requests.get(f"{running.stage_base(stage)}/metrics", timeout=30).text)

            def at_rest():
                samples = {stage: scraped(stage) for stage in ("shoppers", "cart", "cache", "carts")}
                is_busy = any(total(each, "simulator_in_flight") for each in samples.values())
                sent = total(samples["shoppers"], "simulator_messages_total")
                got = total(samples["cache"], "simulator_messages_total", operation="get")
                return samples if not is_busy and got == sent >= MESSAGES else None

            refused = running.control("cart", {"calls": [{"to": "carts.find", "when": "not hitt"}]})
            assert refused.status_code == 400 and "'hitt'" in refused.text and "did you mean `hit`?" in refused.text
            wait_for(
                lambda: total(scraped("shoppers"), "simulator_messages_total") >= MESSAGES or None, "enough messages"
            )
            running.change("shoppers", {"load": {"rate": 0}})
            samples = wait_for(at_rest, "the last message")
            running.interrupt()
        spans = received.spans()
    logs = [running.log(stage) for stage in ("cache", "carts")]
    messages = int(total(samples["shoppers"], "simulator_messages_total"))
    counts = expected(messages, misses_of(running.log("shoppers")))
    assert 0 < counts["carts", "find"] < messages / 2
    assert in_logs(logs) == counts
    assert in_the_ledger(running.report()) == counts
    for name, labels in (
        ("simulator_messages_total", lambda stage, operation: {"operation": operation}),
        ("http_server_request_duration_seconds_count", request_labels),
    ):
        assert {node: total(samples[node[0]], name, **labels(*node)) for node in CALLED} == counts
    called = "simulator_downstream_call_duration_seconds_count"
    assert {
        node: total(samples["cart"], called, downstream=node[0], downstream_operation=node[1]) for node in CALLED
    } == counts
    served = Counter((span.service, span.name) for span in spans if span.kind == SERVER)
    assert {node: served[node[0], name] for node, name in SPAN_NAMES.items()} == counts
    sent = Counter(span.name for span in spans if span.kind == CLIENT and span.service == "cart")
    assert {node: sent[name] for node, name in SPAN_NAMES.items()} == counts


def request_labels(stage, operation):
    method, _, route = SPAN_NAMES[stage, operation].partition(" ")
    return {"http_request_method": method, "http_route": route}


def test_misses_finds_and_sets_are_equal_in_virtual_time(tmp_path):
    """Logs and ledger count the same."""
    (tmp_path / "shop.yaml").write_text(SHOP)
    finished = run("run", "shop.yaml", "--virtual", "--report", "report", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    logs = {path.stem: read_log(path) for path in (tmp_path / "report" / "logs").glob("*.jsonl")}
    counts = expected(MESSAGES, misses_of(logs["shoppers"]))
    assert 0 < counts["carts", "find"] < MESSAGES / 2
    assert in_logs(logs.values()) == counts
    assert in_the_ledger(json.loads((tmp_path / "report" / "report.json").read_text())) == counts
