"""Timeouts, deadlines, retries, breakers, hedging and groups between live stages: one test of each.

Their exact times and counts are tested in virtual time, in tests/virtual.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import requests

from simulator.engine.round_robin import EJECTED_SECONDS
from tests.support.collector import CLIENT, SERVER, collector
from tests.support.drawn import is_struck
from tests.support.load import send_all
from tests.support.processes import running_topology, wait_for, with_collector
from tests.support.wire import post

STORM = """
name: storm
seed: 1
stages:
  first: {calls: [{to: second, retries: "retries(3, backoff=1ms, max=2ms)"}]}
  second: {calls: [{to: third, retries: "retries(3, backoff=1ms, max=2ms)"}]}
  third: {calls: [{to: broken, retries: "retries(3, backoff=1ms, max=2ms)"}]}
  broken: {role: terminator, faults: ["error(503, 100%)"]}
"""


def port_of(running, stage):
    return int(running.stage_base(stage).rsplit(":", 1)[1])


def received(running):
    return {line["stage"]: line["received"] for line in running.report()["ledger"]["stages"]}


def test_a_retry_storm_multiplies(tmp_path):
    """With 3 retries on 3 levels the broken last stage sees 4^3 attempts of each message, which signals tell apart."""
    messages = 2
    with collector() as spans, running_topology(
        tmp_path, STORM, environment=with_collector(spans.address)
    ) as running:  # fmt: skip
        for number in range(messages):
            assert post(port_of(running, "first"), b"hi", f"X-Message-Id: m-{number}").status == 502
        metrics = requests.get(f"{running.stage_base('third')}/metrics", timeout=10).text
        assert running.interrupt() == 0, running.errors.read_text()
        assert received(running) == {
            "first": messages,
            "second": 4 * messages,
            "third": 16 * messages,
            "broken": 64 * messages,
        }
        labels = '{code="503",downstream="broken",role="processor",stage="third"}'
        assert f"attempt_duration_seconds_count{labels} {64.0 * messages}" in metrics
        calls = 'call_duration_seconds_count{downstream="broken",outcome="error_status",role="processor",stage="third"}'
        assert f"{calls} {16.0 * messages}" in metrics
        events = Counter(line["event"] for line in running.log("third"))
        assert (events["message.sent"], events["attempt.failed"]) == (16 * messages, 48 * messages)
        found = spans.spans()
    clients = [span for span in found if span.kind == CLIENT and span.service == "third"]
    assert len(clients) == 64 * messages
    around = {span.span_id: span for span in found if span.name == "call broken"}
    assert len(around) == 16 * messages
    assert {span.attributes["simulator.call.attempts"] for span in around.values()} == {4}
    attempts = Counter(span.parent_id for span in clients)
    assert set(attempts) == set(around) and set(attempts.values()) == {4}
    assert Counter(span.attributes.get("http.request.resend_count", 0) for span in clients) == dict.fromkeys(
        range(4), 16 * messages
    )


BREAKER = """
name: breaker
seed: 1
stages:
  caller: {calls: [{to: called, breaker: "breaker(failures=5, reset=1s)"}]}
  called: {role: terminator, faults: ["error(500, 100%)"]}
"""


def test_an_open_breaker_stops_the_tries_and_closes_again(tmp_path):
    """After 5 failures nothing is sent for a second; then one attempt is made as a probe, and all after it succeeds."""
    with running_topology(tmp_path, BREAKER) as running:
        port = port_of(running, "caller")

        def attempts():
            return len([line for line in running.log("called") if line["event"] == "message.handled"])

        begin = time.monotonic()
        assert [post(port, b"hi").status for _ in range(20)] == [502] * 20
        took = time.monotonic() - begin
        wait_for(lambda: attempts() >= 5, "the attempts")
        if took < 1:
            assert attempts() == 5
        metrics = requests.get(f"{running.stage_base('caller')}/metrics", timeout=10).text
        assert 'simulator_breakers_open{downstream="called",role="processor",stage="caller"} 1.0' in metrics
        running.change("called", {"faults": []})
        wait_for(lambda: post(port, b"hi").status == 200 or None, "the breaker's end")
        assert time.monotonic() - begin >= 1
        assert [post(port, b"hi").status for _ in range(5)] == [200] * 5
        assert running.interrupt() == 0
        calls = Counter(line["outcome"] for line in running.log("caller") if line["event"] == "message.sent")
        refused = [line for line in running.log("caller") if line.get("outcome") == "breaker_open"]
    assert calls["breaker_open"] >= 15 and calls["ok"] == 6
    assert all(line["attempts"] == 0 and line["injected"] for line in refused)


DEADLINE = """
name: deadline
seed: 1
stages:
  edge: {calls: [{to: front, deadline: 1s}]}
  front: {delay: constant(200ms), calls: [slow]}
  slow: {workers: 1, delay: constant(600ms), calls: [last]}
  last: {role: terminator}
