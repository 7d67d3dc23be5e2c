"""Configured = injected = observed, on live stages: seeds, delays, queueing, schedules."""

from __future__ import annotations

import heapq
import json
import statistics
from pathlib import Path

import pytest

from simulator.behaviour.delays import parse_delay
from simulator.behaviour.draws import FIRST_VISIT, draw
from simulator.topology.samples import samples_beside
from tests.support.processes import ROOT, read_log, run, running_stage, running_topology, wait_for
from tests.support.wire import post

PIPELINE = ROOT / "topologies" / "pipeline.yaml"


def drawn_delays(folder: Path, *flags: str) -> dict[tuple[str, str], float]:
    """Run the pipeline on a few messages and return {(stage, message id): drawn delay}.

    In virtual time, which draws as a live run does: see test_live_and_virtual.
    """
    folder.mkdir()
    arguments = ("run", str(PIPELINE), "--virtual", "--messages", "40", "--report", "report", *flags)
    finished = run(*arguments, cwd=folder)
    assert finished.returncode == 0, finished.stderr
    return {
        (line["stage"], line["message_id"]): line["delay_drawn_seconds"]
        for stage in ("parse", "enrich", "archive")
        for line in read_log(folder / "report" / "logs" / f"{stage}.jsonl")
        if line["event"] == "message.handled"
    }


def test_a_seed_decides_every_delay(tmp_path):
    """The same seed gives the same ids and delays, another seed or none gives others."""
    first = drawn_delays(tmp_path / "a", "--seed", "11")
    assert len(first) == 3 * 40
    assert drawn_delays(tmp_path / "b", "--seed", "11") == first
    other = drawn_delays(tmp_path / "c", "--seed", "12")
    assert not set(first) & set(other)
    none, none_again = drawn_delays(tmp_path / "d"), drawn_delays(tmp_path / "e")
    assert not set(none) & set(none_again)


def test_a_seed_decides_the_delay_of_a_message_with_an_id_of_its_own(tmp_path):
    """A client's own message id draws the delay that the seed, the stage and the id say."""
    with running_stage(tmp_path, "--seed", "5", "--delay", "uniform(1ms, 30ms)") as stage:
        assert post(stage.port, b"hi", "X-Message-Id: order-17").status == 200
        (line,) = wait_for(lambda: stage.events("message.handled"), "the line")
    expected = parse_delay("uniform(1ms, 30ms)").quantile(draw(5, "stage", "order-17", FIRST_VISIT, "delay"))
    assert line["delay_drawn_seconds"] == pytest.approx(expected, abs=1e-6)


# The others are tested in virtual time.
DELAYS = ["lognormal(p50=12ms, p99=60ms, max=100ms)", "samples(samples.txt)"]


@pytest.mark.alone
@pytest.mark.parametrize("delay", DELAYS)
def test_a_live_stage_takes_the_time_it_drew(tmp_path, delay):
    """At low load the stage's own time is what was drawn: at the median within a millisecond, and never 2 ms less."""
    (tmp_path / "samples.txt").write_text("\n".join(f"{n}ms" for n in (5, 8, 8, 9, 12, 20, 35)))
    count, seed = 60, 3
    written = delay.replace("samples.txt", str(tmp_path / "samples.txt"))
    with running_stage(tmp_path, "--delay", written, "--seed", str(seed)) as stage:
        for number in range(count):
            assert post(stage.port, b"hi", f"X-Message-Id: m{number}").status == 200
        total = {name: stage.total(f"simulator_{name}_seconds_sum") for name in ("delay_drawn", "processing")}
        lines = wait_for(
            lambda: len(stage.events("message.handled")) == count and stage.events("message.handled"), "lines"
        )
    distribution = parse_delay(written, samples_beside(tmp_path))
    for line in lines:
        expected = distribution.quantile(draw(seed, "stage", line["message_id"], FIRST_VISIT, "delay"))
        assert line["delay_drawn_seconds"] == pytest.approx(expected, abs=1e-6)
    over = [line["processing_seconds"] - line["delay_drawn_seconds"] for line in lines]
    assert min(over) >= -0.002 - 1e-6  # what a stage corrects at most for what its answer is known to take
    assert abs(statistics.median(over)) < 0.001
    assert total["delay_drawn"] == pytest.approx(sum(line["delay_drawn_seconds"] for line in lines), abs=1e-4)
    assert total["processing"] == pytest.approx(sum(line["processing_seconds"] for line in lines), abs=1e-4)


def mean_wait(arrivals: list[float], services: list[float], workers: int) -> float:
    """Return the mean wait of first come, first served (Kiefer and Wolfowitz, 1955): the first free worker."""
    free = [0.0] * workers
    waits = []
    for at, service in zip(arrivals, services, strict=True):
        begin = max(at, heapq.heappop(free))
        waits.append(begin - at)
        heapq.heappush(free, begin + service)
    return statistics.fmean(waits)


