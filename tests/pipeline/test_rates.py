"""Shares, live: logs, metrics, spans and clients name one and the same messages, and they are those of the seed.

What any share comes to is tested in virtual time, in tests/virtual/test_faults.py.
"""

from __future__ import annotations

from simulator.behaviour.draws import FIRST_VISIT, draw
from tests.support.collector import CLIENT, collector
from tests.support.drawn import is_struck
from tests.support.load import send_all
from tests.support.processes import running_stage, wait_for, with_collector

MESSAGES = 500
SEED = 20261122
IDS = [f"m-{number}" for number in range(MESSAGES)]
SPAN_SECONDS = 60


def test_the_share_of_a_fault(tmp_path):
    """The messages that the seed says are hit, and no others, are so to clients, logs, metrics and spans."""
    hit = {message for message in IDS if is_struck(SEED, ("stage",), message, "error", 0.3)}
    flags = ("--seed", str(SEED), "--faults", "error(503, 30%)")
    with collector() as received, running_stage(
        tmp_path, *flags, environment=with_collector(received.address)
    ) as stage:  # fmt: skip
        seen = send_all(stage.port, IDS, connections=4)
        assert {message for message, status in seen.items() if status == 503} == hit
        assert stage.total("simulator_faults_injected_total", fault="error") == len(hit)
        assert stage.total("simulator_messages_total", outcome="faulted") == len(hit)
        assert stage.total("simulator_messages_total") == MESSAGES
        wait_for(lambda: len(handled_spans(received)) == MESSAGES, "the spans", SPAN_SECONDS)
        assert stage.stop() == 0
    marked = [span for span in handled_spans(received) if span.attributes.get("simulator.fault") == "error"]
    assert all(span.status == 2 and span.attributes["simulator.outcome"] == "faulted" for span in marked)
    assert {span.attributes["simulator.message_id"] for span in marked} == hit
    assert {line["message_id"] for line in stage.events("fault.injected")} == hit


def handled_spans(received):
    return [span for span in received.spans() if "simulator.outcome" in span.attributes]


ROUTER = f"""
name: router
seed: {SEED}
stages:
  router:
    calls:
      - {{to: perhaps, probability: 20%}}
      - choose: {{one: 70%, other: 30%}}
  perhaps: {{role: terminator}}
  one: {{role: terminator}}
  other: {{role: terminator}}
"""


def drawn(purpose, share):
    return {message for message in IDS if draw(SEED, "router", message, FIRST_VISIT, purpose) < share}


def test_the_share_of_a_probability_and_of_a_choice(tmp_path):
    """The messages that the seed says are sent there, and no others, are so to logs, metrics, spans and the called."""
    (tmp_path / "router.yaml").write_text(ROUTER)
    one = drawn("choose 1", 0.7)
    expected = {"perhaps": drawn("probability 0", 0.2), "one": one, "other": set(IDS) - one}
    total = sum(map(len, expected.values()))
    with collector() as received, running_stage(tmp_path, name="sink") as sink:
        flags = ["--topology", str(tmp_path / "router.yaml"), "--stage", "router"]
        flags += ["--downstream", ",".join(f"{name}={sink.url}" for name in expected)]
        with running_stage(tmp_path, *flags, environment=with_collector(received.address), name="router") as stage:
            assert set(send_all(stage.port, IDS, connections=4).values()) == {200}
            metric = {name: calls_counted(stage, name) for name in expected}
            assert sink.total("simulator_messages_total", outcome="delivered") == total
            wait_for(lambda: len(handled_spans(received)) == MESSAGES, "the spans", SPAN_SECONDS)
            assert stage.stop() == 0
        spans = received.spans()
    of_trace = {
        s.trace_id: s.attributes["simulator.message_id"] for s in spans if "simulator.message_id" in s.attributes
    }
    for name, messages in expected.items():
        assert metric[name] == len(messages)
        sent = [line["message_id"] for line in stage.events("message.sent") if line["downstream"] == name]
        clients = [s for s in spans if s.kind == CLIENT and s.attributes["peer.service"] == name]
        assert len(sent) == len(clients) == len(messages)
        assert set(sent) == {of_trace[span.trace_id] for span in clients} == messages


def calls_counted(stage, name):
    return stage.total("simulator_downstream_call_duration_seconds_count", downstream=name)