"""


@pytest.mark.alone
def test_no_stage_starts_work_for_a_message_whose_deadline_has_passed(tmp_path):
    """Of ten messages at once a slow stage with one worker starts only those whose callers still wait."""
    with running_topology(tmp_path, DEADLINE) as running:
        seen = Counter(send_all(port_of(running, "edge"), (f"m-{n}" for n in range(10)), connections=10).values())
        assert running.interrupt() == 1  # messages failed, and the run says so
        lines = {
            stage: [x for x in running.log(stage) if x["event"] == "message.handled"] for stage in ("slow", "last")
        }
        ledger = running.report()["ledger"]
    assert ledger["balanced"]
    assert seen[504] >= 8 and seen[200] + seen[504] == 10, seen
    begun = [line for line in lines["slow"] if line["delay_drawn_seconds"] is not None]
    refused = [line for line in lines["slow"] if line["delay_drawn_seconds"] is None]
    assert 1 <= len(begun) <= 2
    assert all((line["outcome"], line["code"]) == ("rejected", 504) for line in refused) and len(refused) >= 8
    # 200 ms are gone when a message comes to the slow stage: what waited more than the other 800 ms was not begun.
    assert all(line["queue_wait_seconds"] < 0.8 for line in begun)
    assert len(lines["last"]) <= 1


GROUPS = """
name: groups
seed: 1
stages:
  together: {calls: [{parallel: [a, b, c]}]}
  in-order: {calls: [a, b, c]}
  limited: {calls: [{parallel: [a, b, c], limit: 2}]}
  a: {delay: constant(100ms), calls: []}
  b: {delay: constant(100ms), calls: []}
  c: {delay: constant(100ms), calls: []}
"""


@pytest.mark.alone
def test_a_group_takes_as_long_as_its_longest_call(tmp_path):
    """Three calls of 100 ms take 100 ms at the same time, 300 ms in order, 200 ms two at a time; spans show which."""
    took = defaultdict(list)
    with collector() as spans, running_topology(tmp_path, GROUPS, environment=with_collector(spans.address)) as running:
        for stage in ("together", "in-order", "limited") * 3:
            begin = time.monotonic()
            assert post(port_of(running, stage), b"hi").status == 200
            took[stage].append(time.monotonic() - begin)
        assert running.interrupt() == 0
        traces = spans.traces()
    assert 0.1 <= statistics.median(took["together"]) < 0.16
    assert 0.3 <= statistics.median(took["in-order"]) < 0.36
    assert 0.2 <= statistics.median(took["limited"]) < 0.26
    for trace in traces.values():
        root = next(span for span in trace if not span.parent_id)
        calls = [span for span in trace if span.kind == CLIENT and span.parent_id == root.span_id]
        assert len(calls) == 3
        assert most_at_once(calls) == {"together": 3, "in-order": 1, "limited": 2}[root.service]


def most_at_once(spans):
    edges = sorted([(span.start_ns, 1) for span in spans] + [(span.end_ns, -1) for span in spans])
    at_once = most = 0
    for _, step in edges:
        at_once += step
        most = max(most, at_once)
    return most


HEDGE = """
name: hedge
seed: 11
stages:
  caller: {calls: [{to: called, hedge: 400ms}]}
  called: {role: terminator, faults: ["hang(3s, 20%)"]}
"""


def test_a_hedged_call_does_not_wait_for_the_slow_one(tmp_path):
    """If the first attempt hangs the second answers; the first is abandoned, and every attempt is accounted for."""
    with collector() as spans, running_topology(tmp_path, HEDGE, environment=with_collector(spans.address)) as running:
        begin = time.monotonic()
        assert set(send_all(port_of(running, "caller"), (f"m-{n}" for n in range(20))).values()) == {200}
        assert time.monotonic() - begin < 5 * 3
        assert running.interrupt() == 0, running.errors.read_text()
        (call,) = running.report()["ledger"]["calls"]
        sent = [line for line in running.log("caller") if line["event"] == "message.sent"]
        found = spans.spans()
        hung = {line["message_id"] for line in running.log("called") if line["event"] == "fault.injected"}
    # A call that was merely late on a busy machine is made twice too, and may be answered twice.
    hedged = [line for line in sent if line["attempts"] == 2]
    assert len(sent) == 20
    struck = {
        line["message_id"] for line in sent if is_struck(11, ("caller", "called"), line["message_id"], "hang", 0.2)
    }
    assert len(struck) == 5 and struck <= hung
    assert call["sent"] == call["received"] == 20 + len(hedged)
    assert hung <= {line["message_id"] for line in hedged}
    assert call["answered"] >= 20 and call["in_doubt"] >= len(hung)
    assert call["answered"] + call["in_doubt"] == call["sent"]
    assert len([span for span in found if span.kind == CLIENT]) == 20 + len(hedged)


ACCEPT = """
name: accept
seed: 1
stages:
  front: {forward: accept, workers: 2, queue: 100, delay: constant(400ms), calls: [back]}
  back: {role: terminator}
