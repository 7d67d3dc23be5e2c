"""A topology as containers on one machine: the files for `docker compose up`, with the observability stack.

An instance of a stage is a service of its own, not a replica: only then does each have a number, which faults and logs
use, and callers take turns between them by name, as on one machine. DNS returns the addresses of replicas under one
name in an order that the C library sorts, so that a caller might find the same one each time.

Stages that share a container are one service, which is found by the host name of each.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from simulator.errors import ConfigurationError, Problem
from simulator.render.compose_load import LOAD_GENERATORS, LOCUST_PORT, Target, load_generators
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
    header_variables,
    in_containers,
    stage_arguments,
)
from simulator.render.packing import Packed, container_of, grace_seconds, pack, port_of
from simulator.topology.addresses import DEFAULT_PORT, url_of
from simulator.topology.graph import entries, reached_from
from simulator.topology.model import Role, Topology
from simulator.topology.names import dns_label, host_name
from simulator.topology.reader import write_topology
from simulator.topology.variables import SECRET_VARIABLE

_OTHERS = (*OBSERVERS, *LOAD_GENERATORS)
# It runs each second while many stages start: an HTTP client would take three times the CPU time.
# Where a container has several stages, the first is asked: those of a process are ready all at once, or none is.
_READY = (
    f"import socket; c = socket.create_connection(('127.0.0.1', {DEFAULT_PORT}), 5); "
    r"c.sendall(b'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n'); "
    "assert b' 200 ' in c.recv(32)"
)
_HEAD = """\
# Rendered from a topology by `web-service-simulator render compose`: change the topology, and render again.
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


@dataclass(frozen=True, kw_only=True)
class Container:
    """A service of stages: its host name, its stages, all on ports of their own, and how long it may take to stop.

    `number` is that of the instance, None if it is the only one.
    """

    host: str
    stages: tuple[str, ...]
    number: int | None = None
    grace_seconds: int


def compose_files(topology: Topology, repository: str, processes: int | None = None) -> dict[str, str]:
    """Return the files of a Compose project, {path: text}.

    `repository` is the relative path from them to the project's folder, as in `..`. The stages that can share a
    container are in `processes` of them; None means a container for each. Raise ConfigurationError for a topology that
    can't run in containers.
    """
    contained, packed = pack(in_containers(topology, _OTHERS), processes)
    containers = _containers(contained, packed)
    _check_hosts(contained, containers)
    targets = {
        name: [f"{host}:{port_of(contained, name)}" for host in _hosts(contained, name)] for name in contained.started
    }
    return {
        "compose.yaml": _HEAD + as_yaml(_project(contained, containers, repository)),
        "topology.yaml": write_topology(contained),
        **observer_files(contained, targets),
    }


def _containers(topology: Topology, packed: Packed) -> list[Container]:
    """Return the containers in the order of their first stages in the file."""
    graces, home = grace_seconds(topology, packed), container_of(packed)
    found = []
    for host in dict.fromkeys(home[name] for name in topology.started):
        stages, grace = tuple(packed[host]), graces[host]
        count = topology.stages[stages[0]].instances
        if count == 1:
            found.append(Container(host=host, stages=stages, grace_seconds=grace))
        else:
            found += [
                Container(host=_host(stages[0], number), stages=stages, number=number, grace_seconds=grace)
                for number in range(1, count + 1)
            ]
    return found


def _hosts(topology: Topology, name: str) -> list[str]:
    """Return the hosts of a stage's instances."""
    count = topology.stages[name].instances
    return [host_name(name)] if count == 1 else [_host(name, number) for number in range(1, count + 1)]


def _host(name: str, number: int) -> str:
    return f"{host_name(name)}-{number}"


def _check_hosts(topology: Topology, containers: list[Container]) -> None:
    taken = [
        *map(host_name, topology.stages),
        *_OTHERS,
        *(container.host for container in containers if container.number is None),
    ]
    clashes = [container for container in containers if container.number is not None and container.host in taken]
    if clashes:
        raise ConfigurationError(
            Problem(
                f"stages.{clash.stages[0]}: an instance would be called {clash.host}, like another service",
                topology.name,
            )
            for clash in clashes
        )


