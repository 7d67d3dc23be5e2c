"""A topology as containers on one machine: the files that `docker compose up` needs, with everything to look at it.

An instance of a stage is a service of its own, not a replica: only so has each its number, which faults and logs go by,
and callers take them in turn by name, as on one machine. The addresses of replicas under one name come from DNS in an
order that the C library sorts, so that a caller might well find the same one each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.errors import ConfigurationError, Problem
from simulator.render.alloy import ALLOY_CONFIG
from simulator.render.containers import (
    ALLOY_IMAGE,
    GRAFANA_ENVIRONMENT,
    GRAFANA_IMAGE,
    IMAGE,
    JAEGER_IMAGE,
    JAEGER_METRICS,
    K6_IMAGE,
    LOCUST_IMAGE,
    LOKI_IMAGE,
    OTLP_ENDPOINT,
    PROMETHEUS_FLAGS,
    PROMETHEUS_IMAGE,
    PROMETHEUS_URL,
    TOPOLOGY_FILE,
    USER,
    as_yaml,
    downstream_urls,
    in_containers,
    stage_arguments,
)
from simulator.render.jaeger import DEFAULT_PORTS, jaeger_config
from simulator.render.prometheus import prometheus_config
from simulator.render.rules import rules_text
from simulator.topology.addresses import DEFAULT_PORT, url_of
from simulator.topology.graph import calls_of, entries
from simulator.topology.model import Role, Topology
from simulator.topology.reader import write_topology

_OTHERS = ("jaeger", "prometheus", "grafana", "loki", "alloy", "k6", "locust", "locust-worker")
_LOCUST_PORT = 8089
_READY = (
    "import urllib.request as r; "
    f"r.build_opener(r.ProxyHandler({{}})).open('http://127.0.0.1:{DEFAULT_PORT}/readyz', timeout=3)"
)
_HEAD = """\
# Made from a topology by `run_web_service.py render compose`: change that one, and make this anew.
#
#   docker compose up --build --wait          start it; then Grafana is at http://127.0.0.1:3000
#   docker compose run --rm k6                put it under load: RATE=50 messages a second for DURATION=1m
#   docker compose up locust-worker           the same from a page, http://127.0.0.1:8089
#   docker compose down --volumes             end it, and forget what was measured
#
# What is published is published on this machine alone. Alloy brings the stages' logs to Loki. It asks Docker for them,
# because that works wherever Docker keeps them, on Linux and in Docker Desktop alike; for that it has Docker's socket,
# so nothing else runs in it and nobody can reach it. Without it and Loki all the rest works as well.
"""


@dataclass(frozen=True)
class Container:
    """One instance of a stage: the host it is found at, its stage, and its number, None where it is the only one."""

    host: str
    stage: str
    number: int | None = None


def compose_files(topology: Topology, repository: str) -> dict[str, str]:
    """Give the files of a Compose project, {path: text}.

    `repository` is where the project's folder lies as seen from them, as in `..`. Raise ConfigurationError for what
    can't be in containers.
    """
    contained = in_containers(topology, _OTHERS)
    containers = [container for name in contained.stages for container in _containers(contained, name)]
    _check_hosts(contained, containers)
    targets = {
        name: [f"{container.host}:{DEFAULT_PORT}" for container in _containers(contained, name)]
        for name in contained.stages
    }
    return {
        "compose.yaml": _HEAD + as_yaml(_project(contained, containers, repository)),
        "topology.yaml": write_topology(contained),
        "jaeger/config.yaml": jaeger_config(PROMETHEUS_URL),
        "prometheus/prometheus.yml": prometheus_config(targets, JAEGER_METRICS, ["rules.yml"]),
        "prometheus/rules.yml": rules_text(contained),
        "alloy/config.alloy": ALLOY_CONFIG,
    }


def _containers(topology: Topology, name: str) -> list[Container]:
    count = topology.stages[name].instances
    if count == 1:
        return [Container(name, name)]
    return [Container(_host(name, number), name, number) for number in range(1, count + 1)]


def _host(name: str, number: int) -> str:
    return f"{name}-{number}"


def _check_hosts(topology: Topology, containers: list[Container]) -> None:
    taken = [*topology.stages, *_OTHERS]
    clashes = [container for container in containers if container.number is not None and container.host in taken]
    if clashes:
        raise ConfigurationError(
            Problem(
                f"stages.{clash.stage}: an instance of it would be called {clash.host}, as another is", topology.name
            )
            for clash in clashes
        )


def _project(topology: Topology, containers: list[Container], repository: str) -> dict[str, Any]:
    ports = _entry_ports(topology, containers)
    stages = {container.host: _stage(topology, container, repository, ports.get(container)) for container in containers}
    return {
        "name": topology.name,
        "services": {
            **stages,
            "jaeger": _jaeger(),
            "prometheus": _prometheus(),
            "grafana": _grafana(repository),
            "loki": _loki(),
            "alloy": _alloy(),
            "k6": _k6(topology, repository),
            "locust": _locust(topology, repository),
            "locust-worker": _locust_worker(topology, repository),
        },
        "configs": {
            "topology": {"file": "./topology.yaml"},
            "jaeger": {"file": "./jaeger/config.yaml"},
            "prometheus": {"file": "./prometheus/prometheus.yml"},
            "rules": {"file": "./prometheus/rules.yml"},
            "alloy": {"file": "./alloy/config.alloy"},
        },
        "volumes": {"prometheus": {}, "loki": {}},
    }


def _entry_ports(topology: Topology, containers: list[Container]) -> dict[Container, int]:
    """Give the ports of this machine at which the entries are found: from 8080 on, but not Locust's."""
    inlets = [container for container in containers if container.stage in entries(topology)]
    free = (port for port in range(DEFAULT_PORT, 65536) if port not in (_LOCUST_PORT, 9090, 16686))
    return dict(zip(inlets, free, strict=False))


