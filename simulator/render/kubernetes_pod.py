"""The pod of one stage or several in Kubernetes: its container, what it waits for, environment, and resources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from simulator.behaviour.faults.memory import Memory
from simulator.render.containers import (
    IMAGE,
    OTLP_ENDPOINT,
    TOPOLOGY_FILE,
    USER,
    downstream_urls,
    header_variables,
    stage_arguments,
)
from simulator.render.manifests import (
    STAGE,
    Manifest,
    confined,
    empty_volume,
    hosts,
    pod_defaults,
    pod_host,
    port_name,
    probe,
    resources,
)
from simulator.render.packing import port_of
from simulator.topology.graph import reached_from
from simulator.topology.model import Operation, Role, Stage, Topology

HEADERS_SECRET = "headers"  # noqa: S105 - the name of the secret with the headers' values, not a secret itself
_POD_INDEX = "metadata.labels['apps.kubernetes.io/pod-index']"
_MEBIBYTE = 2**20
_IDLE_MEBIBYTES = 96
_BUSY_MEBIBYTES = 512
# What each further stage of a process adds: it takes less than half of this when idle.
_FURTHER_IDLE_MEBIBYTES = 1
_FURTHER_BUSY_MEBIBYTES = 4
_STAGE_MILLICORES = 50
_PROCESS_MILLICORES = 1000  # Python runs on one core at a time
_MAX_HOLDING = 16  # messages that hold the bytes of memory(...) at the same time, for the memory limit
_WAIT = """\
import sys, time, urllib.request as r
get = r.build_opener(r.ProxyHandler({})).open
for url in sys.argv[1:]:
    while True:
        try:
            get(url, timeout=3).close()
            break
        except OSError:
            time.sleep(0.5)
"""


def stage_pod(topology: Topology, names: Sequence[str], grace_seconds: int) -> Manifest:
    """Return the pod of a container's stages; an injector's waits first for all stages that its messages can reach."""
    volumes: dict[str, Manifest] = {"topology": {"configMap": {"name": "topology"}}, "tmp": empty_volume()}
    waits = [_waiting(urls)] if (urls := _ready_urls(topology, names[0])) else []
    return {
        **pod_defaults(USER),
        "terminationGracePeriodSeconds": grace_seconds,
        **({"initContainers": waits} if waits else {}),
        "containers": [_stage_container(topology, names)],
        "volumes": [{"name": key, **volume} for key, volume in volumes.items()],
    }


def _stage_container(topology: Topology, names: Sequence[str]) -> Manifest:
    ports = [port_of(topology, name) for name in names]
    return {
        "name": STAGE,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": stage_arguments(names),
        "ports": [{"name": port_name(port), "containerPort": port} for port in ports],
        "env": _stage_environment(topology, names),
        # If it exists, it holds the secret of the run, SIMULATOR_RUN_SECRET.
        "envFrom": [{"secretRef": {"name": "simulator", "optional": True}}],
        # Of several stages the first is asked: those of a process are ready all at once, or none is.
        "startupProbe": probe("/readyz", period=1, failures=60),
        "readinessProbe": probe("/readyz", period=5, failures=1),
        "livenessProbe": probe("/healthz", period=10, failures=6),
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
        "resources": _resources([topology.stages[name] for name in names]),
        "securityContext": confined(),
        "volumeMounts": [
            {"name": "topology", "mountPath": str(PurePosixPath(TOPOLOGY_FILE).parent), "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in a container
        ],
    }


def _ready_urls(topology: Topology, name: str) -> list[str]:
    """Return the URLs that an injector waits for; other stages don't wait, or a chain would start one by one."""
    if topology.stages[name].role is not Role.INJECTOR:
        return []
    awaited = [other for other in reached_from(topology, name) if other in topology.started]
    return [f"http://{host}/readyz" for other in awaited for host in hosts(topology, other)]


def _waiting(urls: list[str]) -> Manifest:
    """Return the container that delays an injector until the URLs answer: too early a message would be a failure."""
    return {
        "name": "wait",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", _WAIT, *urls],
        "resources": resources(_IDLE_MEBIBYTES, _BUSY_MEBIBYTES),
        "securityContext": confined(),
    }


def _stage_environment(topology: Topology, names: Sequence[str]) -> list[Manifest]:
    environment: list[Manifest] = [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": OTLP_ENDPOINT}]
    for variable in header_variables(topology, names):
        secret = {"secretKeyRef": {"name": HEADERS_SECRET, "key": variable}}
        environment.append({"name": variable, "valueFrom": secret})
    if topology.stages[names[0]].instances > 1:
        index = {"fieldRef": {"fieldPath": _POD_INDEX}}
        environment.append({"name": "SIMULATOR_INSTANCE", "valueFrom": index})
    if downstreams := downstream_urls(topology, names, pod_host):
        environment.append({"name": "SIMULATOR_DOWNSTREAM", "value": downstreams})
    return environment


def _resources(stages: Sequence[Stage]) -> Manifest:
    """Return the requests of the stages of a process, and its memory limit, including what their messages hold."""
    further = len(stages) - 1
    return resources(
        _IDLE_MEBIBYTES + _FURTHER_IDLE_MEBIBYTES * further,
        _BUSY_MEBIBYTES + _FURTHER_BUSY_MEBIBYTES * further + sum(map(_held_mebibytes, stages)),
        min(_STAGE_MILLICORES * len(stages), _PROCESS_MILLICORES),
    )


def _held_mebibytes(stage: Stage) -> int:
    """Return what messages can hold at the same time, at the operation that holds the most."""
    held = max(map(_held_bytes, stage.all_operations.values()))
    return min(stage.workers, _MAX_HOLDING) * -(-held // _MEBIBYTE)


def _held_bytes(operation: Operation) -> int:
    faults = sum(fault.bytes for fault in operation.faults if isinstance(fault, Memory))
    return faults + operation.work.size_bytes