def _project(topology: Topology, containers: list[Container], repository: str) -> dict[str, Any]:
    ports = _entry_ports(topology, containers)
    stages = {
        container.host: _service(topology, container, containers, repository, ports.get(container.host, []))
        for container in containers
    }
    entry = _entry(topology)
    needed = _holding(containers, {entry, *reached_from(topology, entry)})
    return {
        "name": dns_label(topology.name),
        "services": {
            **stages,
            **observers(repository),
            **load_generators(_target(topology, entry), needed, repository),
        },
        "configs": {
            config: {"file": f"./{path}"} for config, path in {"topology": "topology.yaml", **OBSERVER_CONFIGS}.items()
        },
        "volumes": {volume: {} for volume in OBSERVER_VOLUMES},
    }


def _entry(topology: Topology) -> str:
    """Return the entry that gets the load, preferably one that takes messages from outside."""
    return min(entries(topology), key=lambda name: topology.stages[name].role is Role.INJECTOR)


def _target(topology: Topology, name: str) -> Target:
    """Return where the load for an entry goes: to its first operation."""
    first = next(iter(topology.stages[name].all_operations.values()))
    return Target(first.method, url_of(_hosts(topology, name)[0], port_of(topology, name), first.path))


def _holding(containers: list[Container], stages: Set[str]) -> list[str]:
    """Return the services that any of these stages is in."""
    return [container.host for container in containers if not stages.isdisjoint(container.stages)]


def _entry_ports(topology: Topology, containers: list[Container]) -> dict[str, list[str]]:
    """Return the published ports of each service with an entry: on this machine from 8080 on, except Locust's."""
    inlets = frozenset(entries(topology))
    free = (port for port in range(DEFAULT_PORT, 65536) if port not in (LOCUST_PORT, 9090, 16686))
    found: dict[str, list[str]] = {}
    for container in containers:
        for name in container.stages:
            if name in inlets and (port := next(free, None)):
                found.setdefault(container.host, []).append(published(port, port_of(topology, name)))
    return found


def _service(
    topology: Topology, container: Container, containers: list[Container], repository: str, ports: list[str]
) -> Service:
    # The values come from the user's environment, or the file .env: the rendered files hold no secret.
    environment = {variable: f"${{{variable}}}" for variable in header_variables(topology, container.stages)}
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = OTLP_ENDPOINT
    environment[SECRET_VARIABLE] = f"${{{SECRET_VARIABLE}:-}}"
    if container.number is not None:
        environment["SIMULATOR_INSTANCE"] = str(container.number)
    if downstreams := downstream_urls(topology, container.stages, _host):
        environment["SIMULATOR_DOWNSTREAM"] = downstreams
    service = {
        "image": IMAGE,
        "build": {"context": repository, "dockerfile": "deploy/Dockerfile"},
        "command": stage_arguments(container.stages),
        "environment": environment,
        "labels": {"simulator.stage": container.stages[0] if len(container.stages) == 1 else container.host},
        "configs": [mounted("topology", TOPOLOGY_FILE)],
        "user": f"{USER}:{USER}",
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - in a container
        **confined(),
        "stop_grace_period": f"{container.grace_seconds}s",
        "healthcheck": {
            "test": ["CMD", "python", "-ISc", _READY],
            "interval": "15s",
            "timeout": "10s",
            "retries": 3,
            "start_period": "60s",
            "start_interval": "1s",
        },
        "depends_on": {"jaeger": {"condition": "service_started"}} | _awaited(topology, container, containers),
    }
    if len(container.stages) > 1:
        service["networks"] = {"default": {"aliases": list(map(host_name, container.stages))}}
    return service | ({"ports": ports} if ports else {})


def _awaited(topology: Topology, container: Container, containers: list[Container]) -> dict[str, dict[str, str]]:
    """Return what an injector waits for: all the stages that its messages can reach.

    No other stage waits: a chain would start one by one, and messages from outside come when everything is up.
    """
    name = container.stages[0]
    if topology.stages[name].role is not Role.INJECTOR:
        return {}
    return healthy(_holding(containers, set(reached_from(topology, name))))
