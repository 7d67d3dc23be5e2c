"""The two compared programs, started alike and stopped reliably."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from benchmarks import processes
from benchmarks.errors import BenchmarkFailed

ROOT = Path(__file__).resolve().parent.parent
_THREADS = 32
_READY_SECONDS = 30.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Launch:
    """How to start one stage: the command, its environment variables, and the pattern of its address in the output.

    `path` is where it takes messages.
    """

    command: Sequence[str]
    variables: Mapping[str, str]
    address: re.Pattern[str]
    path: str = "/messages"


# Returns how to start a stage of this name that sends to this URL; None makes it the last one.
Program = Callable[[str, str | None], Launch]


def ours(name: str, downstream: str | None) -> Launch:
    """Return how to start a stage as a user does, with a delay of zero."""
    command = [sys.executable, str(ROOT / "run_web_service.py"), "stage", "--config", os.devnull]
    command += ["--name", name, "--port", "0", "--delay", "constant(0s)"]
    command += ["--downstream", downstream] if downstream else []
    return Launch(command, {}, re.compile(r'"address":"http://127\.0\.0\.1:(\d+)/'))


def exporting(name: str, downstream: str | None) -> Launch:
    """Return how to start the same stage with log records and metrics by OTLP as well, metrics every second."""
    variables = {"OTEL_LOGS_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
    return replace(ours(name, downstream), variables=variables)


def with_truth(folder: Path, name: str, downstream: str | None) -> Launch:
    """Return how to start the same stage as a run does, which writes the truth of its messages into a folder."""
    launch = ours(name, downstream)
    return replace(launch, command=[*launch.command, "--truth", str(folder)])


def plain(name: str, downstream: str | None) -> Launch:
    """Return how to start the plain program under gunicorn: one process because of the metrics, and threads."""
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", str(_THREADS)]
    command += ["--bind", "127.0.0.1:0", "--no-control-socket", "benchmarks.plain:app"]
    variables = {"STAGE_NAME": name, "STAGE_ROLE": "processor" if downstream else "terminator"}
    variables |= {"DOWNSTREAM_URL": downstream} if downstream else {}
    return Launch(command, variables, re.compile(r"Listening at: http://127\.0\.0\.1:(\d+) "))


PROGRAMS: Mapping[str, Program] = {"ours": ours, "plain": plain}
# Three of ours in one process.
PACKED = "packed"


class BenchmarkStage:
    """One running stage of either program. `start_seconds` is from starting its process to its first 200 at /readyz."""

    def __init__(
        self, launch: Launch, name: str, collector: str, folder: Path, ready_seconds: float = _READY_SECONDS
    ) -> None:
        self.name = name
        self._launch = launch
        self._files = (folder / f"{name}.stdout", folder / f"{name}.stderr")
        # As a user runs them: in her own environment, which `requests` searches at each call of the plain program.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SIMULATOR_"))}
        environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, **launch.variables}
        begin = time.perf_counter()
        with self._files[0].open("wb") as output, self._files[1].open("wb") as errors:
            self._process = subprocess.Popen(
                launch.command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        try:
            self.port = self._wait_until_ready(begin + ready_seconds)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.perf_counter() - begin

    @property
    def url(self) -> str:
        """Return the URL to POST messages to."""
        return f"http://127.0.0.1:{self.port}{self._launch.path}"

    @property
    def command(self) -> Sequence[str]:
        """Return how it was started."""
        return self._launch.command

    @property
    def pid(self) -> int:
        """Return the process that was started."""
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Return the CPU time that its processes have used so far."""
        return processes.cpu_seconds(self._process.pid)

    def resident_bytes(self) -> int:
        """Return its resident memory."""
        return processes.resident_bytes(self._process.pid)

    def stop(self) -> None:
        """Stop it and all its children, with force if it takes too long."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _wait_until_ready(self, deadline: float) -> int:
        port = None
        while time.perf_counter() < deadline and self._process.poll() is None:
            port = port or self._port()
            if port is not None and _answers(port):
                return port
            time.sleep(_POLL_SECONDS)
        raise BenchmarkFailed(f"{self.name} did not start: {' '.join(self._launch.command)}\n{self._last_words()}")

    def _port(self) -> int | None:
        for file in self._files:
            if found := self._launch.address.search(file.read_text(errors="replace")):
                return int(found[1])
        return None

    def _last_words(self) -> str:
        return "".join(file.read_text(errors="replace")[-1500:] for file in self._files).strip()


@contextlib.contextmanager
def running(
    program: Program, names: Sequence[str], sink: str | None, collector: str, folder: Path
) -> Iterator[list[BenchmarkStage]]:
    """Run stages, each sending to the next and the last one to `sink`, or nowhere if that is None."""
    stages: list[BenchmarkStage] = []
    try:
        downstream = sink
        for name in reversed(names):
            stages.insert(0, BenchmarkStage(program(name, downstream), name, collector, folder))
            downstream = stages[0].url
        yield stages
    finally:
        for stage in stages:
            stage.stop()


@contextlib.contextmanager
def running_packed(names: Sequence[str], collector: str, folder: Path) -> Iterator[list[BenchmarkStage]]:
    """Run our stages in one process, each sending to the next; what is yielded is that process, at the first stage."""
    ports, keys = free_ports(len(names)), {}
    for index, (name, port) in enumerate(zip(names, ports, strict=True)):
        calls = f"calls: [{names[index + 1]}]" if index + 1 < len(names) else "role: terminator"
        keys[name] = f"port: {port}, {calls}"
    with running_in_one_process(keys, collector, folder) as stage:
        yield [stage]


@contextlib.contextmanager
def running_in_one_process(
    stages: Mapping[str, str],
    collector: str,
    folder: Path,
    variables: Mapping[str, str] = MappingProxyType({}),
    ready_seconds: float = _READY_SECONDS,
) -> Iterator[BenchmarkStage]:
    """Run stages in one process, each with its keys, `port: 8081, calls: [b]`; yield that process, at the first."""
    names = list(stages)
    topology = folder / "packed.yaml"
    lines = [f"  {name}: {{host: 127.0.0.1, {keys}}}" for name, keys in stages.items()]
    topology.write_text("\n".join(["name: packed", "stages:", *lines]) + "\n")
    command = [sys.executable, str(ROOT / "run_web_service.py"), "stage", "--topology", str(topology)]
    command += [word for name in names for word in ("--stage", name)]
    address = re.compile(rf'"stage":"{names[0]}".*"address":"http://127\.0\.0\.1:(\d+)\b')
    launch = Launch(command, {"SIMULATOR_SHUTDOWN_DELAY": "0s", **variables}, address)
    stage = BenchmarkStage(launch, "packed", collector, folder, ready_seconds)
    try:
        yield stage
    finally:
        stage.stop()


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
