"""Real processes for tests: the product run as its users run it, and ended with the test."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "run_web_service.py"
COMMAND = (sys.executable, str(PROGRAM))
START_SECONDS = 90.0
_QUIET = {
    "OTEL_TRACES_EXPORTER": "none",
    "SIMULATOR_CONSOLE": "0",
    "SIMULATOR_PAGE": "0",
    "SIMULATOR_SHUTDOWN_DELAY": "0",
}


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without anything that would change the product, plus `extra`.

    By default no span leaves, a run has no console and makes no page, and a stage stops without waiting for who may
    still send to it.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SIMULATOR_", "OTEL_"))}
    return {**kept, **_QUIET, **(extra or {})}


def with_collector(address: str) -> dict[str, str]:
    """Have spans sent to a collector of the tests, which may be slow where it shares its process with the load."""
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": address,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "30000",
    }


def wait_for(check: Callable[[], T | None], what: str, timeout_seconds: float = START_SECONDS) -> T:
    """Wait until `check` returns something, and return it."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about within {timeout_seconds:g} s")
        time.sleep(0.01)


def eventually(check: Callable[[], object], timeout_seconds: float = START_SECONDS) -> None:
    """Repeat `check` until it holds; what it says when the time is up is what is raised."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            check()
        except (AssertionError, LookupError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def is_alive(pid: int) -> bool:
    """Return whether there is such a process that has not ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass
class RunningStage:
    """One stage process, its address and its log."""

    process: subprocess.Popen[bytes]
    log_path: Path
    url: str
    seed: int

    @property
    def base(self) -> str:
        """Return the address without a path, which that of a stage with several paths has not."""
        return "/".join(self.url.split("/", 3)[:3])

    @property
    def port(self) -> int:
        return int(self.base.rsplit(":", 1)[1])

    def log(self) -> list[dict[str, Any]]:
        return read_log(self.log_path)

    def events(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log() if line["event"] == event]

    def metrics(self) -> str:
        return requests.get(f"{self.base}/metrics", timeout=10).text

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        return read_samples(self.metrics())

    def total(self, name: str, **labels: str) -> float:
        """Add up all samples of a name that have these labels."""
        return sum(
            value for (sample, have), value in self.samples().items() if sample == name and set(labels.items()) <= have
        )

    def change(self, patch: Mapping[str, Any]) -> None:
        """Change what the stage does."""
        answer = requests.patch(f"{self.base}/control", json=patch, timeout=10)
        assert answer.status_code == 200, answer.text

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read a log; a last line that is still being written is left out."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def read_samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    from prometheus_client.parser import text_string_to_metric_families

    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@contextlib.contextmanager
def running_stage(
    folder: Path,
    *flags: str,
    environment: Mapping[str, str] | None = None,
    name: str = "stage",
    program: Path = PROGRAM,
) -> Iterator[RunningStage]:
    """Run `run_web_service.py stage` on a free port, with flags, until the end of the `with`."""
    log_path = folder / f"{name}.jsonl"
    command = [sys.executable, str(program), "stage", "--name", name, "--port", "0", "--config", "/dev/null", *flags]
    with log_path.open("wb") as log, (folder / f"{name}.stderr").open("wb") as errors:
        process = subprocess.Popen(command, stdout=log, stderr=errors, env=clean_environment(environment))
    try:
        yield _started(process, log_path)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _started(process: subprocess.Popen[bytes], log_path: Path) -> RunningStage:
    def line() -> dict[str, Any] | None:
        if process.poll() is not None:
            raise AssertionError(f"the stage ended: {log_path.with_suffix('.stderr').read_text()}")
        return next((entry for entry in read_log(log_path) if entry["event"] == "stage.started"), None)

    started = wait_for(line, "stage.started")
    return RunningStage(process, log_path, started["address"], started["seed"])


def run(
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 500,
    stdin: bytes | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command of the product to its end."""
    finished = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        cwd=cwd,
        env=clean_environment(environment),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=timeout_seconds,
        check=False,
    )
    return subprocess.CompletedProcess(
        finished.args, finished.returncode, finished.stdout.decode(), finished.stderr.decode()
    )


@dataclass
class RunningTopology:
    """A `run` in progress, in a folder of its own."""

    process: subprocess.Popen[bytes]
    folder: Path
    errors: Path

    @property
    def report_folder(self) -> Path:
        return self.folder / "report"

    def topology(self) -> dict[str, Any]:
        import yaml

        return yaml.safe_load((self.report_folder / "topology.yaml").read_text())

    def stage_base(self, name: str) -> str:
        stage = self.topology()["stages"][name]
        return f"http://127.0.0.1:{stage['port']}"

    def control(self, name: str, patch: Any = None) -> requests.Response:
        """Ask a stage what it does, or change it, with the token that the run has made."""
        url = f"{self.stage_base(name)}/control"
        token = (self.report_folder / "control-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        if patch is None:
            return requests.get(url, headers=headers, timeout=10)
        return requests.patch(url, json=patch, headers=headers, timeout=10)

    def change(self, name: str, patch: Mapping[str, Any]) -> None:
        """Change what a stage does."""
        answer = self.control(name, patch)
        assert answer.status_code == 200, answer.text

    def log(self, name: str) -> list[dict[str, Any]]:
        path = self.report_folder / "logs" / f"{name}.jsonl"
        return read_log(path) if path.exists() else []

    def pid(self, name: str) -> int:
        started = wait_for(lambda: [x for x in self.log(name) if x["event"] == "stage.started"], "stage.started")
        return int(started[0]["pid"])

    def report(self) -> dict[str, Any]:
        return json.loads((self.report_folder / "report.json").read_text())

    def interrupt(self, timeout_seconds: float = 30) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout_seconds)


@contextlib.contextmanager
def running_topology(
    folder: Path,
    topology: str | Path,
    *flags: str,
    environment: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
) -> Iterator[RunningTopology]:
    """Start `run` on a topology, given as YAML text or as a file, and wait until it is up."""
    if isinstance(topology, str):
        path = folder / "topology-under-test.yaml"
        path.write_text(topology)
    else:
        path = topology
    command: Sequence[str] = [
        sys.executable,
        str(PROGRAM),
        "run",
        str(path),
        "--report",
        str(folder / "report"),
        *flags,
    ]
    errors = folder / "run.stderr"
    with (folder / "run.stdout").open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            command, cwd=folder, stdout=out, stderr=err, stdin=stdin, env=clean_environment(environment)
        )
    running = RunningTopology(process, folder, errors)

    def up() -> bool:
        if process.poll() not in (None, 0):
            raise AssertionError(f"the run ended with {process.returncode}: {errors.read_text()}")
        return "logs and report in" in errors.read_text() or process.poll() is not None

    try:
        wait_for(up, "a run that is up")
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
