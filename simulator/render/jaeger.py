"""The configuration of Jaeger v2: traces in memory, and span metrics for its Monitor tab."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

_MAX_TRACES = 100_000


@dataclass(frozen=True)
class Ports:
    """Jaeger's ports: its page and API, OTLP, its health and the metrics that it computes from spans."""

    query: int = 16686
    query_grpc: int = 16685
    otlp_grpc: int = 4317
    otlp_http: int = 4318
    health: int = 13133
    span_metrics: int = 8889
    telemetry: int = 8888


DEFAULT_PORTS = Ports()


def jaeger_config(
    prometheus_url: str,
    host: str = "0.0.0.0",  # noqa: S104 - in a container of its own, whose ports are published on loopback only
    ports: Ports = DEFAULT_PORTS,
    flush: str = "15s",
) -> str:
    """Return the configuration; Jaeger is an OpenTelemetry Collector itself.

    `prometheus_url` is where it reads the span metrics that Prometheus has fetched from it; `flush` is how often it
    updates them.
    """
    config = {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["batch"],
                    "exporters": ["jaeger_storage_exporter", "spanmetrics"],
                },
                "metrics/spanmetrics": {"receivers": ["spanmetrics"], "exporters": ["prometheus"]},
            },
            "telemetry": {
                "metrics": {
                    "readers": [{"pull": {"exporter": {"prometheus": {"host": host, "port": ports.telemetry}}}}]
                },
                "logs": {"level": "warn"},
            },
        },
        "extensions": {
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": f"{host}:{ports.health}"}},
            "jaeger_query": {
                "storage": {"traces": "memory", "metrics": "prometheus"},
                "http": {"endpoint": f"{host}:{ports.query}"},
                "grpc": {"endpoint": f"{host}:{ports.query_grpc}"},
            },
            "jaeger_storage": {
                "backends": {"memory": {"memory": {"max_traces": _MAX_TRACES}}},
                "metric_backends": {
                    "prometheus": {
                        "prometheus": {
                            "endpoint": prometheus_url,
                            "normalize_calls": True,
                            "normalize_duration": True,
                        }
                    }
                },
            },
        },
        "connectors": {"spanmetrics": {"metrics_flush_interval": flush}},
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": f"{host}:{ports.otlp_grpc}"},
                    "http": {"endpoint": f"{host}:{ports.otlp_http}"},
                }
            }
        },
        "processors": {"batch": {}},
        "exporters": {
            "jaeger_storage_exporter": {"trace_storage": "memory"},
            "prometheus": {"endpoint": f"{host}:{ports.span_metrics}"},
        },
    }
    return str(yaml.safe_dump(config, sort_keys=False, width=120))
