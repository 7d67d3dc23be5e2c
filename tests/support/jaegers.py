"""Real Jaegers, several at a time, each with traces of its own in memory."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from simulator.render.jaeger import Ports, jaeger_config
from tests.support.backends import find, free_ports
from tests.support.processes import wait_for


@dataclass(frozen=True)
class RunningJaeger:
    """Where it takes OTLP over HTTP, and where its page and API are."""

    otlp: str
    api: str


@contextlib.contextmanager
def running_jaeger(folder: Path) -> Iterator[RunningJaeger]:
    """Run a Jaeger with its files in a folder."""
    query, query_grpc, otlp_grpc, otlp_http, health, span_metrics, telemetry = free_ports(7)
    ports = Ports(
        query=query,
        query_grpc=query_grpc,
        otlp_grpc=otlp_grpc,
        otlp_http=otlp_http,
        health=health,
        span_metrics=span_metrics,
        telemetry=telemetry,
    )
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "jaeger.yaml", folder / "jaeger.log"
    config.write_text(jaeger_config("http://127.0.0.1:9", "127.0.0.1", ports))
    with log.open("wb") as file:
        process = subprocess.Popen([find("jaeger"), "--config", f"file:{config}"], stdout=file, stderr=file)
    running = RunningJaeger(f"http://127.0.0.1:{otlp_http}", f"http://127.0.0.1:{query}")

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(requests.ConnectionError):
            services = requests.get(f"{running.api}/api/v3/services", timeout=5)
            return (
                services.status_code == 200 and requests.post(f"{running.otlp}/v1/traces", json={}).status_code == 200
            )
        return False

    try:
        wait_for(ready, "Jaeger")
        yield running
    finally:
        process.kill()  # it has everything in memory, and takes two seconds to end by itself
        process.wait(20)
