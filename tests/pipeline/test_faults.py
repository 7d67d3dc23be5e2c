"""Every fault, as a plain client sees it and as every signal marks it; and what is genuine stays genuine."""

from __future__ import annotations

import socket
import time
from collections import Counter

import pytest
import requests
import yaml

from tests.support.collector import ERROR, collector
from tests.support.load import send_all
from tests.support.played import Chain
from tests.support.processes import running_stage, running_topology, wait_for, with_collector
from tests.support.statistics import binomial_range
from tests.support.virtual import topology_of
from tests.support.wire import connect, misbehaving, post, post_bytes, read_answer


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """Return a collector and a stage that sends it spans; each test sets the faults that it wants."""
    with collector() as received, running_stage(
        tmp_path_factory.mktemp("faults"), "--delay", "constant(5ms)", environment=with_collector(received.address)
    ) as stage:  # fmt: skip
        yield received, stage


def set_faults(stage, *faults, **more):
    stage.change({"faults": list(faults), **more})


def faults_counted(stage, name):
    return stage.total("simulator_faults_injected_total", fault=name)


def handled(stage, message_id):
    def line():
        found = [entry for entry in stage.events("message.handled") if entry["message_id"] == message_id]
        return found[0] if found else None

    return wait_for(line, f"the line about {message_id}")


def assert_marked(traced, message_id, name, outcome):
    """Check that log, metric and span say that the fault struck this one message, and how it ended."""
    received, stage = traced
    line = handled(stage, message_id)
    assert (line["fault"], line["outcome"]) == (name, outcome)
    injected = [entry for entry in stage.events("fault.injected") if entry["message_id"] == message_id]
    assert [entry["fault"] for entry in injected] == [name]

    def spans():
        found = [span for span in received.spans() if span.attributes.get("simulator.message_id") == message_id]
        return found or None

    (span,) = wait_for(spans, f"the span of {message_id}")
    assert span.attributes["simulator.fault"] == name
    assert span.attributes["simulator.outcome"] == outcome
    assert (span.status == ERROR) == (outcome == "faulted")
    return span


def test_error(traced):
    _, stage = traced
    set_faults(stage, "error(418, 100%)")
    before = faults_counted(stage, "error")
    answer = post(stage.port, b"hi", "X-Message-Id: error-1")
    assert answer.status == 418
    assert answer.json()["injected"] is True and answer.headers["x-simulator-injected"] == "true"
    assert faults_counted(stage, "error") == before + 1
    assert_marked(traced, "error-1", "error", "faulted")


def test_reset(traced):
    """The connection ends with a reset and not a byte of an answer; without the fault it would have been kept."""
    _, stage = traced
    set_faults(stage, "reset(100%)")
    before = faults_counted(stage, "reset")
    with connect(stage.port) as connection:
        connection.sendall(post_bytes(b"hi", "X-Message-Id: reset-1"))
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert faults_counted(stage, "reset") == before + 1
    span = assert_marked(traced, "reset-1", "reset", "faulted")
    assert "http.response.status_code" not in span.attributes
    assert handled(stage, "reset-1")["code"] is None


def test_truncate(traced):
    """The answer announces its whole body and ends in the middle of it."""
    _, stage = traced
    set_faults(stage, "truncate(100%)")
    with connect(stage.port) as connection:
        connection.sendall(post_bytes(b"hi", "X-Message-Id: truncate-1"))
        data = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    announced = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert len(body) == announced // 2
    assert_marked(traced, "truncate-1", "truncate", "faulted")


def test_slow_body(traced):
    """The body comes at the pace that was asked for, and whole."""
    _, stage = traced
    set_faults(stage, "slow_body(200B/s, 100%)")
    with connect(stage.port) as connection:
        begin = time.monotonic()
        connection.sendall(post_bytes(b"hi", "X-Message-Id: slow-1"))
        answer = read_answer(connection)
        took = time.monotonic() - begin
    assert answer.status == 200 and answer.json()["message_id"] == "slow-1"
    whole = len(answer.body) / 200
    assert 0.95 * whole <= took < 1.7 * whole
    span = assert_marked(traced, "slow-1", "slow_body", "delivered")
    assert 0.95 * whole <= span.duration_seconds < 1.7 * whole


def test_hang(traced):
    """Nothing happens for as long as was asked for, and then all goes on; the time has a span of its own."""
    received, stage = traced
    set_faults(stage, "hang(300ms, 100%)")
    begin = time.monotonic()
    assert post(stage.port, b"hi", "X-Message-Id: hang-1").status == 200
    assert time.monotonic() - begin >= 0.305
    span = assert_marked(traced, "hang-1", "hang", "delivered")
    inner = [s for s in received.spans() if s.parent_id == span.span_id and s.name == "fault.hang"]
    assert len(inner) == 1 and 0.3 <= inner[0].duration_seconds < 0.5
    line = handled(stage, "hang-1")
    assert 0.3 <= line["fault_seconds"] < 0.5
    # The hang is not counted as processing too.
    assert line["processing_seconds"] + line["fault_seconds"] <= line["duration_seconds"] + 1e-5


def test_cpu(traced):
    """The process really computes, as its own metric says."""
    _, stage = traced
    set_faults(stage, "cpu(200ms)")
    before = stage.total("process_cpu_seconds_total")
    assert post(stage.port, b"hi", "X-Message-Id: cpu-1").status == 200
    # Beside the fault, what the message and a look at the metrics cost. It is counted in hundredths of a second.
    assert 0.19 <= round(stage.total("process_cpu_seconds_total") - before, 2) < 0.3
    assert_marked(traced, "cpu-1", "cpu", "delivered")