"""


def test_a_stage_that_accepts_answers_at_once_and_works_later(tmp_path):
    """Twenty messages are accepted long before they are worked off; every one arrives, in one trace each."""
    with collector() as spans, running_topology(tmp_path, ACCEPT, environment=with_collector(spans.address)) as running:
        begin = time.monotonic()
        assert set(send_all(port_of(running, "front"), (f"m-{n}" for n in range(20))).values()) == {202}
        accepted = time.monotonic() - begin
        wait_for(lambda: handled(running, "front") == 20, "the end of the work")
        assert running.interrupt() == 0, running.errors.read_text()
        lines = [line for line in running.log("front") if line["event"] == "message.handled"]
        assert received(running) == {"front": 20, "back": 20}
        traces = spans.traces()
    assert accepted < 4  # what 20 messages take in two workers
    assert {(line["outcome"], line["code"]) for line in lines} == {("forwarded", 202)}
    assert max(line["queue_wait_seconds"] for line in lines) > 0.2
    assert len(traces) == 20
    for trace in traces.values():
        known = {span.span_id for span in trace}
        assert sum(not span.parent_id for span in trace) == 1
        assert all(span.parent_id in known for span in trace if span.parent_id)
        assert {span.service for span in trace if span.kind == SERVER} == {"front", "back"}


def test_a_limit_turns_away_what_is_too_much(tmp_path):
    """Of forty messages at once a stage with a limit takes its burst, and tells the others when to come again."""
    text = 'name: limit\nseed: 1\nstages:\n  s: {role: terminator, rate_limit: "limit(1/s, burst=10)"}\n'
    with running_topology(tmp_path, text) as running:
        begin = time.monotonic()
        answers = [post(port_of(running, "s"), b"hi") for _ in range(40)]
        took = time.monotonic() - begin
        assert running.interrupt() == 0
    counts = Counter(answer.status for answer in answers)
    assert 10 <= counts[200] <= 11 + took and counts[200] + counts[429] == 40
    assert all(int(answer.headers["retry-after"]) == 1 for answer in answers if answer.status == 429)


INSTANCES = """
name: instances
seed: 1
stages:
  caller: {calls: [called]}
  called: {role: terminator, instances: 3, faults: ["error(500, 100%, instance=2)"]}
"""


def test_instances_take_turns_and_a_dead_one_is_passed_over(tmp_path):
    """Three instances share the load evenly, only the sick one fails; when it is killed not a message is lost."""
    with running_topology(tmp_path, INSTANCES) as running:
        port = port_of(running, "caller")
        answers = Counter(post(port, b"hi").status for _ in range(90))
        assert answers == {200: 60, 502: 30}
        wait_for(lambda: [handled(running, f"called.{n}") for n in (1, 2, 3)] == [30, 30, 30], "the lines")
        pid = running.pid("called.2")
        os.kill(pid, signal.SIGKILL)
        # Its first thread may have ended while others still hold its sockets; when it is reaped all have.
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the end of an instance")
        begin = time.monotonic()
        assert {post(port, b"hi").status for _ in range(60)} == {200}
        took = time.monotonic() - begin
        assert running.interrupt() == 1  # a process of the run was killed
        report = running.report()["ledger"]
        ejected = [line for line in running.log("caller") if line["event"] == "instance.ejected"]
        failed_over = [line for line in running.log("caller") if line["event"] == "attempt.failed"]
    assert report["balanced"]
    assert report["stages"][1]["ended"] == "instance 2 was killed (SIGKILL)"
    assert 1 <= len(ejected) <= 1 + took / EJECTED_SECONDS and len(failed_over) >= 1
    assert {line["retry_in_seconds"] for line in failed_over} == {0.0}


def handled(running, process):
    return sum(line["event"] == "message.handled" for line in running.log(process))
