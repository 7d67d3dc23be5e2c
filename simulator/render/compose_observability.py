"""The observability stack of a Compose project, from Jaeger to Alloy, and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulator.render.alloy import ALLOY_CONFIG
from simulator.render.compose_services import Service, bound, confined, mounted, published
from simulator.render.containers import (
    ALLOY_IMAGE,
    GRAFANA_ENVIRONMENT,
    GRAFANA_FOLDERS,
    GRAFANA_IMAGE,
    JAEGER_IMAGE,
    JAEGER_METRICS,
    LOKI_IMAGE,
    PROMETHEUS_FLAGS,
    PROMETHEUS_IMAGE,
    PROMETHEUS_URL,
)
from simulator.render.jaeger import DEFAULT_PORTS, jaeger_config
from simulator.render.prometheus import prometheus_config
from simulator.render.rules import rules_text
from simulator.topology.model import Topology

OBSERVERS = ("jaeger", "prometheus", "grafana", "loki", "alloy")
OBSERVER_VOLUMES = ("prometheus", "loki")
# Their mounted files, {config: path}.
OBSERVER_CONFIGS = {
    "jaeger": "jaeger/config.yaml",
    "prometheus": "prometheus/prometheus.yml",
    "rules": "prometheus/rules.yml",
    "alloy": "alloy/config.alloy",
}


def observers(repository: str) -> dict[str, Service]:
    """Return the services, {name: service}; `repository` is the relative path to the project's folder."""
    made = (_jaeger(), _prometheus(), _grafana(repository), _loki(), _alloy())
    return dict(zip(OBSERVERS, made, strict=True))


def observer_files(topology: Topology, targets: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the files that the services read, {path: text}; `targets` are the addresses of each stage's instances."""
    texts = {
        "jaeger": jaeger_config(PROMETHEUS_URL),
        "prometheus": prometheus_config(targets, JAEGER_METRICS, ["rules.yml"]),
        "rules": rules_text(topology),
        "alloy": ALLOY_CONFIG,
    }
    return {path: texts[config] for config, path in OBSERVER_CONFIGS.items()}


def _jaeger() -> Service:
    ports = DEFAULT_PORTS
    return {
        "image": JAEGER_IMAGE,
        "command": ["--config", "file:/etc/jaeger/config.yaml"],
        "configs": [mounted("jaeger", "/etc/jaeger/config.yaml")],
        "ports": [published(port, port) for port in (ports.query, ports.otlp_http)],
        "read_only": True,
        **confined(),
    }


def _prometheus() -> Service:
    return {
        "image": PROMETHEUS_IMAGE,
        "command": list(PROMETHEUS_FLAGS),
        "configs": [
            mounted("prometheus", "/etc/prometheus/prometheus.yml"),
            mounted("rules", "/etc/prometheus/rules.yml"),
        ],
        "volumes": ["prometheus:/prometheus"],
        "ports": [published(9090, 9090)],
        "read_only": True,
        **confined(),
    }


def _grafana(repository: str) -> Service:
    return {
        "image": GRAFANA_IMAGE,
        "environment": dict(GRAFANA_ENVIRONMENT),
        "volumes": [bound(f"{repository}/grafana/{folder}", target) for folder, target in GRAFANA_FOLDERS.items()],
        "ports": [published(3000, 3000)],
        **confined(),
        "depends_on": ["prometheus", "jaeger", "loki"],
    }


def _loki() -> Service:
    return {
        "image": LOKI_IMAGE,
        "command": ["-config.file=/etc/loki/local-config.yaml", "-reporting.enabled=false"],
        "volumes": ["loki:/loki"],
        **confined(),
    }


def _alloy() -> Service:
    socket = "/var/run/docker.sock"
    return {
        "image": ALLOY_IMAGE,
        "command": ["run", "--disable-reporting", "--storage.path=/tmp/alloy", "/etc/alloy/config.alloy"],
        "environment": {"COMPOSE_PROJECT_NAME": "${COMPOSE_PROJECT_NAME}"},
        "configs": [mounted("alloy", "/etc/alloy/config.alloy")],
        "volumes": [bound(f"${{DOCKER_SOCKET:-{socket}}}", socket)],
        "user": "0:0",  # the socket's owner
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - in a container
        **confined(),
        "depends_on": ["loki"],
    }
