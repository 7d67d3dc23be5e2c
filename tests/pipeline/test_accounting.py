"""Every message is accounted for, by ledger, logs, metrics and spans alike."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.collector import CLIENT, INTERNAL, SERVER, Collector, ReceivedSpan, collector
from tests.support.processes import (
    ROOT,
    read_log,
    read_samples,
    run,
    running_topology,
    wait_for,
    with_collector,
)

pytestmark = pytest.mark.timeout(1600)  # ten thousand messages, on a machine that may be slow
PIPELINE = ROOT / "topologies" / "pipeline.yaml"
STAGES = ["injector", "parse", "enrich", "archive"]


def orders(count: int) -> list[bytes]:
    lines = []
    for number in range(count):
        order = {
            "order": number,
            "customer": f"Zoë {number * 7919 % 997}",
            "total": number / 7,
            "note": "x" * (number % 50),
        }
        # Spacing and escapes differ from line to line, so that a body that was parsed and written again would show.
        lines.append(
            json.dumps(
                order, ensure_ascii=number % 2 == 0, indent=None, separators=((", ", ": "), (",", ":"))[number % 2]
            ).encode()
        )
    return lines


def roots(spans: list[ReceivedSpan]) -> list[ReceivedSpan]:
    return [span for span in spans if not span.parent_id]


def orphans(spans: list[ReceivedSpan]) -> list[ReceivedSpan]:
    ids = {span.span_id for span in spans}
    return [span for span in spans if span.parent_id and span.parent_id not in ids]


@pytest.fixture(scope="module", params=[2000, pytest.param(10_000, marks=pytest.mark.slow)])
def accounted(request, tmp_path_factory: pytest.TempPathFactory):
    """Run the default pipeline once on thousands of lines, spans going to a receiver."""
    folder = tmp_path_factory.mktemp("accounted")
    lines = orders(request.param)
    (folder / "orders.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    with collector() as received:
        finished = run(
            "run", str(PIPELINE), "--input", "orders.jsonl", "--output", "archived.jsonl", "--report", "report",
            cwd=folder, environment=with_collector(received.address), timeout_seconds=1500,
        )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    logs = {name: read_log(folder / "report" / "logs" / f"{name}.jsonl") for name in STAGES}
    report = json.loads((folder / "report" / "report.json").read_text())
    return lines, (folder / "archived.jsonl").read_bytes().split(b"\n")[:-1], report, logs, received.traces()


def test_every_line_arrives_once_and_unchanged(accounted):
    """What the terminator wrote down is what was put in, each line once, byte for byte."""
    lines, archived, *_ = accounted
    assert Counter(archived) == Counter(lines)


def test_the_ledger_says_so(accounted):
    """The ledger counts every line at every stage and every call, and balances."""
    lines, _, report, _, _ = accounted
    count = len(lines)
    ledger = report["ledger"]
    assert ledger["balanced"] and ledger["problems"] == []
    assert ledger["lines_read"] == count and ledger["bad_lines"] == 0
    assert [(s["stage"], s["received"], s["delivered"] + s["forwarded"]) for s in ledger["stages"]] == [
        (name, count, count) for name in STAGES
    ]
    assert {(c["caller"], c["called"], c["sent"], c["answered"], c["received"]) for c in ledger["calls"]} == {
        (*pair, count, count, count) for pair in pairwise(STAGES)
    }


def test_every_message_has_one_complete_trace(accounted):
    """Each message's trace has one root, no orphan, and the spans of every stage under the right parents."""
    lines, *_, traces = accounted
    assert len(traces) == len(lines)
    for spans in traces.values():
        assert len(roots(spans)) == 1 and not orphans(spans)
        assert shape([span for span in spans if span.name != "queue.wait"]) == EXPECTED_SHAPE


