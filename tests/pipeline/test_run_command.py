"""`run_web_service.py run` and `check`, as their users know them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.processes import ROOT, clean_environment, read_log, run, running_stage, running_topology, wait_for
from tests.support.wire import nobody

PIPELINE = ROOT / "topologies" / "pipeline.yaml"
STAGES = ["injector", "parse", "enrich", "archive"]


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, command: list[str], cwd: Path, environment: dict[str, str]) -> None:
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(command[0], command, environment)
        self.screen = ""
        self._status: int | None = None

    def read_until(self, found, timeout_seconds: float = 30) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not found(self.screen):
            assert time.monotonic() < deadline, self.screen
            if not self._read(0.1) and self._status is not None:
                raise AssertionError(f"it ended: {self.screen}")

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait(self, timeout_seconds: float) -> int:
        deadline = time.monotonic() + timeout_seconds
        while self._status is None:
            assert time.monotonic() < deadline, self.screen
            self._read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        while self._read(0.05):
            pass
        return self._status

    def close(self) -> None:
        if self._status is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self._master)

    def _read(self, timeout_seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], timeout_seconds)
        try:
            data = os.read(self._master, 65536) if ready else b""
        except OSError:
            data = b""
        self.screen += data.decode(errors="replace")
        return bool(data)


def processes_under(folder: Path) -> list[str]:
    """Return the command lines of all processes that were started with something in `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if str(folder) in command and state != "Z":
                found.append(command)
    return found


@pytest.mark.alone
def test_make_demo(tmp_path):
    """make demo: four stages soon up, traffic in a live table, Ctrl-C soon ends it with a balanced ledger.

    Soon is 5 s where a stage by itself takes half a second to start, and on a slower machine ten times what it takes.
    """
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("simulator", "topologies"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run_web_service.py", "Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, checkout)
    # Installation is not what is measured here: the demo finds it done.
    (checkout / ".venv").symlink_to(Path(sys.prefix))
    environment = {**clean_environment(), "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    begin = time.monotonic()
    with running_stage(tmp_path):
        soon_seconds = max(5.0, 10 * (time.monotonic() - begin))
    begin = time.monotonic()
    terminal = Terminal(["make", "demo", "-o", ".venv/.run"], checkout, environment)
    try:
        terminal.read_until(lambda screen: "logs and report in" in screen)
        up_seconds = time.monotonic() - begin
        terminal.read_until(lambda screen: re.search(r"delivered.{0,9} \d+", screen) is not None)
        assert all(name in terminal.screen for name in STAGES)
        assert "in flight" in terminal.screen and "p99" in terminal.screen
        assert len(processes_under(checkout)) >= 4
        begin = time.monotonic()
        terminal.press(b"\x03")
        code = terminal.wait(60)
        down_seconds = time.monotonic() - begin
    finally:
        terminal.close()
    assert code == 0, terminal.screen
    assert "The ledger balances" in terminal.screen
    assert not processes_under(checkout)
    assert up_seconds < soon_seconds and down_seconds < soon_seconds


def test_a_pipe_gets_plain_lines(tmp_path):
    """On a pipe there is a plain line every few seconds, no colour and no cursor movement."""
    finished = run("run", str(PIPELINE), "--duration", "3s", "--set", "parse.workers=4", cwd=tmp_path)
    assert finished.returncode == 0
    assert "\x1b" not in finished.stdout + finished.stderr
    # Where the first line comes late there is nothing yet that its rates could be counted from.
    lines = finished.stdout.splitlines()[:2]
    expected = re.compile(r" +\ds of 3s  end to end p50 .*\| injector [\d.]+/s, p50 .*\| archive ")
    assert any(map(expected.match, lines)), lines
    assert "no collector" not in finished.stderr  # spans are switched off in the tests


def test_no_collector_is_said_once(tmp_path):
    """Where nothing takes the spans, the run says so in one line and works."""
    with nobody() as port:
        environment = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
        finished = run("run", str(PIPELINE), "--messages", "5", cwd=tmp_path, environment=environment)
    assert finished.returncode == 0
    assert finished.stderr.count("no collector at") == 1


def test_a_port_in_use_stops_everything(tmp_path):
    """One line says which stage and port; nothing is left running; exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run("run", str(PIPELINE), "--set", f"enrich.port={port}", "--report", str(tmp_path), cwd=tmp_path)
    assert finished.returncode == 2
    assert len(finished.stderr.strip().splitlines()) == 1
    assert "enrich" in finished.stderr and str(port) in finished.stderr
    assert not processes_under(tmp_path)


def test_an_output_that_cannot_be_written_stops_everything(tmp_path):
    """An unwritable output file is found before anything is started."""
    finished = run("run", str(PIPELINE), "--output", str(tmp_path / "no" / "such" / "folder"), cwd=tmp_path)
    assert finished.returncode == 2
    assert "can't be written" in finished.stderr


def test_an_input_that_cannot_be_read_stops_everything(tmp_path):
    """A missing input file is said in one line, by name, and nothing is left running."""
    finished = run("run", str(PIPELINE), "--input", "missing.jsonl", "--report", str(tmp_path / "r"), cwd=tmp_path)
    assert finished.returncode == 2
    assert "missing.jsonl" in finished.stderr
    assert not processes_under(tmp_path)


@pytest.mark.parametrize("link", ["symlink", "hard link", "the name itself"])
def test_an_output_that_is_the_input_is_refused_untouched(tmp_path, link):
    """What is appended to the file that is read would be read again, for ever, whatever its second name is."""
    source, other = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    text = "".join(f'{{"n": {n}}}\n' for n in range(20))
    source.write_text(text)
    if link == "symlink":
        other.symlink_to(source)
    elif link == "hard link":
        other.hardlink_to(source)
    output = source.name if link == "the name itself" else other.name
    finished = run("run", str(PIPELINE), "--input", "in.jsonl", "--output", output, cwd=tmp_path, timeout_seconds=60)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "are the same file: it would be destroyed, or read for ever" in finished.stderr
    assert source.read_text() == text
    assert not (tmp_path / "runs").exists()


def test_an_input_inside_the_folder_of_the_run_is_refused_untouched(tmp_path):
    """The log of the last run as the input of the next: the folder is not cleared, and the line names --report."""
    again = ("run", str(PIPELINE), "--report", "report", "--messages", "3")
    assert run(*again, cwd=tmp_path).returncode == 0
    source = tmp_path / "report" / "logs" / "archive.jsonl"
    before = source.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "report")
    for name in ("report/logs/archive.jsonl", "link/logs/archive.jsonl"):
        finished = run(*again, "--input", name, cwd=tmp_path)
        assert (finished.returncode, finished.stdout) == (2, "")
        assert "is in the folder of the run" in finished.stderr and "--report" in finished.stderr
        assert source.read_bytes() == before != b""


@pytest.mark.parametrize(("policy", "sent", "code"), [("stop", 2, 1), ("skip", 4, 0)])
def test_a_broken_line_is_named_by_its_number(tmp_path, policy, sent, code):
    """A line of the input that is not JSON is named; --on-bad-line decides about the rest; the ledger counts it."""
    (tmp_path / "in.jsonl").write_text('{"n": 1}\n\n{"n": 2}\n{"n": oops}\n{"n": 3}\n{"n": 4}')
    finished = run(
        "run", str(PIPELINE), "--input", "in.jsonl", "--output", "out.jsonl", "--on-bad-line", policy,
        "--report", "report", cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == code, finished.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == sent
    bad = [x for x in read_log(tmp_path / "report" / "logs" / "injector.jsonl") if x["event"] == "input.bad_line"]
    assert [line["line"] for line in bad] == [4]
    ledger = json.loads((tmp_path / "report" / "report.json").read_text())["ledger"]
    assert ledger["bad_lines"] == 1 and ledger["lines_read"] == sent + 1 and ledger["balanced"]
    assert "line 4" in finished.stderr


def test_standard_input_is_an_input(tmp_path):
    """--input - sends the lines of standard input and ends with them."""
    finished = run(
        "run", str(PIPELINE), "--input", "-", "--output", "out.jsonl", cwd=tmp_path, stdin=b'{"a": 1}\n{"a": 2}\n'
    )
    assert finished.returncode == 0, finished.stderr
    assert sorted((tmp_path / "out.jsonl").read_text().splitlines()) == ['{"a": 1}', '{"a": 2}']


@pytest.mark.alone
def test_a_rate_paces_an_input(tmp_path):
    """With --rate the lines of an input go by the schedule: 40 at 20/s, evenly, take about 2 s."""
    (tmp_path / "in.jsonl").write_text('{"a": 1}\n' * 40)
    finished = run(
        "run", str(PIPELINE), "--input", "in.jsonl", "--rate", "20/s", "--set", "injector.load.arrivals=constant",
        "--report", "report", cwd=tmp_path,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    lines = read_log(tmp_path / "report" / "logs" / "injector.jsonl")
    times = [line["timestamp"] for line in lines if line["event"] == "message.received"]
    from datetime import datetime

    took = (datetime.fromisoformat(times[-1]) - datetime.fromisoformat(times[0])).total_seconds()
    assert took == pytest.approx(39 / 20, abs=0.3)


def test_two_runs_beside_each_other_do_not_share_a_folder(tmp_path):
    """A second run of the same topology gets a folder of its own."""
    folder = str(tmp_path / "runs" / "pipeline")
    with running_topology(tmp_path, PIPELINE, "--rate", "2/s", "--report", folder) as first:
        finished = run("run", str(PIPELINE), "--messages", "3", "--rate", "50/s", cwd=tmp_path)
        assert finished.returncode == 0
        assert "runs/pipeline-2" in finished.stderr
        taken = run("run", str(PIPELINE), "--report", "runs/pipeline", cwd=tmp_path)
        assert taken.returncode == 2 and "another run" in taken.stderr
        assert first.interrupt() == 0


def test_a_stage_that_dies_is_shown_and_not_restarted(tmp_path):
    """A killed stage is told on the next line and in the ledger, and stays dead."""
    with running_topology(tmp_path, PIPELINE, "--rate", "50/s") as running:
        wait_for(lambda: any(x["event"] == "message.handled" for x in running.log("archive")), "traffic")
        os.kill(running.pid("archive"), 9)
        wait_for(lambda: "archive WAS KILLED (SIGKILL)" in (tmp_path / "run.stdout").read_text(), "the news")
        assert running.interrupt() == 1
    assert "archive was killed (SIGKILL)" in running.errors.read_text()


def test_a_topology_with_ten_mistakes_shows_all(tmp_path):
    """check and run show every mistake with line and column, start nothing, and end with exit code 2."""
    (tmp_path / "bad.yaml").write_text(
        """name: Bad Name
seed: -1
stages:
  source:
    role: injector
    load: {rate: 20, arrivals: often}
    calls: [middel]
  middle:
    delay: lognormal(p50=12ms, p99=8ms)
    workers: 0
    timeout: 3s
    calls: [last, {to: nowhere}]
  last:
    role: terminator
    faults: ["error(503, 150%)"]
    calls: [middle]
"""
    )
    for command in (("check",), ("run",)):
        finished = run(*command, "bad.yaml", cwd=tmp_path)
        assert finished.returncode == 2 and finished.stdout == ""
        places = re.findall(r"^bad\.yaml:(\d+):(\d+): ", finished.stderr, re.MULTILINE)
        lines = [int(line) for line, _ in places]
        assert set(lines) >= {1, 2, 6, 7, 9, 10, 11, 12, 15, 16} and len(lines) >= 10
    assert not (tmp_path / "runs").exists()


def test_check_says_what_a_good_topology_is(tmp_path):
    """check on a good file names its stages and where messages come in; exit code 0."""
    finished = run("check", str(PIPELINE), cwd=tmp_path)
    assert finished.returncode == 0
    assert all(name in finished.stdout for name in STAGES) and "injector (20/s, poisson)" in finished.stdout


def test_a_topology_without_an_injector_takes_posts(tmp_path):
    """A stage that nobody calls is an entry: outside clients POST to it; the ledger knows them as outside."""
    from tests.support.wire import post

    topology = """
stages:
  front: {calls: [back]}
  back: {role: terminator}
"""
    with running_topology(tmp_path, topology) as running:
        port = int(running.stage_base("front").rsplit(":", 1)[1])
        assert [post(port, b"hi").status for _ in range(5)] == [200] * 5
        assert running.interrupt() == 0
    front, back = running.report()["ledger"]["stages"]
    assert (front["received"], front["forwarded"], back["delivered"]) == (5, 5, 5)


def test_a_diamond_is_called_in_order(tmp_path):
    """Two calls of one stage are made in order; a shared stage below gets both, and draws again for each."""
    topology = """
seed: 7
stages:
  source: {role: injector, load: {messages: 20, concurrency: 4}, calls: [split]}
  split: {calls: [left, right]}
  left: {delay: constant(20ms), calls: [shared]}
  right: {calls: [shared]}
  shared: {role: terminator, delay: "uniform(1ms, 5ms)"}
"""
    with running_topology(tmp_path, topology) as running:
        assert running.process.wait(60) == 0
    ledger = {line["stage"]: line for line in running.report()["ledger"]["stages"]}
    assert ledger["shared"]["delivered"] == 40
    called = defaultdict(list)
    for line in running.log("split"):
        if line["event"] == "message.sent":
            called[line["message_id"]].append(line["downstream"])
    assert list(called.values()) == [["left", "right"]] * 20
    drawn = {line["delay_drawn_seconds"] for line in running.log("shared") if line["event"] == "message.handled"}
    # One draw for both visits would leave 20. Of 40 on a scale of 4,000 microseconds, 780 pairs have 0.2 equals to
    # expect; more than five come once in ten million seeds.
    assert len(drawn) >= 35


def test_interrupting_before_it_is_up_is_130(tmp_path):
    """Ctrl-C while the stages are starting stops them and gives 130."""
    import signal

    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run_web_service.py"), "run", str(PIPELINE), "--report", str(tmp_path / "r")],
        cwd=tmp_path, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for((tmp_path / "r" / "topology.yaml").exists, "the start")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()
    assert not processes_under(tmp_path)


def test_a_start_that_takes_too_long_says_what_it_waits_for(tmp_path):
    """--start-timeout bounds how long no stage may become ready; the reason names the stages and the flag."""
    finished = run("run", str(PIPELINE), "--start-timeout", "1ms", "--report", str(tmp_path / "r"), cwd=tmp_path)
    assert finished.returncode == 2
    assert "0 of 4 stages are ready, and no other became ready for 1ms; waiting for" in finished.stderr
    assert "--start-timeout waits longer" in finished.stderr
