"""`run_web_service.py stage`, and the front door without a command, as their users know them."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.topology.layers import KEYS
from tests.support.processes import PROGRAM, ROOT, clean_environment, read_log, run, running_stage, wait_for
from tests.support.wire import nobody, post

SAMPLE = ROOT / "instance" / "config.py.sample"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of what a user has after a clone, without its history."""
    for name in ("simulator", "topologies", "instance"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "config.py"))
    shutil.copy(ROOT / "run_web_service.py", tmp_path)
    return tmp_path


def start(checkout: Path, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    with (checkout / "out").open("wb") as out, (checkout / "err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "run_web_service.py", *arguments],
            cwd=checkout,
            env=clean_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )


def test_a_copied_sample_runs_a_stage(checkout):
    """cp config.py.sample config.py, a changed port, run: a stage as configured, until Ctrl-C, exit code 0."""
    config = checkout / "instance" / "config.py"
    config.write_text(SAMPLE.read_text().replace("PORT = 8080", "PORT = 0"))
    process = start(checkout)
    try:
        started = wait_for(lambda: read_log(checkout / "out"), "stage.started")[0]
        assert started["event"] == "stage.started"
        assert started["delay"] == "lognormal(p50=12ms, p99=80ms, max=1s)"
        assert started["address"].endswith("/messages")
        port = int(re.search(r":(\d+)/", started["address"])[1])
        assert post(port, b"hello").status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert (checkout / "err").read_text() == ""


def test_without_a_configuration_the_default_pipeline_runs_and_says_so(checkout):
    """With no instance/config.py the same command runs the default pipeline, says so first, and ends with Ctrl-C."""
    process = start(checkout)
    try:
        wait_for(lambda: "logs and report in runs/pipeline" in (checkout / "err").read_text(), "the pipeline")
        first_line = (checkout / "err").read_text().splitlines()[0]
        assert "no instance/config.py" in first_line and "default pipeline" in first_line
        wait_for(lambda: "archive" in (checkout / "out").read_text(), "a line of the live view")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def test_the_sample_explains_every_key():
    """Every key there is stands in the sample, each after a comment; with its values the sample is a good one."""
    text = SAMPLE.read_text()
    for key in KEYS:
        found = re.search(rf"^(# )?{key} = ", text, re.MULTILINE)
        assert found, f"{key} is not in the sample"
        before = text[: found.start()].rstrip("\n").rsplit("\n", 1)[-1]
        assert before.startswith("#") and len(before) > 10, f"{key} is not explained"


def test_flags_beat_environment_beats_file_beats_defaults(checkout):
    """One key said in four places: the nearest wins."""
    (checkout / "config.py").write_text('PORT = 0\nWORKERS = 2\nQUEUE = 2\nDELAY = "constant(2ms)"\n')
    process = start(
        checkout, "stage", "--config", "config.py", "--workers", "4",
        SIMULATOR_WORKERS="3", SIMULATOR_QUEUE="3",
    )  # fmt: skip
    try:
        started = wait_for(lambda: read_log(checkout / "out"), "stage.started")[0]
    finally:
        process.kill()
        process.wait()
    assert (started["workers"], started["queue"], started["delay"]) == (4, 3, "constant(2ms)")


def test_ten_mistakes_in_a_configuration_are_all_shown(tmp_path):
    """A configuration with ten mistakes shows all ten with their lines, and nothing is started; exit code 2."""
    (tmp_path / "config.py").write_text(
        'NAME = "No Name"\n'
        'ROLE = "terminator"\n'
        "PORT = 99999\n"
        'PATH = "messages"\n'
        'DELAY = "uniform(5ms)"\n'
        'FAULTS = ["error(200, 5%)"]\n'
        "WORKERS = 0\n"
        "QUEUE = -1\n"
        'MAX_BODY = "big"\n'
        'RATE = "20"\n'
        'LOG_LEVEL = "loud"\n'
        'SEED = "x"\n'
    )
    finished = run("stage", "--config", "config.py", cwd=tmp_path)
    assert finished.returncode == 2 and finished.stdout == ""
    keys = ["PORT", "PATH", "DELAY", "FAULTS", "WORKERS", "QUEUE", "MAX_BODY", "RATE", "LOG_LEVEL", "SEED"]
    for line, key in [(1, "NAME"), *enumerate(keys, 3)]:
        assert re.search(rf"^config\.py:{line}: {key}", finished.stderr, re.MULTILINE), (line, key, finished.stderr)


def test_a_port_in_use_is_one_line(tmp_path):
    """A port that is taken gives one line that names stage and port, and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run("stage", "--name", "busy", "--port", str(port), cwd=tmp_path)
    assert finished.returncode == 2 and finished.stdout == ""
    assert len(finished.stderr.strip().splitlines()) == 1
    assert "busy" in finished.stderr and str(port) in finished.stderr


def test_wrong_wiring_is_refused(tmp_path):
    """A terminator with a downstream and a load that nobody makes are refused before anything starts."""
    finished = run("stage", "--role", "terminator", "--downstream", "http://127.0.0.1:1/", cwd=tmp_path)
    assert finished.returncode == 2 and "terminator" in finished.stderr
    finished = run("stage", "--role", "injector", "--rate", "5/s", cwd=tmp_path)
    assert finished.returncode == 2 and "go nowhere" in finished.stderr


def test_a_misspelt_variable_is_told(tmp_path):
    """A SIMULATOR_ variable that means nothing is not ignored silently."""
    with running_stage(tmp_path, environment={"SIMULATOR_WORKRES": "5"}) as stage:
        line = wait_for(lambda: stage.events("configuration.ignored"), "the warning")[0]
    assert line["variable"] == "SIMULATOR_WORKRES" and line["level"] == "warning"


def test_a_stage_appends_what_it_gets(tmp_path):
    """A terminator with an output writes each message as a line before it answers."""
    with running_stage(tmp_path, "--output", str(tmp_path / "out.jsonl")) as stage:
        assert post(stage.port, b'{"a":  1}', content_type="application/json").status == 200
        assert post(stage.port, "grüß".encode()).status == 200
        assert post(stage.port, b"\xff\x00", content_type="image/x").status == 200
        assert (tmp_path / "out.jsonl").read_text().splitlines() == [
            '{"a":  1}',
            '"grüß"',
            '{"content_type":"image/x","base64":"/wA="}',
        ]


def test_a_full_disk_is_no_delivery(tmp_path):
    """Where the output can't be written the answer is 500 and the message failed; the stage goes on."""
    with running_stage(tmp_path, "--output", "/dev/full") as stage:
        assert [post(stage.port, b"hi").status for _ in range(2)] == [500, 500]
        assert stage.total("simulator_messages_total", outcome="failed") == 2
        assert stage.total("simulator_messages_total", outcome="delivered") == 0


def test_an_absent_collector_costs_one_warning(tmp_path):
    """With no collector everything works; the log warns once and says at the end how many spans were lost."""
    with (
        nobody() as port,
        running_stage(
            tmp_path,
            environment={"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"},
        ) as stage,
    ):
        for _ in range(50):
            assert post(stage.port, b"hi").status == 200
        wait_for(lambda: stage.total("simulator_spans_dropped_total") == 50, "50 lost spans")
        assert stage.stop() == 0
    warnings = [line for line in stage.log() if line["level"] in ("warning", "error")]
    assert [line["event"] for line in warnings] == ["telemetry.export_failed", "telemetry.spans_dropped"]
    assert warnings[1]["spans_dropped"] == 50


def test_a_hanging_collector_costs_no_message_anything(tmp_path):
    """With a collector that takes connections and never answers, messages are answered as fast as without one."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        with running_stage(tmp_path, environment=environment) as stage:
            took = [post(stage.port, b"hi").json()["duration_seconds"] for _ in range(200)]
            assert sorted(took)[100] < 0.05
            assert stage.stop() == 0


def test_a_full_pipe_does_not_stop_a_stage(tmp_path):
    """Where nobody reads the log the stage goes on, and the reader who comes back is told how much is missing."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run_web_service.py"), "stage", "--port", "0", "--config", "/dev/null"],
        stdout=subprocess.PIPE,
        env=clean_environment(),
    )
    try:
        started = json.loads(process.stdout.readline())
        port = int(re.search(r":(\d+)/", started["address"])[1])
        for _ in range(400):  # more than a pipe holds
            assert post(port, b"hi").status == 200
        process.terminate()
        rest = process.stdout.read().splitlines()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    events = [json.loads(line)["event"] for line in rest]
    assert events.count("message.handled") == 400 and events[-1] == "stage.stopped"


@pytest.mark.parametrize("arguments", [(), ("stage",), ("run",), ("check",)])
def test_help_teaches(tmp_path, arguments):
    """--help says what a command does, plainly, on a pipe."""
    finished = run(*arguments, "--help", cwd=tmp_path)
    assert finished.returncode == 0
    assert f"Usage: python {PROGRAM}" in finished.stdout and "\x1b" not in finished.stdout


def test_bad_usage_is_exit_code_2(tmp_path):
    """An unknown command or flag, and half of a pair of flags, are bad usage."""
    for arguments in (("fly",), ("stage", "--wings"), ("stage", "--stage", "x"), ("run", "--messages", "-1")):
        finished = run(*arguments, cwd=tmp_path)
        assert finished.returncode == 2 and finished.stderr
