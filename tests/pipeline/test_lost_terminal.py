"""A run whose terminal, pipe or disk goes away ends in order, with its ledger and the exit code it would have had."""

from __future__ import annotations

import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys

import pytest

from tests.support.processes import PROGRAM, clean_environment, read_log, wait_for

TWO = """
name: two
stages:
  injector: {role: injector, load: {rate: 50/s}, calls: [archive]}
  archive: {role: terminator, delay: constant(5ms)}
"""


@pytest.fixture
def two(tmp_path):
    (tmp_path / "two.yaml").write_text(TWO)
    return tmp_path


def control_terminal():
    """Have the terminal at standard input end this session when it closes."""
    os.close(os.open(os.ttyname(0), os.O_RDWR))


def start_on_terminal(folder):
    """Start a run on a terminal of its own, as a shell would; give the process and the other end of the terminal."""
    master, slave = pty.openpty()
    command = [sys.executable, str(PROGRAM), "run", "two.yaml", "--report", "report"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env=clean_environment({"TERM": "xterm"}),
        preexec_fn=control_terminal,  # noqa: PLW1509 - there are no threads
    )
    os.close(slave)
    return process, master


def seen_on(master, text):
    seen = b""
    while text not in seen:
        seen += os.read(master, 65536)


def test_a_terminal_that_closes_ends_the_run_in_order(two):
    """The stages drain, the report is whole and balanced, and the exit code is 0."""
    process, master = start_on_terminal(two)
    try:
        seen_on(master, b"forwarded")
    finally:
        os.close(master)
    assert process.wait(60) == 0
    report = json.loads((two / "report" / "report.json").read_text())
    assert report["ledger"]["balanced"]
    assert report["ledger"]["problems"] == []
    for name in ("injector", "archive"):
        assert read_log(two / "report" / "logs" / f"{name}.jsonl")[-1]["event"] == "stage.stopped"


def test_a_full_standard_output_ends_nothing(two):
    """Without an output the run goes on to its end, and says at the end what could not be shown."""
    command = [sys.executable, str(PROGRAM), "run", "two.yaml", "--report", "report", "--messages", "60"]
    with open("/dev/full", "w") as full:  # noqa: PTH123 - it is no file of ours
        done = subprocess.run(
            command, cwd=two, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=clean_environment()
        )
    assert done.returncode == 0, done.stderr
    assert "standard output could not be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads((two / "report" / "report.json").read_text())["ledger"]["stages"][1]["received"] == 60


def test_a_folder_that_is_deleted_under_its_run_loses_only_the_report(two):
    """The run ends in order; the ledger is shown, and one line says that the report could not be written."""
    command = [sys.executable, str(PROGRAM), "run", "two.yaml", "--report", "report"]
    out = two / "out"
    with out.open("w") as file, (two / "err").open("w") as err:
        process = subprocess.Popen(command, cwd=two, stdout=file, stderr=err, env=clean_environment())
    wait_for(lambda: "in flight" in out.read_text(), "a run that is up")
    shutil.rmtree(two / "report")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 1
    assert "balanced" in out.read_text()
    said = (two / "err").read_text()
    assert "Traceback" not in said
    assert "wrong: report/report.json can't be written: No such file or directory" in said


def test_ctrl_c_while_modules_are_imported_is_130(two):
    """However early it comes, nothing is said of what was being imported."""
    environment = clean_environment({"PYTHONPROFILEIMPORTTIME": "1"})
    command = [sys.executable, str(PROGRAM), "run", "two.yaml"]
    process = subprocess.Popen(command, cwd=two, stderr=subprocess.PIPE, env=environment)
    assert process.stderr is not None
    lines = iter(process.stderr.readline, b"")
    next(line for line in lines if b"| click" in line or b" click." in line)
    process.send_signal(signal.SIGINT)
    rest = b"".join(lines)
    assert process.wait(60) == 130
    process.stderr.close()
    assert b"Traceback" not in rest


@pytest.mark.parametrize("files", [6, 9])
def test_too_few_descriptors_are_a_line(two, files):
    """Where a process may hardly have a file open, the run says so in a line or two."""
    command = [sys.executable, str(PROGRAM), "run", "two.yaml", "--report", "report"]
    done = subprocess.run(
        command,
        cwd=two,
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
    )
    assert done.returncode in (1, 2)
    assert "Too many open files" in done.stderr
    assert "Traceback" not in done.stderr


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


def test_a_run_goes_on_where_only_its_logs_cannot_be_written(two):
    """Beyond a limit on the size of files the log lines are dropped and counted, and every message is delivered."""
    command = [sys.executable, str(PROGRAM), "run", "two.yaml", "--report", "report", "--messages", "200"]
    done = subprocess.run(
        [*command, "--rate", "200/s"],
        cwd=two,
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
        preexec_fn=limit_files,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads((two / "report" / "report.json").read_text())
    assert report["ledger"]["stages"][1]["delivered"] == 200
    dropped = report["log_lines_dropped"]
    assert dropped["injector"] > 0
    assert f"injector: {dropped['injector']} log lines could not be written and were dropped" in done.stderr
