"""Real backends, found on this machine or missing: a named skip for a user, a failure in CI."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
import requests
import yaml

from simulator.local.stack import find_program
from tests.support.processes import wait_for

REQUIRED = "REQUIRE_BACKENDS"
_NO_CLIENT_S = (20_000, 32_000)  # Linux gives clients those from 32,768 on


def find(program: str) -> str:
    """Return the path of a program; if it is missing, skip the test by name, or fail if backends are required."""
    path = find_program(program, os.environ)
    if path is None:
        do_without(f"{program} is not installed")
    return path


def do_without(what: str) -> NoReturn:
    """Skip the test because of what is missing, or fail if backends are required."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{what}, and {REQUIRED} is set")
    pytest.skip(what)


def free_port() -> int:
    """Return a port for a program that can't choose one itself, outside the range of outgoing connections."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return several different free ports."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            port = _NO_CLIENT_S[0] + secrets.randbelow(_NO_CLIENT_S[1] - _NO_CLIENT_S[0])
            with contextlib.suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
    return found


@dataclass(frozen=True)
class Prometheus:
    base: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.base}/api/v1/query", params={"query": expression}, timeout=10).json()
        assert answer["status"] == "success", answer
        return list(answer["data"]["result"])

    def value(self, expression: str) -> float | None:
        """Return the value of an expression that has one series, None if it has none."""
        result = self.query(expression)
        assert len(result) <= 1, result
        return float(result[0]["value"][1]) if result else None

    def samples(self, selector: str, span: str) -> dict[float, float]:
        """Return the scraped values of a selector's single series, in the time before now, as {time: value}."""
        (series,) = self.query(f"{selector}[{span}]")
        return {float(at): float(value) for at, value in series["values"]}

    def exemplars(self, selector: str, start: float, end: float) -> list[dict[str, Any]]:
        parameters: dict[str, Any] = {"query": selector, "start": start, "end": end}
        answer = requests.get(f"{self.base}/api/v1/query_exemplars", params=parameters, timeout=10).json()
        assert answer["status"] == "success", answer
        return [exemplar for series in answer["data"] for exemplar in series["exemplars"]]

    def targets(self) -> list[dict[str, Any]]:
        return list(requests.get(f"{self.base}/api/v1/targets", timeout=10).json()["data"]["activeTargets"])


@contextlib.contextmanager
def running_prometheus(
    folder: Path,
    targets: Mapping[str, str],
    job: str = "simulator",
    rules: Sequence[str] = (),
    name: str = "prometheus",
    options: Sequence[str] = (),
) -> Iterator[Prometheus]:
    """Run the real Prometheus, scraping {name: host:port} and following rules every second.

    `name` is that of the program, and `options` are further ones of its command line.
    """
    program, port = find(name), free_port()
    static = [{"targets": [address], "labels": {"service": name}} for name, address in targets.items()]
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": list(rules),
        "scrape_configs": [{"job_name": job, "static_configs": static}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    subprocess.run(
        [find("promtool"), "check", "config", str(folder / "prometheus.yml")], check=True, capture_output=True
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
                *options,
            ],
            stdout=log,
            stderr=log,
        )
    running = Prometheus(f"http://127.0.0.1:{port}")

    def ready() -> bool:
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{running.base}/-/ready", timeout=5).status_code == 200
        return False

    try:
        wait_for(ready, "Prometheus")
        yield running
    finally:
        process.terminate()
        process.wait(20)