def test_a_wait_has_a_span_if_it_took_a_millisecond(accounted):
    """No span in which a message was handled has a wait that should show and does not, or one that should not."""
    *_, traces = accounted
    for spans in traces.values():
        waited = {span.parent_id for span in spans if span.name == "queue.wait"}
        handled = [span for span in spans if "simulator.queue_wait_seconds" in span.attributes]
        assert len(handled) == len(STAGES)
        assert waited == {span.span_id for span in handled if span.attributes["simulator.queue_wait_seconds"] >= 0.001}


def shape(spans: list[ReceivedSpan]) -> Counter[tuple[str, str, str, str]]:
    """Return (service, name, parent's service, parent's name) of all spans."""
    by_id = {span.span_id: span for span in spans}
    nobody = ReceivedSpan("", "", "", "", 0, "", 0, 0, 0, {})
    parents = [(span, by_id.get(span.parent_id, nobody)) for span in spans]
    return Counter((span.service, span.name, parent.service, parent.name) for span, parent in parents)


SERVER_SPAN = "POST /messages"
EXPECTED_SHAPE = Counter(
    [
        ("injector", "inject", "", ""),
        *[(stage, "process", stage, SERVER_SPAN) for stage in STAGES[1:]],
        ("injector", "POST", "injector", "inject"),
        ("parse", SERVER_SPAN, "injector", "POST"),
        ("parse", "POST", "parse", SERVER_SPAN),
        ("enrich", SERVER_SPAN, "parse", "POST"),
        ("enrich", "POST", "enrich", SERVER_SPAN),
        ("archive", SERVER_SPAN, "enrich", "POST"),
    ]
)  # fmt: skip


