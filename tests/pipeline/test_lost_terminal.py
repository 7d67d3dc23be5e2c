"""A run whose terminal, pipe or disk goes away ends in order, with its ledger and the exit code it would have had."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

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
    """Start a run on a terminal of its own, as a shell would; return the process and the other end of the terminal."""
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


@contextlib.contextmanager
def ended(process):
    """Have a process end with its test, however that goes."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def seen_on(master, text):
    seen = b""
    while text not in seen:
        seen += os.read(master, 65536)


def test_a_terminal_that_closes_ends_the_run_in_order(two):
    """The stages drain, the report is whole and balanced, and the exit code is 0."""
    process, master = start_on_terminal(two)
    with ended(process):
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


def test_a_reader_that_leaves_after_the_first_line_ends_nothing(two):
    """`run | head -1`: the run goes on to its last message, its report is whole, and its exit code is 0."""
    command = [sys.executable, str(PROGRAM), "run", "two.yaml", "--report", "report", "--messages", "300"]
    with (two / "err").open("w") as err:
        process = subprocess.Popen(command, cwd=two, stdout=subprocess.PIPE, stderr=err, env=clean_environment())
    assert process.stdout is not None
    with ended(process):
        with process.stdout:
            seen = subprocess.run(["head", "-1"], stdin=process.stdout, capture_output=True, text=True, check=True)
        assert process.wait(120) == 0
    assert len(seen.stdout.splitlines()) == 1
    report = json.loads((two / "report" / "report.json").read_text())
    assert report["ledger"]["balanced"]
    assert report["ledger"]["stages"][1]["delivered"] == 300
    said = (two / "err").read_text()
    assert "The ledger balances" in said
    assert "standard output could not be written: Broken pipe" in said
    assert "Traceback" not in said


def test_a_folder_that_is_deleted_under_its_run_loses_only_the_report(two):
    """The run ends in order; the ledger is shown, and one line says that the report could not be written."""
    command = [sys.executable, str(PROGRAM), "run", "two.yaml", "--report", "report"]
    out = two / "out"
    with out.open("w") as file, (two / "err").open("w") as err:
        process = subprocess.Popen(command, cwd=two, stdout=file, stderr=err, env=clean_environment())
    with ended(process):
        wait_for(lambda: "in flight" in out.read_text(), "a run that is up")
        shutil.rmtree(two / "report")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 1
    assert "balanced" in out.read_text()
    said = (two / "err").read_text()
    assert "Traceback" not in said
    assert "wrong: report/report.json can't be written: No such file or directory" in said


@pytest.mark.parametrize(
    ("command", "modules"),
    [
        ("run two.yaml", ["click", "simulator.cli", "yaml"]),
        ("check two.yaml", ["click", "simulator.cli", "yaml"]),
        ("set injector", ["click", "simulator.cli", "urllib3"]),
        ("stage --port 0", ["click", "simulator.cli", "gevent", "flask"]),
    ],
    ids=["run", "check", "set", "stage"],
)
def test_ctrl_c_while_modules_are_imported_is_130(two, command, modules):
    """However early it comes, nothing is said of what was being imported."""
    for module in modules:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *command.split()],
            cwd=two,
            bufsize=0,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=clean_environment({"PYTHONPROFILEIMPORTTIME": "1"}),
            pipesize=4096,  # so that it can't get far ahead of what has been read
        )
        assert process.stderr is not None
        with ended(process), process.stderr:
            lines = iter(process.stderr.readline, b"")
            next(line for line in lines if line.split(b"|")[-1].strip() == module.encode())
            process.send_signal(signal.SIGINT)
            rest = b"".join(lines)
            assert process.wait(60) == 130, module
        assert b"Traceback" not in rest


def run_limited(folder, limit, *flags):
    """Run the topology to its end in a process that calls `limit` before it starts."""
    return subprocess.run(
        [sys.executable, str(PROGRAM), "run", "two.yaml", "--report", "report", *flags],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
        preexec_fn=limit,
    )


