"""Rates: what is configured is what is injected, and logs, metrics and spans give one and the same number of it."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.collector import CLIENT, collector
from tests.support.load import RESET, send_all
from tests.support.processes import running_stage, wait_for, with_collector
from tests.support.statistics import binomial_range

MESSAGES = 4000
PORTION = 1000
SHARES = (0, 5, 30, 45, 60, 100)  # per cent
SPAN_SECONDS = 60


def ids(share):
    return [f"{share}-{number}" for number in range(MESSAGES)]


def by_share(message_ids):
    return Counter(int(message_id.partition("-")[0]) for message_id in message_ids)


def assert_within_the_interval(count, share):
    low, high = binomial_range(MESSAGES, share / 100, 0.999)
    assert low <= count <= high, (share, count, (low, high))


@pytest.mark.parametrize(
    ("fault", "seen_as"), [("error(503, {}%)", 503), ("reset({}%)", RESET)], ids=["error", "reset"]
)
def test_the_rate_of_a_fault(tmp_path, fault, seen_as):
    """Of 4,000 messages the configured share is struck, as clients, logs, metrics and spans all count it."""
    name = fault.partition("(")[0]
    with collector() as received, running_stage(
        tmp_path, "--seed", "20261122", environment=with_collector(received.address)
    ) as stage:  # fmt: skip
        seen, metric = {}, {}
        for share in SHARES:
            stage.change({"faults": [fault.format(share)]})
            before = stage.total("simulator_faults_injected_total", fault=name)
            seen[share] = Counter(send_in_portions(stage, received, ids(share)).values())[seen_as]
            metric[share] = stage.total("simulator_faults_injected_total", fault=name) - before
        assert stage.total("simulator_messages_total") == len(SHARES) * MESSAGES
        assert stage.total("simulator_messages_total", outcome="faulted") == sum(seen.values())
        assert stage.total("simulator_messages_total", outcome="failed") == 0
        assert stage.total("simulator_spans_dropped_total") == 0
        assert stage.stop() == 0
        marked = [span for span in received.spans() if span.attributes.get("simulator.fault") == name]
        assert all(span.status == 2 and span.attributes["simulator.outcome"] == "faulted" for span in marked)
        spans = by_share(span.attributes["simulator.message_id"] for span in marked)
        logs = by_share(line["message_id"] for line in stage.events("fault.injected"))
    for share in SHARES:
        assert seen[share] == metric[share] == logs[share] == spans[share]
        assert_within_the_interval(seen[share], share)


def send_in_portions(stage, received, message_ids):
    """Send messages, now and then waiting for their spans: the load and the collector share this process."""
    seen = {}
    for start in range(0, len(message_ids), PORTION):
        before = len(received.spans())
        seen |= send_all(stage.port, message_ids[start : start + PORTION], connections=4)
        wait_for(lambda before=before: handled_spans(received, before) >= PORTION, "the spans", SPAN_SECONDS)
    return seen


def handled_spans(received, start):
    return sum("simulator.outcome" in span.attributes for span in received.spans(start))


ROUTER = """
name: router
seed: 20261122
stages:
  router:
    calls:
      - {to: perhaps, probability: 1%}
      - choose: {one: 50%, other: 50%}
  perhaps: {role: terminator}
  one: {role: terminator}
  other: {role: terminator}
"""


def test_the_share_of_a_probability_and_of_a_choice(tmp_path):
    """Of 4,000 messages the configured share is called with, and chosen, as all signals and the called stage count."""
    (tmp_path / "router.yaml").write_text(ROUTER)
    names = ("perhaps", "one", "other")
    with collector() as received, running_stage(tmp_path, name="sink") as sink:
        flags = ["--topology", str(tmp_path / "router.yaml"), "--stage", "router"]
        flags += ["--downstream", ",".join(f"{name}={sink.url}" for name in names)]
        with running_stage(tmp_path, *flags, environment=with_collector(received.address), name="router") as stage:
            metric = {}
            for share in SHARES:
                choice = [{"to": "one", "weight": f"{share}%"}, {"to": "other", "weight": f"{100 - share}%"}]
                stage.change({"calls": [{"to": "perhaps", "probability": f"{share}%"}, {"choose": choice}]})
                before = calls_counted(stage, names)
                assert set(send_in_portions(stage, received, ids(share)).values()) == {200}
                after = calls_counted(stage, names)
                metric[share] = {name: after[name] - before[name] for name in names}
            total = sum(sum(counts.values()) for counts in metric.values())
            assert sink.total("simulator_messages_total", outcome="delivered") == total
            assert len(client_spans(received)) == total
            assert stage.total("simulator_spans_dropped_total") == 0
            assert stage.stop() == 0
            servers = {
                span.trace_id: span.attributes["simulator.message_id"]
                for span in received.spans()
                if "simulator.message_id" in span.attributes
            }
            spans = Counter(
                (int(servers[span.trace_id].partition("-")[0]), span.attributes["peer.service"])
                for span in client_spans(received)
            )
            logs = Counter(
                (int(line["message_id"].partition("-")[0]), line["downstream"]) for line in stage.events("message.sent")
            )
    for share in SHARES:
        for name in names:
            assert metric[share][name] == logs[share, name] == spans[share, name], (share, name)
        assert_within_the_interval(metric[share]["perhaps"], share)
        assert_within_the_interval(metric[share]["one"], share)
        assert metric[share]["one"] + metric[share]["other"] == MESSAGES


def calls_counted(stage, names):
    samples = stage.samples()
    return {
        name: sum(
            value
            for (sample, labels), value in samples.items()
            if sample == "simulator_downstream_call_duration_seconds_count" and ("downstream", name) in labels
        )
        for name in names
    }


def client_spans(received):
    return [span for span in received.spans() if span.kind == CLIENT]
