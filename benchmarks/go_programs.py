"""Go services that do a stage's job, or the nearest thing that each can do: how they start, and what they leave out.

.ci/neighbours builds them. Each gets the switches that bring it nearest to a stage: logs, spans where the collector can
take them, and connections that stay open.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import BODY
from benchmarks.stages import Launch, Program, free_ports

FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "web-service-simulator-neighbours"
# Go's default is 2; isotope has a switch for it.
_CONNECTIONS = 16

# Returns how to start a service that sends to a URL and its spans to another one; a folder is for its files.
Start = Callable[[str, str, Path], Launch]


@dataclass(frozen=True, kw_only=True)
class GoProgram:
    """A Go service: what it does with a message, and what of a stage's work it does not."""

    name: str
    start: Start
    does: str
    leaves_out: str

    @property
    def path(self) -> Path:
        """Return where its program is once it is built."""
        return FOLDER / self.name

    def as_program(self, collector: str, folder: Path) -> Program:
        """Return it as a program to be measured, as a stage in the middle."""

        def launch(_name: str, downstream: str | None) -> Launch:
            if downstream is None:
                raise ValueError(f"{self.name} is only measured as a stage in the middle")
            return self.start(downstream, collector, folder)

        return launch


def _fake_service(downstream: str, collector: str, _folder: Path) -> Launch:
    (port,) = free_ports(1)
    variables: Mapping[str, str] = {
        "LISTEN_ADDR": f"127.0.0.1:{port}",
        "NAME": "middle",
        # It appends the path of what it gets.
        "UPSTREAM_URIS": downstream.removesuffix("/messages"),
        "UPSTREAM_REQUEST_BODY": BODY.decode(),
        "HTTP_SERVER_KEEP_ALIVES": "true",
        "HTTP_CLIENT_KEEP_ALIVES": "true",
        "LOG_FORMAT": "json",
        "TRACING_ZIPKIN": collector,
    }
    return Launch([str(FOLDER / "fake-service")], variables, _address(port))


def _isotope(downstream: str, _collector: str, folder: Path) -> Launch:
    (port,) = free_ports(1)
    # It calls a service by its name, which is its address here.
    callee = downstream.removeprefix("http://").removesuffix("/messages")
    # Without a probability it calls nobody, and with the highest it leaves out one call in 101.
    call = f'call: {{service: "{callee}", size: {len(BODY)}, probability: 100}}'
    graph = f'services:\n- name: middle\n  script:\n  - {call}\n- name: "{callee}"\n'
    (folder / "service-graph.yaml").write_text(graph)
    command = [str(FOLDER / "isotope"), f"--max-idle-connections-per-host={_CONNECTIONS}"]
    return Launch(command, {"PORT": str(port), "CONFIG_PATH": str(folder), "SERVICE_NAME": "middle"}, _address(port))


def _podinfo(downstream: str, _collector: str, folder: Path) -> Launch:
    (port,) = free_ports(1)
    command = [str(FOLDER / "podinfo"), "--host=127.0.0.1", f"--port={port}", f"--backend-url={downstream}"]
    command += ["--level=debug", f"--data-path={folder}"]
    return Launch(command, {}, _address(port), path="/echo")


def _address(port: int) -> re.Pattern[str]:
    return re.compile(rf"127\.0\.0\.1:({port})")


GO_PROGRAMS = (
    GoProgram(
        name="fake-service",
        start=_fake_service,
        does="answers a POST after a POST of a fixed body; logs as JSON, two spans as Zipkin's JSON",
        leaves_out="the message's own body and id; metrics to be scraped (StatsD only); a queue; "
        "distributions (three percentiles of a delay)",
    ),
    GoProgram(
        name="isotope",
        start=_isotope,
        does="answers after a GET with random bytes of the same size; Prometheus metrics",
        leaves_out="the message's own body and id; log lines; spans (it hands B3 headers on); a queue; "
        "a delay that includes its own time; one call in 101",
    ),
    GoProgram(
        name="podinfo",
        start=_podinfo,
        does="answers a POST after a POST of the same body; a log line, Prometheus metrics",
        leaves_out="the message's id; spans here (by gRPC only); a log line of the outcome; a queue; "
        "delays (whole random milliseconds, unseeded)",
    ),
)


def built() -> tuple[GoProgram, ...]:
    """Return those that are built."""
    return tuple(program for program in GO_PROGRAMS if os.access(program.path, os.X_OK))
