"""Real Prometheus and Jaeger beside a run, if they are installed: configured for it, and stopped with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.errors import StartError
from simulator.local.child_process import ChildProcess
from simulator.local.folder import write
from simulator.render.jaeger import DEFAULT_PORTS, Ports, jaeger_config
from simulator.render.prometheus import prometheus_config
from simulator.render.rules import rules_text
from simulator.telemetry.otlp import ENDPOINT_VARIABLES
from simulator.topology.model import Topology

_HOST = "127.0.0.1"
_READY_SECONDS = 30.0
_STOP_SECONDS = 5.0
_PROMETHEUS_PORT = 9090
_RETENTION = "2h"
HINTS = {
    "prometheus": "install the package prometheus of your system",
    "jaeger": "put the program jaeger of its release, version 2, on the PATH, or build it with .ci/jaeger",
}


@dataclass(frozen=True)
class Backend:
    """An installed backend: its program, and the address of its page."""

    program: str
    url: str


class Stack:
    """The backends of one run. Use it as a context manager: they always end with it.

    `scale` shortens the windows of the rules, and `interval` is how often metrics are fetched.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], scale: float = 1.0, interval: str = "2s") -> None:
        self._folder = folder
        self._environment = environment
        self._scale = scale
        self._interval = interval
        self._processes: list[ChildProcess] = []
        self._programs = {name: path for name in HINTS if (path := find_program(name, environment)) is not None}
        if not self._programs:
            raise StartError("neither is installed:\n" + "\n".join(f"{name}: {hint}" for name, hint in HINTS.items()))
        self._ports = _jaeger_ports()
        self._prometheus_port = _free_port(_PROMETHEUS_PORT)
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.end(_STOP_SECONDS)

    @property
    def missing(self) -> dict[str, str]:
        """Return what is not installed, with how to get it."""
        return {name: hint for name, hint in HINTS.items() if name not in self._programs}

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Return the backends that run, with the addresses of their pages."""
        ports = {"jaeger": self._ports.query, "prometheus": self._prometheus_port}
        return tuple(Backend(name, f"http://{_HOST}:{ports[name]}") for name in ports if name in self._programs)

    def start_jaeger(self) -> dict[str, str]:
        """Start Jaeger and return the environment for the stages; the user's own collector takes precedence."""
        environment = dict(self._environment)
        if "jaeger" not in self._programs:
            return environment
        config = self._folder / "jaeger.yaml"
        prometheus = f"http://{_HOST}:{self._prometheus_port}"
        write(config, jaeger_config(prometheus, _HOST, self._ports, flush=self._interval))
        self._start("jaeger", ["--config", f"file:{config}"], self._ports.otlp_http)
        _wait_until_open("jaeger", self._processes[-1], self._ports.query)
        if not any(environment.get(variable) for variable in ENDPOINT_VARIABLES):
            environment[ENDPOINT_VARIABLES[0]] = f"http://{_HOST}:{self._ports.otlp_http}"
        return environment

    def start_prometheus(self, topology: Topology, addresses: Mapping[str, Sequence[str]]) -> None:
        """Start Prometheus for the stages at these addresses, with the rules of the topology."""
        if "prometheus" not in self._programs:
            return
        config, rules = self._folder / "prometheus.yml", self._folder / "rules.yml"
        write(rules, rules_text(topology, self._scale))
        targets = {name: [urllib.parse.urlsplit(url).netloc for url in urls] for name, urls in addresses.items()}
        span_metrics = f"{_HOST}:{self._ports.span_metrics}" if "jaeger" in self._programs else None
        write(config, prometheus_config(targets, span_metrics, [str(rules.resolve())], self._interval))
        arguments = [
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'prometheus'}",
            f"--storage.tsdb.retention.time={_RETENTION}",
            f"--web.listen-address={_HOST}:{self._prometheus_port}",
            "--enable-feature=exemplar-storage",
        ]
        self._start("prometheus", arguments, self._prometheus_port)

    def _start(self, name: str, arguments: Sequence[str], port: int) -> None:
        process = ChildProcess(self._folder / f"{name}.log")
        process.start([self._programs[name], *arguments], ends_with_parent=True)
        self._processes.append(process)
        _wait_until_open(name, process, port)


def find_program(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the path of an installed program, also where `go install` puts it; None if there is none."""
    places = [environment.get("PATH", ""), str(Path(environment.get("HOME", "")) / "go" / "bin")]
    return shutil.which(name, path=os.pathsep.join(places))


def _wait_until_open(name: str, process: ChildProcess, port: int) -> None:
    def is_open() -> bool:
        with contextlib.suppress(OSError), socket.create_connection((_HOST, port), timeout=1.0):
            return True
        return False

    if not process.wait_until(is_open, _READY_SECONDS):
        raise StartError(f"{name} did not start:\n{process.last_words()}")


def _free_port(wanted: int) -> int:
    """Return the well-known port, or any free one if that is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_HOST, port))
            return int(probe.getsockname()[1])
    raise StartError(f"no port is free on {_HOST}")


def _jaeger_ports() -> Ports:
    wanted = DEFAULT_PORTS
    return Ports(
        query=_free_port(wanted.query),
        query_grpc=_free_port(wanted.query_grpc),
        otlp_grpc=_free_port(wanted.otlp_grpc),
        otlp_http=_free_port(wanted.otlp_http),
        health=_free_port(wanted.health),
        span_metrics=_free_port(wanted.span_metrics),
        telemetry=_free_port(wanted.telemetry),
    )
