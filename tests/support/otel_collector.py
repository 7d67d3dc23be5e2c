"""The real OpenTelemetry Collector, built from its modules: it writes what it is sent to files, which a test reads."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
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
    """Build the Collector in a folder and return it; the first build takes four minutes of CPU, which Go caches."""
    built = folder / "otelcol"
    command = [find("go"), "build", "-o", str(built), "."]
    done = subprocess.run(command, cwd=SOURCE, check=False, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return built


@dataclass(frozen=True, kw_only=True)
class TracePipeline:
    """What is done to spans on one of several ways through a Collector, and where they go.

    `processors` are by their names, in order. `sends_to` is a collector that takes OTLP over HTTP; without one, they go
    to the file traces-NAME.jsonl.
    """

    name: str
    processors: Mapping[str, Any]
    sends_to: str = ""


@contextlib.contextmanager
def running_otel_collector(
    built: Path,
    folder: Path,
    reads: str = "",
    pipelines: Sequence[TracePipeline] = (),
    ports: Sequence[int] = (),
) -> Iterator[OtelCollector]:
    """Run the Collector; it writes to `folder`. `reads` is a pattern of files of JSON lines to take in as well.

    Spans go through each of the `pipelines`, too. `ports` are those of OTLP over HTTP and gRPC, free ones by default.
    """
    http, grpc = ports or free_ports(2)
    configuration = _configuration(http, grpc, folder, reads)
    for pipeline in pipelines:
        _add(configuration, pipeline, folder)
    (folder / "otelcol.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))
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


def _configuration(http: int, grpc: int, folder: Path, reads: str) -> dict[str, Any]:
    receivers: dict[str, Any] = {
        "otlp": {
            "protocols": {"http": {"endpoint": f"127.0.0.1:{http}"}, "grpc": {"endpoint": f"127.0.0.1:{grpc}"}},
        }
    }
    if reads:
        receivers["otlpjsonfile"] = {"include": [reads], "start_at": "beginning", "poll_interval": "100ms"}
    return {
        "receivers": receivers,
        "processors": {},
        "exporters": {f"file/{signal}": _file(folder / f"{signal}.jsonl") for signal in SIGNALS},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                signal: {"receivers": list(receivers), "exporters": [f"file/{signal}"]} for signal in SIGNALS
            },
        },
    }


def _add(configuration: dict[str, Any], pipeline: TracePipeline, folder: Path) -> None:
    exporter = f"{'otlphttp' if pipeline.sends_to else 'file'}/{pipeline.name}"
    to_jaeger = {"endpoint": pipeline.sends_to, "tls": {"insecure": True}}
    configuration["exporters"][exporter] = (
        to_jaeger if pipeline.sends_to else _file(folder / f"traces-{pipeline.name}.jsonl")
    )
    configuration["processors"] |= pipeline.processors
    configuration["service"]["pipelines"][f"traces/{pipeline.name}"] = {
        "receivers": list(configuration["receivers"]),
        "processors": list(pipeline.processors),
        "exporters": [exporter],
    }


def _file(path: Path) -> dict[str, Any]:
    # One that was there before is gone on with, as after a restart.
    return {"path": str(path), "flush_interval": "100ms", "append": True}
