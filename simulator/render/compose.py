"""A topology as containers on one machine: the files for `docker compose up`, with the observability stack.

An instance of a stage is a service of its own, not a replica: only then does each have a number, which faults and logs
use, and callers take turns between them by name, as on one machine. DNS returns the addresses of replicas under one
name in an order that the C library sorts, so that a caller might find the same one each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.errors import ConfigurationError, Problem
from simulator.render.compose_load import LOAD_GENERATORS, LOCUST_PORT, load_generators
from simulator.render.compose_observability import (
    OBSERVER_CONFIGS,
    OBSERVER_VOLUMES,
    OBSERVERS,
    observer_files,
    observers,
)
from simulator.render.compose_services import Service, confined, healthy, mounted, published
from simulator.render.containers import (
    IMAGE,
    OTLP_ENDPOINT,
    TOPOLOGY_FILE,
    USER,
    as_yaml,
    downstream_urls,
    grace_seconds,
    header_variables,
    in_containers,
    stage_arguments,
)
from simulator.topology.addresses import DEFAULT_PORT, url_of
from simulator.topology.graph import entries, reached_from
from simulator.topology.layers import SECRET_VARIABLE
from simulator.topology.model import Role, Topology
from simulator.topology.reader import write_topology

_OTHERS = (*OBSERVERS, *LOAD_GENERATORS)
# It runs each second while many stages start: an HTTP client would take three times the CPU time.
_READY = (
    f"import socket; c = socket.create_connection(('127.0.0.1', {DEFAULT_PORT}), 5); "
    r"c.sendall(b'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n'); "
    "assert b' 200 ' in c.recv(32)"
)
_HEAD = """\
# Rendered from a topology by `run_web_service.py render compose`: change the topology, and render again.
#
#   docker compose up --build --wait          start it; then Grafana is at http://127.0.0.1:3000
#   docker compose run --rm k6                put it under load: RATE=50 messages a second for DURATION=1m
#   docker compose up locust-worker           the same from a page, http://127.0.0.1:8089
#   docker compose down --volumes             stop it, and delete the measurements
#
# All ports are published only on this machine. Alloy sends the stages' logs to Loki. It reads them from Docker, which
# works wherever Docker stores them, on Linux and in Docker Desktop alike; for that it has Docker's socket, so nothing
# else runs in it and no network can reach it. Everything else works without Alloy and Loki, too.
"""


@dataclass(frozen=True)
class Container:
    """One instance of a stage: its host name, its stage, and its number, None if it is the only one."""

    host: str
    stage: str
    number: int | None = None


def compose_files(topology: Topology, repository: str) -> dict[str, str]:
    """Return the files of a Compose project, {path: text}.

    `repository` is the relative path from them to the project's folder, as in `..`. Raise ConfigurationError for a
    topology that can't run in containers.
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
        **observer_files(contained, targets),
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
                f"stages.{clash.stage}: an instance would be called {clash.host}, like another service", topology.name
            )
            for clash in clashes
        )


def _project(topology: Topology, containers: list[Container], repository: str) -> dict[str, Any]:
    ports = _entry_ports(topology, containers)
    graces = grace_seconds(topology)
    stages = {
        container.host: _stage(topology, container, repository, graces[container.stage], ports.get(container))
        for container in containers
    }
    return {
        "name": topology.name,
        "services": {
            **stages,
            **observers(repository),
            **load_generators(_entry_url(topology), _needed_by(topology, _entry(topology)), repository),
        },
        "configs": {
            config: {"file": f"./{path}"} for config, path in {"topology": "topology.yaml", **OBSERVER_CONFIGS}.items()
        },
        "volumes": {volume: {} for volume in OBSERVER_VOLUMES},
    }


def _entry(topology: Topology) -> str:
    """Return the entry that gets the load, preferably one that takes messages from outside."""
    return min(entries(topology), key=lambda name: topology.stages[name].role is Role.INJECTOR)


def _entry_url(topology: Topology) -> str:
    name = _entry(topology)
    return url_of(_containers(topology, name)[0].host, DEFAULT_PORT, topology.stages[name].path)


def _needed_by(topology: Topology, name: str) -> list[str]:
    """Return the hosts of a stage and of all stages that its messages can reach."""
    return [one.host for stage in (name, *reached_from(topology, name)) for one in _containers(topology, stage)]


def _entry_ports(topology: Topology, containers: list[Container]) -> dict[Container, int]:
    """Return the ports of this machine for the entries: from 8080 on, except Locust's."""
    inlet_stages = frozenset(entries(topology))
    inlets = [container for container in containers if container.stage in inlet_stages]
    free = (port for port in range(DEFAULT_PORT, 65536) if port not in (LOCUST_PORT, 9090, 16686))
    return dict(zip(inlets, free, strict=False))


def _stage(topology: Topology, container: Container, repository: str, grace: int, port: int | None) -> Service:
    # The values come from the user's environment, or the file .env: the rendered files hold no secret.
    environment = {variable: f"${{{variable}}}" for variable in header_variables(topology, container.stage)}
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = OTLP_ENDPOINT
    environment[SECRET_VARIABLE] = f"${{{SECRET_VARIABLE}:-}}"
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
        "configs": [mounted("topology", TOPOLOGY_FILE)],
        "user": f"{USER}:{USER}",
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - in a container
        **confined(),
        "stop_grace_period": f"{grace}s",
        "healthcheck": {
            "test": ["CMD", "python", "-ISc", _READY],
            "interval": "15s",
            "timeout": "10s",
            "retries": 3,
            "start_period": "60s",
            "start_interval": "1s",
        },
        "depends_on": {"jaeger": {"condition": "service_started"}} | _awaited(topology, container),
    } | ({"ports": [published(port, DEFAULT_PORT)]} if port else {})


def _awaited(topology: Topology, container: Container) -> dict[str, dict[str, str]]:
    """Return what an injector waits for: all the stages that its messages can reach.

    No other stage waits: a chain would start one by one, and messages from outside come when everything is up.
    """
    if topology.stages[container.stage].role is not Role.INJECTOR:
        return {}
    reached = reached_from(topology, container.stage)
    return healthy(one.host for name in reached for one in _containers(topology, name))