def test_no_time_of_a_server_span_is_unattributed(accounted):
    """Its calls' spans, and its attributes of waiting and processing, cover it: under 1 ms is lost, at the median.

    The span of the processing is a part of the latter: what it leaves uncovered is the stage's own overhead.
    """
    *_, traces = accounted
    uncovered, overhead = [], []
    for spans in traces.values():
        for server in (span for span in spans if span.kind == SERVER):
            children = [span for span in spans if span.parent_id == server.span_id]
            calls = sum(child.duration_seconds for child in children if child.kind == CLIENT)
            told = server.attributes
            parts = told.get("simulator.reading_seconds", 0.0) + told["simulator.queue_wait_seconds"]
            parts += told["simulator.processing_seconds"]
            uncovered.append(server.duration_seconds - calls - parts)
            short_wait = told["simulator.queue_wait_seconds"]
            inside = sum(child.duration_seconds for child in children)
            overhead.append(server.duration_seconds - inside - (short_wait if short_wait < 0.001 else 0.0))
    assert min(uncovered) > -1e-5
    assert sorted(uncovered)[len(uncovered) // 2] < 0.001
    assert 0 <= sorted(overhead)[len(overhead) // 2] < 0.005


def test_one_handled_line_a_stage_bears_the_trace(accounted):
    """At each stage every message has one message.handled line, with the id of its trace."""
    lines, _, _, logs, traces = accounted
    by_message = {
        span.attributes["simulator.message_id"]: trace_id
        for trace_id, spans in traces.items()
        for span in spans
        if "simulator.message_id" in span.attributes
    }
    assert len(by_message) == len(lines)
    for name in STAGES:
        handled = [line for line in logs[name] if line["event"] == "message.handled"]
        assert {line["message_id"]: line["trace_id"] for line in handled} == by_message
        assert len(handled) == len(lines)


def test_client_spans_name_their_peer(accounted):
    """A client span says whom it calls, under the conventions' name and the former one."""
    *_, traces = accounted
    peers = {
        (span.service, span.attributes["peer.service"], span.attributes["http.response.status_code"])
        for spans in traces.values()
        for span in spans
        if span.kind == CLIENT and span.attributes["service.peer.name"] == span.attributes["peer.service"]
    }
    assert peers == {(*pair, 200) for pair in pairwise(STAGES)}


def test_the_spans_say_what_was_drawn(accounted):
    """Log line and spans of one message at one stage tell the same drawn delay and the same times."""
    _, _, _, logs, traces = accounted
    for line in [line for line in logs["enrich"] if line["event"] == "message.handled"][:500]:
        mine = {span.name: span for span in traces[line["trace_id"]] if span.service == "enrich"}
        server, process = mine[SERVER_SPAN], mine["process"]
        assert (server.kind, process.kind) == (SERVER, INTERNAL)
        for name in ("queue_wait_seconds", "processing_seconds", "overhead_seconds"):
            assert server.attributes[f"simulator.{name}"] == pytest.approx(line[name], abs=1e-6)
        for span in (server, process):
            assert span.attributes["simulator.delay.drawn_seconds"] == pytest.approx(
                line["delay_drawn_seconds"], abs=1e-6
            )
        assert server.duration_seconds == pytest.approx(line["duration_seconds"], abs=2e-6)
        assert server.start_ns <= process.start_ns <= process.end_ns <= server.end_ns
        begin_seconds = (process.start_ns - server.start_ns) / 1e9 - line.get("reading_seconds", 0.0)
        assert begin_seconds == pytest.approx(line["queue_wait_seconds"], abs=4e-6)
        if "queue.wait" in mine:
            assert mine["queue.wait"].duration_seconds == pytest.approx(line["queue_wait_seconds"], abs=2e-6)


def test_counters_equal_log_lines_and_server_spans(tmp_path: Path):
    """While a pipeline stands, each stage's counters, its log lines and its server spans are one number."""
    count = 400
    with collector() as received, running_topology(
        tmp_path, PIPELINE, "--input", "-",
        environment=with_collector(received.address), stdin=subprocess.PIPE,
    ) as running:  # fmt: skip
        pipe = running.process.stdin
        assert pipe is not None
        writer = threading.Thread(target=lambda: (pipe.write(b"\n".join(orders(count)) + b"\n"), pipe.flush()))
        writer.start()
        wait_for(lambda: len(handled(running.log("injector"))) == count, "the last message")
        writer.join()
        samples = {name: scrape(running.stage_base(name)) for name in STAGES}
        pipe.close()
        assert running.process.wait(30) == 0
        logs = {name: handled(running.log(name)) for name in STAGES}
    for name in STAGES:
        outcome = "delivered" if name == "archive" else "forwarded"
        assert samples[name]["simulator_messages_total", "outcome", outcome] == count
        assert Counter(line["outcome"] for line in logs[name]) == {outcome: count}
        assert len(server_spans(received, name)) == count
        assert samples[name]["simulator_processing_seconds_count", "", ""] == count


def handled(log: list[dict]) -> list[dict]:
    return [line for line in log if line["event"] == "message.handled"]


def server_spans(received: Collector, stage: str) -> list[ReceivedSpan]:
    return [
        span for span in received.spans() if span.service == stage and (span.kind == SERVER or span.name == "inject")
    ]


def scrape(base: str) -> dict[tuple[str, str, str], float]:
    import requests

    found: Counter[tuple[str, str, str]] = Counter()
    for (name, labels), value in read_samples(requests.get(f"{base}/metrics", timeout=10).text).items():
        own = [(key, text) for key, text in labels if key not in ("stage", "role", "le")]
        for key, text in own or [("", "")]:
            found[name, key, text] += value
    return found


def test_broken_propagation_splits_the_traces(tmp_path: Path):
    """Where no stage passes the trace context on, each message falls into one trace a stage."""
    with collector() as received:
        finished = run(
            "run", str(PIPELINE), "--messages", "50", "--rate", "100/s", "--report", "report",
            cwd=tmp_path, environment={**with_collector(received.address), "OTEL_PROPAGATORS": "none"},
        )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    traces = received.traces()
    assert len(traces) == 50 * len(STAGES)
    assert all(len({span.service for span in spans}) == 1 for spans in traces.values())
