"""The answer is part of the story, and the delay is the service's own time: in a real run, by every signal."""

from __future__ import annotations

import os
import signal
import statistics
import time

import pytest
import requests

from tests.support.collector import SERVER, collector
from tests.support.processes import running_stage, running_topology, wait_for, with_collector

STOPPED = """
name: stopped
stages:
  entry: {calls: [{to: asleep, timeout: 200ms, retries: "retries(1, backoff=1ms)"}]}
  asleep: {role: terminator}
"""


def the_line(log, event, **having):
    """Wait for the one line of an event that has these values."""

    def found():
        lines = [line for line in log() if line["event"] == event and having.items() <= line.items()]
        return lines[0] if len(lines) == 1 else None

    return wait_for(found, f"the line {event}")


def test_a_timeout_on_a_stage_that_is_stopped_takes_the_timeout(tmp_path):
    """Attempt, call, log and the start of the retry: 200 ms each, and nothing is asked of a stage that can't answer."""
    with running_topology(tmp_path, STOPPED) as running:
        asleep = running.pid("asleep")
        os.kill(asleep, signal.SIGSTOP)
        try:
            answer = requests.post(f"{running.stage_base('entry')}/messages", json={"n": 1}, timeout=30)
        finally:
            os.kill(asleep, signal.SIGCONT)
        assert (answer.status_code, answer.json().get("injected")) == (504, None)
        first = the_line(lambda: running.log("entry"), "attempt.failed")
        sent = the_line(lambda: running.log("entry"), "message.sent")
        running.interrupt()
    assert 0.2 <= first["duration_seconds"] < 0.2 + 0.3
    assert 0.4 <= sent["duration_seconds"] < 0.4 + 0.6
    assert sent["outcome"] == "timeout"


def test_a_slow_answer_takes_the_stage_its_time(tmp_path):
    """The client waits, and so does the worker; the log line comes when the answer has left, and says what it took."""
    with running_stage(tmp_path, "--faults", "slow_body(100B/s, 100%)", "--workers", "1", "--queue", "0") as stage:
        begin = time.monotonic()
        with requests.post(stage.url, json={"n": 1}, stream=True, timeout=60) as answer:
            assert stage.total("simulator_workers_busy") == 1
            assert stage.events("message.handled") == []
            assert requests.post(stage.url, json={"n": 2}, timeout=60).status_code == 503
            body = answer.content
        took_seconds = time.monotonic() - begin
        line = the_line(stage.log, "message.handled", outcome="delivered")
        assert stage.total("simulator_workers_busy") == 0
    least_seconds = len(body) / 100
    assert least_seconds <= line["fault_seconds"] <= line["duration_seconds"] <= took_seconds
    assert (line["outcome"], line["fault"]) == ("delivered", "slow_body")


@pytest.mark.calm
@pytest.mark.parametrize("delay", ["constant(10ms)", "exponential(20ms)", "lognormal(p50=6ms, p99=25ms)"])
def test_the_delay_is_the_own_time(tmp_path, delay):
    """At 50/s the span of the server takes what was drawn; the benchmark has the figure, this a generous bound."""
    errors = []
    with collector() as received:
        environment = with_collector(received.address)
        with running_stage(tmp_path, "--delay", delay, "--seed", "5", environment=environment) as stage:
            session = requests.Session()
            due = time.monotonic()
            for _ in range(150):
                due += 0.02
                time.sleep(max(0.0, due - time.monotonic()))
                assert session.post(stage.url, json={"n": 1}, timeout=30).status_code == 200
            assert stage.stop() == 0
            lines = {line["trace_id"]: line for line in stage.events("message.handled")}
        spans = [span for span in received.spans() if span.kind == SERVER]
    assert len(spans) == len(lines) == 150
    for span in spans:
        line = lines[span.trace_id]
        seconds = (span.end_ns - span.start_ns) / 1e9
        # What did not fit into the delay is told apart, and all adds up.
        assert line["delay_drawn_seconds"] + line["overhead_seconds"] == pytest.approx(
            line["processing_seconds"], abs=2e-6
        )
        assert seconds == pytest.approx(line["duration_seconds"], abs=2e-6)
        errors.append(seconds - line["queue_wait_seconds"] - line["delay_drawn_seconds"])
    # The first messages teach the stage what it takes to answer.
    assert abs(statistics.median(errors[50:])) < 0.001
    assert sorted(errors[50:])[-5] < 0.01


def test_a_leaf_that_is_faster_than_the_stage_tells_its_overhead(tmp_path):
    """A cache of 300 us can't be had from Python: what it took beyond that is its overhead, in log and metrics."""
    with running_stage(tmp_path, "--delay", "constant(0.3ms)") as stage:
        for _ in range(20):
            assert requests.post(stage.url, json={"n": 1}, timeout=30).status_code == 200
        lines = wait_for(lambda: found if len(found := stage.events("message.handled")) == 20 else None, "20 lines")
        overhead = stage.total("simulator_overhead_seconds_sum")
        assert stage.total("simulator_overhead_seconds_count") == 20
    for line in lines:
        assert line["processing_seconds"] == pytest.approx(0.0003 + line["overhead_seconds"], abs=2e-6)
    assert overhead == pytest.approx(sum(max(0.0, line["overhead_seconds"]) for line in lines), abs=1e-4)