def test_memory(traced):
    """The memory is really taken while the message is processed, and given back."""
    _, stage = traced
    before = stage.total("process_resident_memory_bytes")
    set_faults(stage, "memory(100MB)", delay="constant(5s)")
    try:
        with connect(stage.port) as connection:
            connection.sendall(post_bytes(b"hi", "X-Message-Id: memory-1"))
            wait_for(lambda: stage.total("process_resident_memory_bytes") > before + 90e6, "the memory")
            assert stage.total("process_resident_memory_bytes") < before + 140e6
            assert read_answer(connection).status == 200
        wait_for(lambda: stage.total("process_resident_memory_bytes") < before + 50e6, "the memory's end")
    finally:
        set_faults(stage, delay="constant(5ms)")
    assert_marked(traced, "memory-1", "memory", "delivered")


def test_probes_stay_green(traced):
    """A fault in every message does not affect the probes."""
    _, stage = traced
    set_faults(stage, "hang(10s, 100%)", "error(500, 100%)")
    with connect(stage.port) as connection:
        connection.sendall(post_bytes(b"hi"))
        for path in ("healthz", "readyz", "metrics", "control"):
            assert requests.get(f"{stage.base}/{path}", timeout=5).status_code == 200
        set_faults(stage)


CHAIN = """
name: chain
seed: 5
stages:
  first: {calls: [{to: middle, timeout: 2s}]}
  middle: {calls: [{to: last, timeout: 2s}]}
  last:
    role: terminator
    response_bytes: 400B
    faults: ["error(503, 15%)", "reset(15%)", "truncate(15%)", "hang(6s, 15%)", "slow_body(50B/s, 15%)"]
"""
CHAIN_MESSAGES = 24


def test_an_injected_fault_is_called_so_all_the_way_up(tmp_path):
    """Whatever way a fault takes to keep callers from their answer, each of them knows that it was injected.

    Both wait equally long, so the first one gives up before the second knows why. Which message meets with what is
    worked out from the seed; chains of all lengths are tested in virtual time.
    """
    topology = topology_of(yaml.safe_load(CHAIN)["stages"], seed=5)
    chain = Chain(topology)
    ids = [f"m-{number}" for number in range(CHAIN_MESSAGES)]
    for message in ids:
        chain.play(message)
    expected = Counter((stage, message, visit.outcome) for (stage, message, _), visit in chain.visits.items())
    met = {fault for visit in chain.visits.values() for fault in visit.faults}
    assert met == {"error", "reset", "truncate", "hang", "slow_body"}
    with running_topology(tmp_path, CHAIN) as running:
        port = int(running.stage_base("first").rsplit(":", 1)[1])
        answers = send_all(port, ids)
        assert running.interrupt() == 0, running.errors.read_text()
        lines = [line for stage in topology.stages for line in running.log(stage) if line["event"] == "message.handled"]
    assert Counter((line["stage"], line["message_id"], line["outcome"]) for line in lines) == expected
    faulted = {message for stage, message, outcome in expected if (stage, outcome) == ("first", "faulted")}
    assert {message for message, status in answers.items() if status in (502, 504)} == faulted
    assert {message for message, status in answers.items() if status == 200} == set(ids) - faulted


def test_a_genuine_failure_beside_faults_stays_genuine(tmp_path):
    """One downstream fails by an injected fault and the other for real; each failure is recorded as what it is."""
    topology = tmp_path / "two.yaml"
    topology.write_text(
        "name: two\nseed: 5\nstages:\n"
        "  router: {calls: [{choose: {sick: 50%, broken: 50%}}]}\n"
        '  sick: {role: terminator, faults: ["reset(100%)"]}\n'
        "  broken: {role: terminator}\n"
    )

    def reset(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    (tmp_path / "sick").mkdir()
    with misbehaving(reset) as port, collector() as received:
        flags = ("--topology", str(topology), "--stage", "sick")
        with running_stage(tmp_path / "sick", *flags, name="sick") as sick:
            flags = ("--topology", str(topology), "--stage", "router", "--downstream")
            where = f"sick={sick.url},broken=http://127.0.0.1:{port}/messages"
            environment = with_collector(received.address)
            with running_stage(tmp_path, *flags, where, environment=environment, name="router") as router:
                answers = [post(router.port, b"hi", f"X-Message-Id: m-{n}") for n in range(40)]
                wait_for(lambda: len(router.events("message.handled")) == 40, "every line")
                for outcome, on_purpose in (("faulted", True), ("failed", False)):
                    bodies = [answer.json() for answer in answers]
                    ids = {body["message_id"] for body in bodies if body.get("injected", False) is on_purpose}
                    low, high = binomial_range(40, 0.5, 0.999)
                    assert low <= len(ids) <= high
                    assert router.total("simulator_messages_total", outcome=outcome) == len(ids)
                    assert {x["message_id"] for x in router.events("message.handled") if x["outcome"] == outcome} == ids
                sent = router.events("message.sent")
                assert router.stop() == 0
    assert all(line.get("injected", False) == (line["downstream"] == "sick") for line in sent)
    spans = [span for span in received.spans() if "simulator.outcome" in span.attributes]
    assert len(spans) == 40
    assert not any("simulator.fault" in span.attributes for span in spans)