def _stage(topology: Topology, container: Container, repository: str, port: int | None) -> dict[str, Any]:
    called = dict.fromkeys(call.to for _, call in calls_of(topology.stages[container.stage]))
    hosts = [other.host for name in called for other in _containers(topology, name)]
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": OTLP_ENDPOINT}
    if container.number is not None:
        environment["SIMULATOR_INSTANCE"] = str(container.number)
    if downstreams := downstream_urls(topology, container.stage, _host):
        environment["SIMULATOR_DOWNSTREAM"] = downstreams
    return {
        "image": IMAGE,
        "build": {"context": repository, "dockerfile": "deploy/Dockerfile"},
        "command": stage_arguments(container.stage),
        "environment": environment,
        "labels": {"simulator.stage": container.stage},
        "configs": [_mounted("topology", TOPOLOGY_FILE)],
        "user": f"{USER}:{USER}",
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - in a container
        **_confined(),
        # Ten seconds to finish what was admitted, and four to tell what is untold.
        "stop_grace_period": "20s",
        "healthcheck": {
            "test": ["CMD", "python", "-c", _READY],
            "interval": "15s",
            "timeout": "5s",
            "retries": 3,
            "start_period": "60s",
            "start_interval": "1s",
        },
        "depends_on": {"jaeger": {"condition": "service_started"}}
        | {host: {"condition": "service_healthy"} for host in hosts},
    } | ({"ports": [_published(port, DEFAULT_PORT)]} if port else {})


def _jaeger() -> dict[str, Any]:
    ports = DEFAULT_PORTS
    return {
        "image": JAEGER_IMAGE,
        "command": ["--config", "file:/etc/jaeger/config.yaml"],
        "configs": [_mounted("jaeger", "/etc/jaeger/config.yaml")],
        "ports": [_published(port, port) for port in (ports.query, ports.otlp_http)],
        "read_only": True,
        **_confined(),
    }