@pytest.mark.calm
def test_a_live_queue_is_the_one_on_paper(tmp_path):
    """At 70 % of four workers the waits are those of the run's own arrivals and times, played through without a clock.

    That they are Erlang's is tested in virtual time, with many more messages.
    """
    workers, count = 4, 250
    topology = f"""
name: queueing
seed: 4
stages:
  source: {{role: injector, load: {{rate: 28/s, arrivals: poisson, messages: {count}}}, calls: [server]}}
  server: {{role: terminator, delay: exponential(100ms), workers: {workers}, queue: 1000}}
"""
    with running_topology(tmp_path, topology) as running:
        assert running.process.wait(150) == 0
    lines = [line for line in running.log("server") if line["event"] == "message.handled"]
    assert len(lines) == count and {line["outcome"] for line in lines} == {"delivered"}
    measured = statistics.fmean(line["queue_wait_seconds"] for line in lines)
    received = {
        line["message_id"]: line["timestamp"] for line in running.log("server") if line["event"] == "message.received"
    }
    arrivals = [seconds_of(received[line["message_id"]]) for line in lines]
    order = sorted(range(count), key=arrivals.__getitem__)
    services = [lines[index]["processing_seconds"] for index in order]
    played = mean_wait([arrivals[index] for index in order], services, workers)
    assert measured == pytest.approx(played, rel=0.1)
    drawn = statistics.fmean(line["delay_drawn_seconds"] for line in lines)
    assert statistics.fmean(line["processing_seconds"] for line in lines) < 1.05 * drawn


def seconds_of(timestamp: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(timestamp).timestamp()


@pytest.mark.alone
def test_the_schedule_is_kept_whatever_the_answers_take(tmp_path):
    """An open schedule sends at its times although answers take far longer than a gap, and says how late it was."""
    topology = """
name: open
seed: 1
stages:
  source: {role: injector, load: {rate: 50/s, arrivals: constant, messages: 100}, calls: [slow]}
  slow: {role: terminator, delay: constant(1500ms)}
"""
    with running_topology(tmp_path, topology) as running:
        wait_for(lambda: sum(x["event"] == "message.received" for x in running.log("slow")) == 100, "all messages")
        import requests

        from tests.support.processes import read_samples

        samples = read_samples(requests.get(f"{running.stage_base('source')}/metrics", timeout=10).text)
        assert running.process.wait(60) == 0
    values = {
        name: value for (name, labels), value in samples.items() if "injector" in name and not dict(labels).get("le")
    }
    assert values["simulator_injector_due_total"] == 100
    assert values["simulator_injector_missed_total"] == 0
    assert values["simulator_injector_lag_seconds_count"] == 100
    assert values["simulator_injector_lag_seconds_sum"] / 100 < 0.05
    sent = [seconds_of(line["timestamp"]) for line in running.log("source") if line["event"] == "message.received"]
    assert sent[-1] - sent[0] == pytest.approx(99 / 50, abs=0.2)


def test_reports_and_logs_are_json(tmp_path):
    """`run --json` prints one JSON document and nothing else on standard output."""
    finished = run("run", str(PIPELINE), "--messages", "5", "--rate", "50/s", "--json", cwd=tmp_path)
    report = json.loads(finished.stdout)
    assert finished.returncode == 0
    assert report["ledger"]["balanced"] is True
    assert report["latency_seconds"]["end to end"]["p50"] > 0.01
    assert report == json.loads((tmp_path / "runs" / "pipeline" / "report.json").read_text())


CARTS = """
name: carts
stages:
  clients: {role: injector, load: {rate: 50/s, messages: 50}, calls: [{choose: {cart.read: 7, cart.write: 3}}]}
  cart: {operations: {read: {method: GET, path: /carts, delay: 5ms}, write: {path: /carts, delay: 100ms}}}
"""


def test_the_report_has_percentiles_of_each_operation(tmp_path):
    """Those of the stage lie between those of its operations, none of which is faster than its delay."""
    (tmp_path / "carts.yaml").write_text(CARTS)
    finished = run("run", "carts.yaml", "--json", "--no-console", "--seed", "7", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    latencies = json.loads(finished.stdout)["latency_seconds"]
    assert list(latencies) == ["clients", "cart", "cart.read", "cart.write", "end to end"]
    read, write, both = latencies["cart.read"], latencies["cart.write"], latencies["cart"]
    assert 0.99 * 0.005 <= read["p50"] < write["p50"] and write["p50"] >= 0.99 * 0.1
    assert read["p50"] <= both["p50"] <= write["p50"]
    assert both["max"] == max(read["max"], write["max"])
