"""Stages that are stopped or killed under load: what was admitted is answered, and every message is accounted for."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest
import requests

from tests.support.processes import is_alive, running_stage, running_topology, wait_for
from tests.support.wire import Answer, connect, post, post_bytes, read_answer

# A bound that a machine that is busy with something else keeps, too.
CHAIN = """
name: chain
drain_timeout: 60s
stages:
  first: {role: injector, load: {rate: 150/s, arrivals: constant}, calls: [middle]}
  middle: {delay: "uniform(50ms, 150ms)", calls: [last]}
  last: {role: terminator}
"""


def ledger_line(report, stage):
    return next(line for line in report["ledger"]["stages"] if line["stage"] == stage)


def call_line(report, caller):
    return next(line for line in report["ledger"]["calls"] if line["caller"] == caller)


def handled(running, stage):
    return [line for line in running.log(stage) if line["event"] == "message.handled"]


def test_sigterm_on_a_middle_stage_loses_nothing(tmp_path):
    """What the stage had admitted is answered; the rest is refused; the ledger accounts for every message."""
    with running_topology(tmp_path, CHAIN) as running:
        wait_for(lambda: len(handled(running, "middle")) > 100, "traffic")
        os.kill(running.pid("middle"), signal.SIGTERM)
        wait_for(lambda: any(line["event"] == "stage.stopped" for line in running.log("middle")), "the end of middle")
        seen = len(handled(running, "first"))
        wait_for(lambda: len(handled(running, "first")) > seen + 50, "messages after the end of middle")
        assert running.interrupt() == 1
    report = running.report()
    assert report["ledger"]["balanced"], report["ledger"]["problems"]
    first, middle, last = (ledger_line(report, name) for name in ("first", "middle", "last"))
    assert middle["in_flight"] == 0 and middle["failed"] == 0
    assert middle["forwarded"] == last["delivered"] == first["forwarded"] > 100
    assert first["received"] == first["forwarded"] + first["failed"]
    call = call_line(report, "first")
    # Not one answer was lost: whatever middle had received, first got an answer to.
    assert call["received"] == call["answered"] + call["answered_with_error"]
    stopped = next(line for line in running.log("middle") if line["event"] == "stage.stopped")
    assert stopped["unfinished"] == 0


def test_sigkill_on_a_middle_stage_counts_nothing_as_delivered_that_was_not(tmp_path):
    """What was inside the killed stage is in flight at its end, in doubt for its caller, and delivered nowhere."""
    with_a_few_hundred_inside = CHAIN.replace("uniform(50ms, 150ms)", "uniform(50ms, 4s)")
    with running_topology(tmp_path, with_a_few_hundred_inside, "--output", "out.jsonl") as running:
        wait_for(lambda: len(handled(running, "middle")) > 100, "traffic")
        os.kill(running.pid("middle"), signal.SIGKILL)
        seen = len(handled(running, "first"))
        wait_for(lambda: len(handled(running, "first")) > seen + 50, "messages after the end of middle")
        assert running.interrupt() == 1
        written = (tmp_path / "out.jsonl").read_bytes().split(b"\n")[:-1]
    report = running.report()
    assert report["ledger"]["balanced"], report["ledger"]["problems"]
    assert any("middle was killed (SIGKILL)" in problem for problem in report["ledger"]["problems"])
    first, middle, last = (ledger_line(report, name) for name in ("first", "middle", "last"))
    assert last["delivered"] == len(written)
    assert middle["in_flight"] > 0
    # The killed stage may have been told of a delivery and not have passed it on, but never the other way round.
    assert first["forwarded"] <= middle["forwarded"] + middle["in_flight"]
    assert first["forwarded"] <= last["delivered"] <= middle["forwarded"] + middle["in_flight"]
    assert first["received"] == first["forwarded"] + first["failed"]


def received(running, stage):
    return [line for line in running.log(stage) if line["event"] == "message.received"]


# A terminal that is closed may send SIGHUP twice.
@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGHUP, signal.SIGHUP]], ids=["SIGTERM", "SIGHUP twice"])
def test_a_stopping_stage_answers_what_it_admitted_and_refuses_the_rest(tmp_path, signals):
    """After SIGTERM or SIGHUP: new messages get 503, those at work and waiting get 200, exit code 0."""
    with running_stage(tmp_path, "--workers", "2", "--delay", "constant(4s)", "--drain-timeout", "30s") as stage:
        inside = [connect(stage.port) for _ in range(4)]
        for connection in inside:
            connection.sendall(post_bytes(b"hi"))
        late = connect(stage.port)
        wait_for(lambda: stage.total("simulator_in_flight") == 4, "four messages inside")
        for number in signals:
            stage.process.send_signal(number)
            wait_for(lambda: stage.events("stage.draining"), "draining")
        late.sendall(post_bytes(b"late"))
        answer = read_answer(late)
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        assert "shutting down" in answer.json()["detail"]
        assert [read_answer(connection).status for connection in inside] == [200] * 4
        assert stage.process.wait(30) == 0
        for connection in [*inside, late]:
            connection.close()
    stopped = stage.events("stage.stopped")
    assert [line["unfinished"] for line in stopped] == [0]


def test_draining_is_bounded(tmp_path):
    """A message that takes longer than the drain timeout is broken off and told as such, to client and log."""
    with (
        running_stage(tmp_path, "--delay", "constant(60s)", "--drain-timeout", "300ms") as stage,
        connect(stage.port) as connection,
    ):
        connection.sendall(post_bytes(b"hi"))
        wait_for(lambda: stage.total("simulator_in_flight") == 1, "a message inside")
        stage.process.send_signal(signal.SIGTERM)
        assert stage.process.wait(10) == 0
        answer = read_answer(connection)
        assert (answer.status, answer.json()["title"]) == (503, "Broken off")
    assert [line["unfinished"] for line in stage.events("stage.stopped")] == [1]
    assert [line["outcome"] for line in stage.events("message.handled")] == ["broken_off"]


@pytest.mark.parametrize("ends_with", ["Ctrl-C", pytest.param("its messages", marks=pytest.mark.slow)])
def test_calls_of_11_seconds_are_waited_for_by_default(tmp_path, ends_with):
    """The bound of the drain follows from the delays: all is delivered, the ledger balances, and the exit code is 0."""
    text = """