@pytest.mark.parametrize("files", [6, 9])
def test_too_few_descriptors_are_a_line(two, files):
    """Where a process may hardly have a file open, the run says so in a line or two."""
    done = run_limited(two, lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
    assert done.returncode in (1, 2)
    assert "Too many open files" in done.stderr
    assert "Traceback" not in done.stderr


def make_group():
    """Make a control group that can limit its processes; skip the test where that can't be."""
    for root in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        group = root / f"few-processes-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / "pids.max").exists():
                return group
            group.rmdir()
    pytest.skip("limiting the number of processes needs root and control groups")


@contextlib.contextmanager
def few_processes(count):
    """Limit the processes and threads of a control group, since root is not held by a limit of its own."""
    group = make_group()
    members = group / "cgroup.procs"
    try:
        (group / "pids.max").write_text(str(count))
        yield members
        wait_for(lambda: not members.read_text(), "the end of every process")
    finally:
        group.rmdir()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_too_few_threads_are_a_line(two, count):
    """Where no more processes or threads can be started the run, or its stage, says so, and none is left behind."""
    with few_processes(count) as members:
        done = run_limited(two, lambda: members.write_text("0"), "--messages", "5")
    assert done.returncode in (1, 2)
    assert "Resource temporarily unavailable; no more processes or threads can be started, see ulimit -u" in done.stderr
    assert "Traceback" not in done.stderr


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


def test_a_run_goes_on_where_neither_its_output_nor_its_logs_can_be_written(two):
    """With a full device as output, and beyond a limit on the size of files, every message is still delivered.

    The log lines that are lost are counted, and the end says what could not be shown.
    """
    command = [sys.executable, str(PROGRAM), "run", "two.yaml", "--report", "report", "--messages", "200"]
    with open("/dev/full", "w") as full:  # noqa: PTH123 - it is no file of ours
        done = subprocess.run(
            [*command, "--rate", "200/s"],
            cwd=two,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=clean_environment(),
            preexec_fn=limit_files,
        )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "standard output could not be written: No space left on device" in done.stderr
    report = json.loads((two / "report" / "report.json").read_text())
    assert report["ledger"]["stages"][1]["delivered"] == 200
    dropped = report["log_lines_dropped"]
    assert dropped["injector"] > 0
    assert f"injector: {dropped['injector']} log lines could not be written and were dropped" in done.stderr


# Once messages are handled something else takes all room that is left or becomes free again, until the run has ended.
FILLING = """
(
    until grep -q message.handled disk/report/logs/archive.jsonl; do sleep 0.02; done
    while kill -0 $$; do head -c 100000 /dev/zero >> disk/taken; sleep 0.02; done
) > /dev/null 2>&1 &
exec "$@"
"""


def small_disk(kind, kilobytes):
    """Return how to start a command beside a folder `disk` with about so much room; skip the test where that can't be.

    Each kind has its own way to be full: a mapped file of ext4 can lack the blocks that it seems to have.
    """
    if kind == "ext4":
        made = f"mkfs.ext4 -q -m 0 -N 32 -O ^has_journal,^resize_inode disk.img {kilobytes + 34}k"
        mount = f"{made} 2>/dev/null && mount -o loop disk.img"
    else:
        mount = f"mount -t tmpfs -o size={kilobytes}k tmpfs"
    if shutil.which("unshare") is None or shutil.which("mkfs.ext4") is None or not may_mount(mount):
        pytest.skip("a small disk needs root, namespaces and mkfs.ext4")
    return ["unshare", "-m", "sh", "-c", f'mkdir disk && {mount} disk && exec "$@"', "sh"]


def may_mount(mount):
    with tempfile.TemporaryDirectory() as folder:
        command = ["unshare", "-m", "sh", "-c", f"mkdir disk && {mount} disk"]
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_disk_that_fills_up_loses_logs_and_report_and_no_message(two, kind):
    """The ledger is on the terminal and balances, what is lost is counted, and the exit code is 1: no traceback."""
    command = [sys.executable, str(PROGRAM), "run", "two.yaml", "--report", "disk/report", "--messages", "200"]
    done = subprocess.run(
        [*small_disk(kind, 100), "sh", "-c", FILLING, "sh", *command, "--rate", "200/s"],
        cwd=two,
        capture_output=True,
        text=True,
        check=False,
        # Otherwise the file of the run's own token makes room for the report when it is deleted at the end.
        env=clean_environment({"SIMULATOR_CONTROL_TOKEN": "secret"}),
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "log lines could not be written and were dropped" in done.stderr
    assert "wrong: disk/report/report.json can't be written: No space left on device" in done.stderr
    assert "The ledger balances" in done.stderr
    assert "200" in done.stdout and "balanced" in done.stdout


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_disk_that_is_full_from_the_start_is_a_line(two, kind):
    """Where not even the counts have room the run does not start: stages would die when they count."""
    command = [sys.executable, str(PROGRAM), "run", "two.yaml", "--report", "disk/report"]
    done = subprocess.run(
        [*small_disk(kind, 36), *command], cwd=two, capture_output=True, text=True, check=False, env=clean_environment()
    )
    assert done.returncode == 2
    assert re.fullmatch(r"disk/report/\S+ can't be written: No space left on device\n", done.stderr)
