"""End to end is what a request took: log, metrics, report and span say the same of it, live and in virtual time."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import requests

from tests.support.collector import INTERNAL, SERVER, collector
from tests.support.processes import read_log, read_samples, run, running_topology, wait_for, with_collector

# HydraGen's simple example, as in tests/virtual/test_end_to_end.py.
SIMPLE = """
name: simple
seed: 7
stages:
  clients: {role: injector, load: {rate: 10/s, arrivals: constant, messages: 20}, calls: [service1.endpoint1]}
  service1:
    operations:
      endpoint1: {path: /endpoint1, calls: [{parallel: [service2.endpoint1, service2.endpoint2]}]}
      endpoint2: {path: /endpoint2}
  service2:
    instances: 2
    operations:
      endpoint1: {path: /endpoint1, delay: 1100ms}
      endpoint2: {path: /endpoint2, delay: 22ms}
"""
SECONDS = 1.1
# Until an answer is sent, parsed and told, on a machine with other work.
SLACK_SECONDS = 0.5
# The log rounds to a microsecond, and a span to a nanosecond.
ROUNDING_SECONDS = 2e-6
TALLY = 0.01
PIPELINE = "simulator_pipeline_duration_seconds"
ACCEPTED = "simulator_accepted_work_duration_seconds"


def took(log, key="pipeline_seconds"):
    """Return what the messages in a log took, by their traces."""
    handled = [line for line in log if line["event"] == "message.handled"]
    return {line["trace_id"]: line[key] for line in handled if key in line}


@pytest.mark.calm
@pytest.mark.parametrize("packed", [(), ("--processes", "1")], ids=["apart", "packed"])
def test_a_request_of_more_than_a_second_shows_as_one_everywhere(tmp_path, packed):
    """Not as the 22 ms after which its first leaf is reached; and each message's figures agree with its root span."""
    (tmp_path / "simple.yaml").write_text(SIMPLE)
    with collector() as received:
        sent = with_collector(received.address)
        finished = run("run", "simple.yaml", "--no-console", *packed, cwd=tmp_path, environment=sent)
        spans = received.spans()
    assert finished.returncode == 0, finished.stderr
    logs = tmp_path / "runs" / "simple" / "logs"
    told = took(read_log(logs / "clients.jsonl"))
    assert len(told) == 20
    assert all(SECONDS <= seconds < SECONDS + SLACK_SECONDS for seconds in told.values())
    assert not any(took(read_log(log)) for log in logs.glob("service*.jsonl"))
    roots = {span.trace_id: span for span in spans if not span.parent_id}
    assert {span.kind for span in roots.values()} == {INTERNAL}
    assert {trace: span.duration_seconds for trace, span in roots.items()} == pytest.approx(told, abs=ROUNDING_SECONDS)
    report = json.loads((tmp_path / "runs" / "simple" / "report.json").read_text())
    percentiles = report["latency_seconds"]["end to end"]
    assert report["request_latency_seconds"] == {"service1.endpoint1": percentiles}
    ordered = sorted(told.values())
    assert (percentiles["p50"], percentiles["max"]) == pytest.approx((ordered[9], ordered[-1]), rel=TALLY)
    row = next(line.split() for line in finished.stdout.splitlines() if line.startswith("end to end"))
    assert all(cell.startswith("1.") and cell.endswith("s") for cell in row[3:])


def test_virtual_time_tells_the_same(tmp_path):
    """To the microsecond, in the log, the table and the report."""
    (tmp_path / "simple.yaml").write_text(SIMPLE)
    finished = run("run", "simple.yaml", "--virtual", "--json", cwd=tmp_path)
    report = json.loads(finished.stdout)
    assert list(report["latency_seconds"]["end to end"].values()) == pytest.approx([SECONDS] * 4, rel=TALLY)
    told = took(read_log(tmp_path / "runs" / "simple" / "logs" / "clients.jsonl"))
    assert list(told.values()) == pytest.approx([SECONDS] * 20)


SHOP = """
name: shop
seed: 7
stages:
  clients: {role: injector, load: {rate: 40/s}, calls: [choose: {cart.read: 3, cart.pay: 1}]}
  cart:
    role: terminator
    operations:
      read: {method: GET, path: /carts, delay: 5ms}
      pay: {path: /payments, delay: 40ms, faults: ["error(503, 40%)"]}
"""