name: slow
stages:
  first: {role: injector, load: {messages: 2, concurrency: 2}, calls: [middle]}
  middle: {delay: constant(11s), calls: [last]}
  last: {role: terminator}
"""
    with running_topology(tmp_path, text) as running:
        wait_for(lambda: len(received(running, "middle")) == 2, "both messages at work")
        if ends_with == "Ctrl-C":
            assert running.interrupt(120) == 0
        assert running.process.wait(120) == 0
    ledger = running.report()["ledger"]
    assert ledger["balanced"] and ledger["problems"] == []
    assert ledger_line(running.report(), "first")["forwarded"] == 2
    assert ledger_line(running.report(), "last")["delivered"] == 2


def test_what_a_fault_holds_for_a_week_is_told_as_injected_at_the_end(tmp_path):
    """Ctrl-C while messages hang: within SIMULATOR_DRAIN_TIMEOUT all are broken off, as faulted, and the sums agree."""
    text = """
name: hanging
stages:
  first: {role: injector, load: {rate: 20/s, arrivals: constant}, calls: [middle]}
  middle: {calls: [last]}
  last: {role: terminator, faults: ["hang(168h, 100%)"]}
"""
    with running_topology(tmp_path, text, environment={"SIMULATOR_DRAIN_TIMEOUT": "2s"}) as running:
        wait_for(lambda: any(line["event"] == "fault.injected" for line in running.log("last")), "a hang")
        assert running.interrupt() == 0
    report = running.report()
    assert report["ledger"]["balanced"] and report["ledger"]["problems"] == []
    for name in ("first", "middle", "last"):
        line = ledger_line(report, name)
        assert line["faulted"] == line["received"] > 0
    assert " in last (up to " in running.errors.read_text()
    assert not [path for path in (tmp_path / "report" / "logs").glob("*.stderr") if path.read_text()]


@contextlib.contextmanager
def ignoring_hangups():
    """Have what is started in the `with` ignore SIGHUP, as `nohup` does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_ctrl_c_stops_a_stage_at_once(tmp_path):
    """Two interrupts end a stage that is still at work, with 130; under `nohup` a SIGHUP before them does nothing."""
    with (
        ignoring_hangups(),
        running_stage(tmp_path, "--delay", "constant(60s)") as stage,
        connect(stage.port) as connection,
    ):
        connection.sendall(post_bytes(b"hi"))
        wait_for(lambda: stage.total("simulator_in_flight") == 1, "a message inside")
        stage.process.send_signal(signal.SIGHUP)
        for _ in range(3):
            assert requests.get(f"{stage.base}/readyz", timeout=10).status_code == 200
        assert stage.events("stage.draining") == []
        stage.process.send_signal(signal.SIGINT)
        wait_for(lambda: stage.events("stage.draining"), "draining")
        stage.process.send_signal(signal.SIGINT)
        assert stage.process.wait(10) == 130


