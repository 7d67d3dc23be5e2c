"""The pod of a stage in Kubernetes: its container, what it waits for, its environment, and its resources."""

from __future__ import annotations

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
    probe,
    resources,
)
from simulator.topology.addresses import DEFAULT_PORT
from simulator.topology.graph import reached_from
from simulator.topology.model import Role, Stage, Topology

HEADERS_SECRET = "headers"  # noqa: S105 - the name of the secret with the headers' values, not a secret itself
_POD_INDEX = "metadata.labels['apps.kubernetes.io/pod-index']"
_MEBIBYTE = 2**20
_IDLE_MEBIBYTES = 96
_BUSY_MEBIBYTES = 512
_MAX_HOLDING = 16  # messages that hold a memory fault's bytes at the same time, for the memory limit
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


def stage_pod(topology: Topology, name: str, grace_seconds: int) -> Manifest:
    """Return the pod of a stage's instance; an injector's waits first for all stages that its messages can reach."""
    volumes: dict[str, Manifest] = {"topology": {"configMap": {"name": "topology"}}, "tmp": empty_volume()}
    waits = [_waiting(urls)] if (urls := _ready_urls(topology, name)) else []
    return {
        **pod_defaults(USER),
        "terminationGracePeriodSeconds": grace_seconds,
        **({"initContainers": waits} if waits else {}),
        "containers": [_stage_container(topology, name)],
        "volumes": [{"name": key, **volume} for key, volume in volumes.items()],
    }


def _stage_container(topology: Topology, name: str) -> Manifest:
    return {
        "name": STAGE,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": stage_arguments(name),
        "ports": [{"name": "http", "containerPort": DEFAULT_PORT}],
        "env": _stage_environment(topology, name),
        # If it exists, it holds the secret of the run, SIMULATOR_RUN_SECRET.
        "envFrom": [{"secretRef": {"name": "simulator", "optional": True}}],
        "startupProbe": probe("/readyz", period=1, failures=60),
        "readinessProbe": probe("/readyz", period=5, failures=1),
        "livenessProbe": probe("/healthz", period=10, failures=6),
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
        "resources": resources(_IDLE_MEBIBYTES, _limit_mebibytes(topology.stages[name])),
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
    return [
        f"http://{host}/readyz"
        for other in reached_from(topology, name)
        for host in hosts(other, topology.stages[other].instances)
    ]


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


def _stage_environment(topology: Topology, name: str) -> list[Manifest]:
    environment: list[Manifest] = [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": OTLP_ENDPOINT}]
    for variable in header_variables(topology, name):
        secret = {"secretKeyRef": {"name": HEADERS_SECRET, "key": variable}}
        environment.append({"name": variable, "valueFrom": secret})
    if topology.stages[name].instances > 1:
        index = {"fieldRef": {"fieldPath": _POD_INDEX}}
        environment.append({"name": "SIMULATOR_INSTANCE", "valueFrom": index})
    if downstreams := downstream_urls(topology, name, pod_host):
        environment.append({"name": "SIMULATOR_DOWNSTREAM", "value": downstreams})
    return environment


def _limit_mebibytes(stage: Stage) -> int:
    """Return the memory limit of a stage, including what its memory faults hold."""
    held = sum(fault.bytes for fault in stage.faults if isinstance(fault, Memory))
    return _BUSY_MEBIBYTES + min(stage.workers, _MAX_HOLDING) * -(-held // _MEBIBYTE)
