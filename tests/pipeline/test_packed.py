"""Many stages in one process: nothing that they show tells the difference, and each ends by itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import requests

from tests.support.collector import CLIENT, SERVER, collector
from tests.support.processes import (
    PROGRAM,
    clean_environment,
    read_samples,
    running_topology,
    wait_for,
    with_collector,
)

MESSAGES = 150
STAGES = ("injector", "shop", "price", "stock", "audit", "archive")
SHOP = """
name: shop
seed: 7
stages:
  injector: {role: injector, load: {rate: 20/s}, calls: [shop]}
  shop:
    delay: uniform(1ms, 5ms)
    calls:
      - parallel: [price, stock]
      - {to: audit, probability: 30%, optional: true}
      - archive
  price: {delay: constant(3ms), faults: ["error(503, 30%)"], calls: []}
  stock: {instances: 2, workers: 4, calls: [archive]}
  audit: {faults: ["error(500, 30%)"], calls: []}
  archive: {role: terminator}
"""
# Which instance takes a message, and which of two errors is told, hang on who was faster.
SAME = SHOP.replace("[price, stock]", "[{to: price, retries: 1}, stock]").replace("instances: 2, ", "")
# What another run with the same seed does not have in common, even where its stages are in the same processes.
VARYING = re.compile(
    r"^(timestamp|.*trace_id|.*span_id|.*_seconds|pid|address|calls|traces_endpoint|utilisation|queue_depth|in_flight)$"
)
VARYING_ATTRIBUTES = re.compile(r"(port|url\.full|server\.address|seconds|network\.)")


def processes_of(running):
    return Counter(running.pid(label) for label in labels_of(running))


def labels_of(running):
    return sorted(path.name.removesuffix(".jsonl") for path in (running.report_folder / "logs").glob("*.jsonl"))


def lines_of(running):
    """Return the lines of all logs without what varies, each as often as it is there."""
    return Counter(
        (label, tuple(sorted((key, repr(value)) for key, value in line.items() if not VARYING.match(key))))
        for label in labels_of(running)
        for line in running.log(label)
    )


def series_of(running):
    """Return the names and labels of all series of each stage but for those of its process; ports vary."""
    found = set()
    for name in STAGES:
        text = requests.get(f"{running.stage_base(name)}/metrics", timeout=10).text
        for sample, labels in read_samples(text):
            if not sample.startswith(("process_", "python_")):
                found.add((name, sample, frozenset(pair for pair in labels if pair[0] != "server_port")))
    return found


def spans_of(received):
    """Return the spans without what varies, each with the service and name of its parent, as often as it is there.

    Whether a message had to wait for a worker varies too.
    """
    spans = received.spans()
    by_id = {span.span_id: span for span in spans}

    def shape(span):
        parent = by_id.get(span.parent_id)
        attributes = {k: v for k, v in span.attributes.items() if not VARYING_ATTRIBUTES.search(k)}
        above = (parent.service, parent.name, parent.kind) if parent else None
        return span.service, span.name, span.kind, span.status, above, tuple(sorted(map(repr, attributes.items())))

    return Counter(shape(span) for span in spans if span.name != "queue.wait")


def shown(folder, *flags):
    """Run the shop to its end; give its log lines, series and spans, and how many processes it had."""
    folder.mkdir()
    with collector() as received:
        environment = with_collector(received.address)
        with running_topology(folder, SAME, *flags, environment=environment) as running:
            # By then every way that a message can end has been seen.
            wait_for(lambda: len(running.log("archive")) > MESSAGES, "traffic")
            series = series_of(running)
            count = len(processes_of(running))
            assert running.process.wait(60) == 0, running.errors.read_text()
        return lines_of(running), series, spans_of(received), count


def test_packed_and_apart_show_the_same(tmp_path):
    """The same messages give the same log lines, series and spans, whether stages share a process or not."""
    flags = ("--messages", str(MESSAGES))
    apart = shown(tmp_path / "apart", *flags, "--processes", "100")
    packed = shown(tmp_path / "packed", *flags, "--processes", "1")
    assert (apart[3], packed[3]) == (len(STAGES), 1)
    for before, after in zip(apart[:3], packed[:3], strict=True):
        assert before == after
    assert len(packed[0]) > MESSAGES * 5 and sum(packed[2].values()) > MESSAGES * 15
    # Every client span is of the stage that makes the call, and every server span below one of another stage.
    for service, _, kind, _, above, _ in packed[2]:
        if kind == CLIENT:
            assert above is not None and above[0] == service
        if kind == SERVER:
            assert above is not None and above[0] != service and above[2] == CLIENT


def test_a_packed_process_that_is_killed(tmp_path):
    """Each of its stages is named dead, in the report and in the account, which balances for every message of each."""
    topology = SHOP.replace("archive: {role: terminator}", "archive: {role: terminator, processes: apart}")
    with running_topology(tmp_path, topology, "--processes", "2") as running:
        processes = processes_of(running)
        assert len(processes) == 3
        apart = running.pid("archive")
        victim = next(pid for pid in processes if pid != apart and pid != running.pid("injector"))
        labels = [label for label in labels_of(running) if running.pid(label) == victim]
        assert len(labels) == 3
        wait_for(lambda: len(running.log("archive")) > 20, "traffic")
        os.kill(victim, signal.SIGKILL)
        assert running.interrupt() == 1
    report = running.report()["ledger"]
    dead = {line["stage"] for line in report["stages"] if line["ended"]}
    assert dead == {label.partition(".")[0] for label in labels}
    assert all("was killed (SIGKILL)" in line["ended"] for line in report["stages"] if line["ended"])
    assert report["balanced"]


def test_packed_stages_end_with_their_runner(tmp_path):
    """Where the runner is killed every stage of a process ends in order, and the process with them."""
    with running_topology(tmp_path, SHOP, "--processes", "1") as running:
        (pid,) = processes_of(running)
        labels = labels_of(running)
        running.process.kill()
        running.process.wait()
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the end of the process")
        assert all(running.log(label)[-1]["event"] == "stage.stopped" for label in labels)


def test_a_stage_that_asks_for_it_has_a_process_of_its_own(tmp_path):
    """`processes: apart` keeps a stage by itself, all its instances, whatever is asked for."""
    topology = SHOP.replace("instances: 2,", "instances: 2, processes: apart,")
    with running_topology(tmp_path, topology, environment={"SIMULATOR_PROCESSES": "1"}) as running:
        pids = {label: running.pid(label) for label in labels_of(running)}
        assert len(set(pids.values())) == 3
        assert len({pids["stock.1"], pids["stock.2"], pids["shop"]}) == 3
        assert running.interrupt() == 0


def test_beyond_eight_stages_they_share_a_process_for_each_core(tmp_path):
    """Where nothing is asked for, nine stages are in as many processes as there are cores."""
    names = [f"s{number}" for number in range(1, 9)]
    topology = f"name: nine\nstages:\n  s0: {{role: injector, load: {{rate: 5/s}}, calls: [{', '.join(names)}]}}\n"
    topology += "".join(f"  {name}: {{calls: []}}\n" for name in names)
    with running_topology(tmp_path, topology, "--messages", "5") as running:
        assert running.process.wait(60) == 0
    assert len(processes_of(running)) == min(9, len(os.sched_getaffinity(0)))


@pytest.mark.parametrize("count", ["0", "-1", "some"])
def test_no_process_is_bad_usage(tmp_path, count):
    """A number of processes that can't be is refused before anything starts."""
    command = [sys.executable, str(PROGRAM), "run", "--processes", count, "--report", str(tmp_path / "report")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
    assert done.returncode == 2
    assert "Invalid value for '--processes'" in done.stderr
    assert not (tmp_path / "report").exists()


TWO = """
name: two
stages:
  first: {host: 127.0.0.1, port: PORT1, calls: [second]}
  second: {host: 127.0.0.1, port: PORT2, role: terminator}
"""


def free_ports(count):
    import socket

    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def started(log):
    return log.read_text().count('"stage.started"') == 2


def test_a_container_may_hold_several_stages(tmp_path):
    """`stage --stage a --stage b` is both, each at its own port, and SIGTERM ends the caller before the called one."""
    ports = free_ports(2)
    path, log = tmp_path / "two.yaml", tmp_path / "log"
    path.write_text(TWO.replace("PORT1", str(ports[0])).replace("PORT2", str(ports[1])))
    command = [sys.executable, str(PROGRAM), "stage", "--topology", str(path), "--stage", "second", "--stage", "first"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, env=clean_environment())
    try:
        wait_for(lambda: started(log), "both stages")
        answer = requests.post(f"http://127.0.0.1:{ports[0]}/messages", data=b"hi", timeout=10)
        assert (answer.status_code, answer.json()["outcome"]) == (200, "forwarded")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    stopped = [line for line in log.read_text().splitlines() if '"stage.stopped"' in line]
    assert ['"first"' in line for line in stopped] == [True, False]


def test_a_key_of_one_stage_is_refused_for_several(tmp_path):
    """What can hold for one stage only is a mistake where several are to run; each such key is told."""
    path = tmp_path / "two.yaml"
    path.write_text(TWO.replace("PORT1", "0").replace("PORT2", "0"))
    command = [sys.executable, str(PROGRAM), "stage", "--topology", str(path), "--stage", "first", "--stage", "second"]
    environment = clean_environment({"SIMULATOR_WORKERS": "3"})
    done = subprocess.run(
        [*command, "--delay", "constant(1s)"], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 2
    assert "flag --delay: DELAY: can't be the same for several stages" in done.stderr
    assert "environment SIMULATOR_WORKERS: WORKERS: can't be the same for several stages" in done.stderr


def test_check_says_whom_a_fault_strikes(tmp_path):
    """A fault that takes the processor is told where the stages of a run would share theirs."""
    names = [f"s{number}" for number in range(1, 9)]
    path = tmp_path / "nine.yaml"
    text = f"name: nine\nstages:\n  s0: {{faults: [cpu(20ms)], calls: [{', '.join(names)}]}}\n"
    path.write_text(text + "".join(f"  {name}: {{calls: []}}\n" for name in names))
    command = [sys.executable, str(PROGRAM), "check", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
    assert done.returncode == 0
    cores = len(os.sched_getaffinity(0))
    assert ("s0: cpu(20ms, 100%) affects every stage of its process" in done.stderr) is (cores < 9)
    path.write_text(path.read_text().replace("s0: {", "s0: {processes: apart, "))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
    assert done.stderr == ""
    assert "processes: apart" in done.stdout


def test_every_stage_has_its_log(tmp_path):
    """The logs of packed stages are files of their own, and only the first has one for standard error."""
    with running_topology(tmp_path, SHOP, "--processes", "1", "--messages", "3") as running:
        assert running.process.wait(60) == 0
    logs = Path(running.report_folder / "logs")
    assert {path.name for path in logs.iterdir()} == {
        *(f"{label}.jsonl" for label in ("injector", "shop", "price", "stock.1", "stock.2", "audit", "archive")),
        "injector.stderr",
    }