def test_stages_end_with_their_runner(tmp_path):
    """A runner that is killed leaves no stage behind, not even one that was stopped meanwhile and is continued."""
    with running_topology(tmp_path, CHAIN) as running:
        pids = [running.pid(name) for name in ("first", "middle", "last")]
        os.kill(pids[1], signal.SIGSTOP)
        running.process.kill()
        running.process.wait()
        os.kill(pids[1], signal.SIGCONT)
        wait_for(lambda: not [pid for pid in pids if is_alive(pid)], "the end of every stage")


def test_a_second_ctrl_c_stops_a_run_at_once(tmp_path):
    """Two interrupts end a run whose stages are still at work; no process is left behind."""
    slow = CHAIN.replace('"uniform(50ms, 150ms)"', "constant(60s)")
    with running_topology(tmp_path, slow) as running:
        pids = [running.pid(name) for name in ("first", "middle", "last")]
        wait_for(lambda: any(line["event"] == "message.received" for line in running.log("middle")), "traffic")
        running.process.send_signal(signal.SIGINT)
        wait_for(lambda: "Stopping" in running.errors.read_text(), "the beginning of the end")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(10) == 130
        assert not [pid for pid in pids if is_alive(pid)]


@pytest.mark.alone
def test_a_thousand_messages_sleep_in_one_process(tmp_path):
    """1,000 messages in flight on a 2 s delay in one stage process: all are answered, none early, none very late."""
    count = 1000
    with running_stage(tmp_path, "--delay", "constant(2s)") as stage:
        with contextlib.ExitStack() as connected:
            connections = [connected.enter_context(connect(stage.port, timeout_seconds=30)) for _ in range(count)]
            for number, connection in enumerate(connections):
                connection.sendall(post_bytes(b"hi", f"X-Message-Id: m{number}"))
            wait_for(lambda: stage.total("simulator_in_flight") == count, "a thousand messages inside")
            assert stage.total("simulator_workers_busy") == count
            answers = [read_answer(connection) for connection in connections]
        assert [answer.status for answer in answers] == [200] * count
        took = [answer.json()["duration_seconds"] for answer in answers]
        assert min(took) >= 2.0
        assert sorted(took)[count // 2] < 3.0
        assert stage.total("simulator_messages_total", outcome="delivered") == count
        assert stage.stop() == 0


def test_posts_and_probes_go_on_beside_each_other(tmp_path):
    """While every worker is busy, the probes answer at once."""
    with running_stage(tmp_path, "--workers", "1", "--delay", "constant(8s)") as stage:
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(post(stage.port, b"hi")))
        thread.start()
        wait_for(lambda: stage.total("simulator_workers_busy") == 1, "a busy worker")
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200)):
            with connect(stage.port, timeout_seconds=6) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert read_answer(connection).status == status
        thread.join()
        assert [answer.status for answer in answers] == [200]