def _prometheus() -> dict[str, Any]:
    return {
        "image": PROMETHEUS_IMAGE,
        "command": list(PROMETHEUS_FLAGS),
        "configs": [
            _mounted("prometheus", "/etc/prometheus/prometheus.yml"),
            _mounted("rules", "/etc/prometheus/rules.yml"),
        ],
        "volumes": ["prometheus:/prometheus"],
        "ports": [_published(9090, 9090)],
        "read_only": True,
        **_confined(),
    }


def _grafana(repository: str) -> dict[str, Any]:
    folders = {"provisioning": "/etc/grafana/provisioning", "dashboards": "/var/lib/grafana/dashboards"}
    return {
        "image": GRAFANA_IMAGE,
        "environment": dict(GRAFANA_ENVIRONMENT),
        "volumes": [_bound(f"{repository}/grafana/{folder}", target) for folder, target in folders.items()],
        "ports": [_published(3000, 3000)],
        **_confined(),
        "depends_on": ["prometheus", "jaeger", "loki"],
    }


def _loki() -> dict[str, Any]:
    return {
        "image": LOKI_IMAGE,
        "command": ["-config.file=/etc/loki/local-config.yaml", "-reporting.enabled=false"],
        "volumes": ["loki:/loki"],
        **_confined(),
    }


def _alloy() -> dict[str, Any]:
    socket = "/var/run/docker.sock"
    return {
        "image": ALLOY_IMAGE,
        "command": ["run", "--disable-reporting", "--storage.path=/tmp/alloy", "/etc/alloy/config.alloy"],
        "environment": {"COMPOSE_PROJECT_NAME": "${COMPOSE_PROJECT_NAME}"},
        "configs": [_mounted("alloy", "/etc/alloy/config.alloy")],
        "volumes": [_bound(f"${{DOCKER_SOCKET:-{socket}}}", socket)],
        "user": "0:0",  # whose socket it is
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - in a container
        **_confined(),
        "depends_on": ["loki"],
    }


def _k6(topology: Topology, repository: str) -> dict[str, Any]:
    pace = {"RATE": "${RATE:-20}", "DURATION": "${DURATION:-1m}"}
    return {
        "image": K6_IMAGE,
        "command": ["run", "--no-usage-report", "/load/k6.js"],
        **_load(topology, repository, pace),
        "read_only": True,
    }


def _locust(topology: Topology, repository: str) -> dict[str, Any]:
    return {
        "image": LOCUST_IMAGE,
        "command": ["--locustfile", "/load/locustfile.py", "--master"],
        **_load(topology, repository, {}),
        "ports": [_published(_LOCUST_PORT, _LOCUST_PORT)],
    }


def _locust_worker(topology: Topology, repository: str) -> dict[str, Any]:
    return {
        "image": LOCUST_IMAGE,
        "command": ["--locustfile", "/load/locustfile.py", "--worker", "--master-host", "locust"],
        **_load(topology, repository, {}),
        "depends_on": ["locust"],
    }


def _load(topology: Topology, repository: str, pace: dict[str, str]) -> dict[str, Any]:
    """Give what every load generator has; an entry that takes its messages from outside comes before an injector."""
    name = min(entries(topology), key=lambda name: topology.stages[name].role is Role.INJECTOR)
    first = _containers(topology, name)[0].host
    return {
        "profiles": ["load"],
        "environment": {"TARGET": url_of(first, DEFAULT_PORT, topology.stages[name].path), **pace},
        "volumes": [_bound(f"{repository}/deploy/load", "/load")],
        **_confined(),
        "depends_on": {first: {"condition": "service_healthy"}},
    }


def _confined() -> dict[str, Any]:
    return {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    }


def _mounted(config: str, target: str) -> dict[str, str]:
    return {"source": config, "target": target}


def _bound(source: str, target: str) -> dict[str, Any]:
    return {"type": "bind", "source": source, "target": target, "read_only": True}


def _published(port: int, target: int) -> str:
    return f"127.0.0.1:{port}:{target}"
