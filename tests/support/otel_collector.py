"""The real OpenTelemetry Collector, built from its modules: it writes what it is sent to files, which a test reads."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.backends import find, free_ports
from tests.support.processes import ROOT, wait_for

SOURCE = ROOT / "tests" / "backends" / "otelcol"
SIGNALS = ("traces", "logs", "metrics")
_STARTED = "Everything is ready"


@dataclass(frozen=True)
class OtelCollector:
    """A running Collector: where it takes OTLP, and where it writes each signal."""

    http: str
    grpc: str
    folder: Path

    def received(self, signal: str) -> list[dict[str, Any]]:
        """Return the requests of a signal that it has written so far, as OTLP has them in JSON."""
        file = self.folder / f"{signal}.jsonl"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def items(self, signal: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return every span, log record or metric, each with the attributes of its resource."""
        outer, inner, item = {
            "traces": ("resourceSpans", "scopeSpans", "spans"),
            "logs": ("resourceLogs", "scopeLogs", "logRecords"),
            "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
        }[signal]
        return [
            (attributes_of(resource.get("resource", {})), found)
            for request in self.received(signal)
            for resource in request[outer]
            for scope in resource[inner]
            for found in scope[item]
        ]


def attributes_of(owner: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a resource, span, record or point."""
    return {pair["key"]: value_of(pair["value"]) for pair in owner.get("attributes", ())}


def value_of(value: Mapping[str, Any]) -> Any:
    """Return what an AnyValue of OTLP stands for."""
    ((kind, content),) = value.items() if value else (("stringValue", None),)
    if kind == "intValue":
        return int(content)
    if kind == "arrayValue":
        return [value_of(item) for item in content.get("values", ())]
    if kind == "kvlistValue":
        return {pair["key"]: value_of(pair["value"]) for pair in content.get("values", ())}
    return content


def built_otel_collector(folder: Path) -> Path:
    """Build the Collector in a folder and return it; Go caches the build, which takes two minutes at first."""
    built = folder / "otelcol"
    command = [find("go"), "build", "-o", str(built), "."]
    done = subprocess.run(command, cwd=SOURCE, check=False, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return built


@contextlib.contextmanager
def running_otel_collector(built: Path, folder: Path, reads: str = "") -> Iterator[OtelCollector]:
    """Run the Collector; it writes to `folder`. `reads` is a pattern of files of JSON lines to take in as well."""
    http, grpc = free_ports(2)
    receivers: dict[str, Any] = {
        "otlp": {
            "protocols": {"http": {"endpoint": f"127.0.0.1:{http}"}, "grpc": {"endpoint": f"127.0.0.1:{grpc}"}},
        }
    }
    if reads:
        receivers["otlpjsonfile"] = {"include": [reads], "start_at": "beginning", "poll_interval": "100ms"}
    configuration = {
        "receivers": receivers,
        "exporters": {
            f"file/{signal}": {"path": str(folder / f"{signal}.jsonl"), "flush_interval": "100ms"} for signal in SIGNALS
        },
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                signal: {"receivers": list(receivers), "exporters": [f"file/{signal}"]} for signal in SIGNALS
            },
        },
    }
    (folder / "otelcol.yaml").write_text(yaml.safe_dump(configuration))
    log = folder / "otelcol.log"
    with log.open("wb") as file:
        process = subprocess.Popen([str(built), "--config", str(folder / "otelcol.yaml")], stdout=file, stderr=file)
    try:

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            return _STARTED in log.read_text()

        wait_for(ready, "the Collector")
        for port in (http, grpc):
            socket.create_connection(("127.0.0.1", port), 5).close()
        yield OtelCollector(f"http://127.0.0.1:{http}", f"http://127.0.0.1:{grpc}", folder)
    finally:
        process.terminate()
        process.wait(20)