def test_metrics_have_what_the_log_has(tmp_path):
    """The requests of each kind at the injector, and what they took, are those of its log; what it calls has none."""
    with running_topology(tmp_path, SHOP, "--no-console") as running:
        wait_for(lambda: len(took(running.log("clients"))) >= 60, "60 requests")
        running.change("clients", {"load": {"rate": "0/s"}})
        inside = "simulator_in_flight", frozenset({("stage", "clients"), ("role", "injector")})

        def settled():
            samples = read_samples(requests.get(f"{running.stage_base('clients')}/metrics", timeout=10).text)
            return samples if samples[inside] == 0 else None

        samples = wait_for(settled, "the last request")
        of_cart = read_samples(requests.get(f"{running.stage_base('cart')}/metrics", timeout=10).text)
        assert running.interrupt() == 0
    handled = [line for line in running.log("clients") if line["event"] == "message.handled"]
    counted = Counter()
    for line in handled:
        (call,) = [sent for sent in running.log("clients") if is_call_of(sent, line)]
        counted[f"cart.{call['downstream_operation']}", line["outcome"]] += 1
    labels = {
        (dict(have)["operation"], dict(have)["outcome"]): value
        for (name, have), value in samples.items()
        if name == f"{PIPELINE}_count"
    }
    assert {key: value for key, value in labels.items() if value} == counted
    assert {operation for operation, _ in labels} == {"cart.read", "cart.pay"}
    assert ("cart.pay", "faulted") in counted
    whole = sum(value for (name, _), value in samples.items() if name == f"{PIPELINE}_sum")
    assert whole == pytest.approx(sum(line["pipeline_seconds"] for line in handled), abs=1e-6 * len(handled))
    assert not any(value for (name, _), value in of_cart.items() if name == f"{PIPELINE}_count")
    report = running.report()
    assert set(report["request_latency_seconds"]) == {"cart.read", "cart.pay"}
    assert report["request_latency_seconds"]["cart.pay"]["p50"] >= 0.04 * (1 - TALLY)


def is_call_of(sent, handled):
    return sent["event"] == "message.sent" and sent["message_id"] == handled["message_id"]


ENTRIES = """
name: entries
seed: 7
stages:
  shop:
    operations:
      buy: {path: /buy, delay: 30ms, calls: [stock]}
      look: {method: GET, path: /look, delay: 10ms}
      order: {path: /orders, forward: accept, delay: 300ms, calls: [stock]}
  stock: {role: terminator, delay: 60ms}
"""
JSON = {"Content-Type": "application/json"}


def test_requests_of_clients(tmp_path):
    """Each is observed at the stage that the client called, by operation, from its first byte until its answer left."""
    with (
        collector() as received,
        running_topology(tmp_path, ENTRIES, "--no-console", environment=with_collector(received.address)) as running,
    ):
        shop, stock = running.stage_base("shop"), running.stage_base("stock")
        assert requests.post(f"{shop}/buy", data=b"{}", headers=JSON, timeout=10).status_code == 200
        assert requests.get(f"{shop}/look", timeout=10).status_code == 200
        assert requests.post(f"{shop}/orders", data=b"{}", headers=JSON, timeout=10).status_code == 202
        assert requests.post(f"{stock}/messages", data=b"{}", headers=JSON, timeout=10).status_code == 200
        wait_for(lambda: len(took(running.log("shop"))) == 3, "the accepted order")
        samples = {
            stage: read_samples(requests.get(f"{base}/metrics", timeout=10).text)
            for stage, base in (("shop", shop), ("stock", stock))
        }
        assert running.interrupt() == 0
        spans = {span.span_id: span for span in received.spans() if span.kind == SERVER}
    buy, look, order = (value(samples["shop"], f"{PIPELINE}_sum", operation=name) for name in ("buy", "look", "order"))
    assert 0.09 <= buy < 0.09 + SLACK_SECONDS
    assert 0.01 <= look < 0.01 + SLACK_SECONDS
    assert 0 < order < 0.3
    assert 0.36 <= value(samples["shop"], f"{ACCEPTED}_sum", operation="order") < 0.36 + SLACK_SECONDS
    # What shop called is not a request of its own; what the client called is.
    assert value(samples["stock"], f"{PIPELINE}_count") == 1
    handled = [line for line in running.log("shop") if "pipeline_seconds" in line]
    of_spans = {spans[line["span_id"]].duration_seconds for line in handled if line["code"] == 200}
    assert sorted(of_spans) == pytest.approx(
        sorted(line["pipeline_seconds"] for line in handled if line["code"] == 200), abs=ROUNDING_SECONDS
    )
    report = running.report()
    assert list(report["request_latency_seconds"]) == ["shop.buy", "shop.look", "shop.order", "stock"]
    assert list(report["accepted_work_seconds"]) == ["shop.order"]


def value(samples, wanted, **labels):
    found = [
        value for (name, have), value in samples.items() if name == wanted and labels.items() <= dict(have).items()
    ]
    assert len(found) == 1, (wanted, labels, found)
    return found[0]
