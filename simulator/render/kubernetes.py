"""A topology as pods: a kustomize base, an overlay for the Prometheus operator, and something to look at it with.

A stage of several instances is a StatefulSet, so that each has its number and its name, which faults, logs and callers
go by; the pods of a Deployment have neither. Kubernetes 1.31 or later, for it counts them from 1.

A stage whose instances are a range is a Deployment with a HorizontalPodAutoscaler behind one Service: its pods come and
go, and have no numbers. There is no limit on the processor: being held back would look like a delay that nobody
configured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import yaml

from simulator.behaviour.faults.memory import Memory
from simulator.render.compose import (
    GRAFANA_ENVIRONMENT,
    GRAFANA_IMAGE,
    IMAGE,
    JAEGER_IMAGE,
    JAEGER_METRICS,
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
from simulator.topology.addresses import DEFAULT_PORT
from simulator.topology.graph import calls_of
from simulator.topology.model import Instances, Role, Stage, Topology
from simulator.topology.reader import write_topology

Manifest = dict[str, Any]
Ranges = Mapping[str, tuple[int, int]]

_OTHERS = ("jaeger", "prometheus", "grafana")
_STAGE = "stage"  # what a stage's pods are labelled as, and nothing else is
_POD_INDEX = "metadata.labels['apps.kubernetes.io/pod-index']"
_MEBIBYTE = 2**20
_IDLE_MEBIBYTES = 96
_BUSY_MEBIBYTES = 512
_BUSY_PERCENT = 70  # of the processor that a pod asks for
_MOST_HOLDING = 16  # messages that hold a memory fault's bytes at once, as far as the limit allows for them
_PROMETHEUS_USER = 65534
_GRAFANA_USER = 472
_GRAFANA_FOLDERS = {"provisioning": "/etc/grafana/provisioning", "dashboards": "/var/lib/grafana/dashboards"}
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
_HEAD = """\
# Made from a topology by `run_web_service.py render kubernetes`: change that one, and make this anew.
#
#   docker build --file deploy/Dockerfile --tag {image} .      from the project's folder; then load or push it
#   kubectl apply --server-side -k .          the stages, Jaeger, Prometheus and Grafana; `-k base` the stages alone
#   kubectl -n {namespace} port-forward service/grafana 3000
#
# With the Prometheus operator: `kubectl apply -k overlays/podmonitor`.
"""


def kubernetes_files(topology: Topology, grafana: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the files of the base, its overlay and what to look at it with, {path: text}.

    `grafana` are the files of the folder of that name, {path in it: text}; without them Grafana comes up empty. Raise
    ConfigurationError for what can't be in pods.
    """
    contained, ranges = _without_ranges(in_containers(topology, _OTHERS))
    head = _HEAD.format(image=IMAGE, namespace=topology.name)
    return {
        "kustomization.yaml": head + as_yaml(_kustomization(["base", "observability"])),
        **_base(contained, ranges),
        "overlays/podmonitor/kustomization.yaml": as_yaml(
            _kustomization(["../../base", "podmonitor.yaml"], topology.name)
        ),
        "overlays/podmonitor/podmonitor.yaml": as_yaml(_pod_monitor()),
        **_observability(contained, ranges, grafana or {}),
    }


def _without_ranges(topology: Topology) -> tuple[Topology, Ranges]:
    """Give the topology with one instance of each stage whose number is the autoscaler's business, and their ranges."""
    ranges = {
        name: (stage.instances, stage.most_instances)
        for name, stage in topology.stages.items()
        if stage.most_instances is not None
    }
    single = {name: replace(topology.stages[name], instances=Instances(1), most_instances=None) for name in ranges}
    return replace(topology, stages={**topology.stages, **single}), ranges


def _base(topology: Topology, ranges: Ranges) -> dict[str, str]:
    stages = {
        f"stages/{name}.yaml": _documents(_scaled(_stage(topology, name), name, ranges)) for name in topology.stages
    }
    kustomization = _kustomization(["namespace.yaml", *stages], topology.name) | {
        "labels": [{"pairs": {"app.kubernetes.io/part-of": topology.name}, "includeTemplates": True}],
        "configMapGenerator": [{"name": "topology", "files": ["topology.yaml"]}],
    }
    files = {
        "kustomization.yaml": as_yaml(kustomization),
        "namespace.yaml": as_yaml(_namespace(topology.name)),
        "topology.yaml": write_topology(topology),
        **stages,
    }
    return {f"base/{path}": text for path, text in files.items()}


def _kustomization(resources: Sequence[str], namespace: str | None = None) -> Manifest:
    where = {"namespace": namespace} if namespace else {}
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return {**kind, **where, "resources": list(resources)}


def _namespace(name: str) -> Manifest:
    """Let nothing into the namespace that asks for more than the strictest profile allows."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _stage(topology: Topology, name: str) -> list[Manifest]:
    stage = topology.stages[name]
    several = stage.instances > 1
    # Each pod of a headless service is found by its own name, ready or not: whether to pass it over is up to callers.
    service = _service(name, _STAGE, {"http": DEFAULT_PORT})
    if several:
        service["spec"] |= {"clusterIP": "None", "publishNotReadyAddresses": True}
        own = {"serviceName": name, "podManagementPolicy": "Parallel", "ordinals": {"start": 1}}
    else:
        # Two injectors at once would be twice the load.
        own = {"strategy": {"type": "Recreate" if stage.role is Role.INJECTOR else "RollingUpdate"}}
    spec = {"replicas": stage.instances, **own, **_pods(name, _STAGE, _stage_pod(topology, name))}
    spec["template"]["metadata"]["annotations"] = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(DEFAULT_PORT),
        "prometheus.io/path": "/metrics",
    }
    return [service, _workload("StatefulSet" if several else "Deployment", name, _STAGE, spec)]


def _scaled(manifests: list[Manifest], name: str, ranges: Ranges) -> list[Manifest]:
    """Let an autoscaler have the number of a stage's pods, and give Prometheus a name that leads to each of them."""
    if name not in ranges:
        return manifests
    least, most = ranges[name]
    for manifest in manifests:
        manifest["spec"].pop("replicas", None)
    pods = _service(f"{name}-pods", _STAGE, {"http": DEFAULT_PORT})
    pods["spec"] |= {"clusterIP": "None", "selector": _labels(name, _STAGE)}
    target = {"type": "Utilization", "averageUtilization": _BUSY_PERCENT}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "labels": _labels(name, _STAGE)},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }
    return [*manifests, pods, scaler]


def _stage_pod(topology: Topology, name: str) -> Manifest:
    volumes: dict[str, Manifest] = {"topology": {"configMap": {"name": "topology"}}, "tmp": _empty()}
    waits = [_waiting(urls)] if (urls := _ready_urls(topology, name)) else []
    return {
        **_pod_defaults(USER),
        # Three seconds until nobody sends here any more, ten to finish, four to tell what is untold.
        "terminationGracePeriodSeconds": 30,
        **({"initContainers": waits} if waits else {}),
        "containers": [_stage_container(topology, name)],
        "volumes": [{"name": key, **volume} for key, volume in volumes.items()],
    }


def _stage_container(topology: Topology, name: str) -> Manifest:
    return {
        "name": _STAGE,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": stage_arguments(name),
        "ports": [{"name": "http", "containerPort": DEFAULT_PORT}],
        "env": _stage_environment(topology, name),
        "startupProbe": _probe("/readyz", period=1, failures=60),
        "readinessProbe": _probe("/readyz", period=5, failures=1),
        "livenessProbe": _probe("/healthz", period=10, failures=6),
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
        "resources": _resources(_IDLE_MEBIBYTES, _limit_mebibytes(topology.stages[name])),
        "securityContext": _confined(),
        "volumeMounts": [
            {"name": "topology", "mountPath": str(PurePosixPath(TOPOLOGY_FILE).parent), "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in a container
        ],
    }


def _ready_urls(topology: Topology, name: str) -> list[str]:
    called = dict.fromkeys(call.to for _, call in calls_of(topology.stages[name]))
    return [f"http://{host}/readyz" for other in called for host in _hosts(other, topology.stages[other].instances)]


def _waiting(urls: list[str]) -> Manifest:
    """Keep a stage from starting before those that it calls: a message that nobody takes would be a genuine failure."""
    return {
        "name": "wait",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", _WAIT, *urls],
        "resources": _resources(_IDLE_MEBIBYTES, _BUSY_MEBIBYTES),
        "securityContext": _confined(),
    }


def _stage_environment(topology: Topology, name: str) -> list[Manifest]:
    environment: list[Manifest] = [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": OTLP_ENDPOINT}]
    if topology.stages[name].instances > 1:
        index = {"fieldRef": {"fieldPath": _POD_INDEX}}
        environment.append({"name": "SIMULATOR_INSTANCE", "valueFrom": index})
    if downstreams := downstream_urls(topology, name, _pod_host):
        environment.append({"name": "SIMULATOR_DOWNSTREAM", "value": downstreams})
    return environment


def _pod_host(name: str, number: int) -> str:
    """Give the name of a pod of a StatefulSet within its headless service."""
    return f"{name}-{number}.{name}"


def _limit_mebibytes(stage: Stage) -> int:
    """Give the memory that a stage may take, with what its memory faults hold on purpose."""
    held = sum(fault.bytes for fault in stage.faults if isinstance(fault, Memory))
    return _BUSY_MEBIBYTES + min(stage.workers, _MOST_HOLDING) * -(-held // _MEBIBYTE)


def _pod_monitor() -> Manifest:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "stages"},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/component": _STAGE}},
            "podMetricsEndpoints": [
                {
                    "port": "http",
                    "path": "/metrics",
                    "interval": "5s",
                    "relabelings": [{"targetLabel": "job", "replacement": "stages"}],  # as the rules know it
                }
            ],
        },
    }


def _observability(topology: Topology, ranges: Ranges, grafana: Mapping[str, str]) -> dict[str, str]:
    targets = {n: _hosts(n, stage.instances) for n, stage in topology.stages.items() if n not in ranges}
    discovered = {f"{name}-pods": DEFAULT_PORT for name in ranges}
    maps = {folder: f"grafana-{folder.replace('/', '-')}" for folder in sorted({_folder(path) for path in grafana})}
    generated = [
        {"name": "jaeger", "files": ["jaeger/config.yaml"]},
        {"name": "prometheus", "files": ["prometheus/prometheus.yml", "prometheus/rules.yml"]},
        *(
            {"name": name, "files": [f"grafana/{path}" for path in sorted(grafana) if _folder(path) == folder]}
            for folder, name in maps.items()
        ),
    ]
    kustomization = _kustomization([f"{name}.yaml" for name in _OTHERS], topology.name)
    files = {
        "kustomization.yaml": as_yaml(kustomization | {"configMapGenerator": generated}),
        "jaeger.yaml": _documents(_jaeger()),
        "prometheus.yaml": _documents(_prometheus()),
        "grafana.yaml": _documents(_grafana(maps)),
        "jaeger/config.yaml": jaeger_config(PROMETHEUS_URL),
        "prometheus/prometheus.yml": prometheus_config(targets, JAEGER_METRICS, ["rules.yml"], discovered=discovered),
        "prometheus/rules.yml": rules_text(topology),
        **{f"grafana/{path}": text for path, text in grafana.items()},
    }
    return {f"observability/{path}": text for path, text in files.items()}


def _hosts(name: str, instances: int) -> list[str]:
    if instances == 1:
        return [f"{name}:{DEFAULT_PORT}"]
    return [f"{_pod_host(name, number)}:{DEFAULT_PORT}" for number in range(1, instances + 1)]


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _jaeger() -> list[Manifest]:
    ports = {"query": DEFAULT_PORTS.query, "otlp": DEFAULT_PORTS.otlp_http, "metrics": DEFAULT_PORTS.span_metrics}
    container = {
        "image": JAEGER_IMAGE,
        "args": ["--config", "file:/etc/jaeger/config.yaml"],
        "resources": _resources(128, 2048),
        "volumeMounts": [{"name": "config", "mountPath": "/etc/jaeger", "readOnly": True}],
    }
    return _observer("jaeger", ports, container, {"config": {"configMap": {"name": "jaeger"}}}, USER)


def _prometheus() -> list[Manifest]:
    container = {
        "image": PROMETHEUS_IMAGE,
        "args": list(PROMETHEUS_FLAGS),
        "readinessProbe": _probe("/-/ready", period=5, failures=3),
        "resources": _resources(256, 1024),
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/prometheus", "readOnly": True},
            {"name": "data", "mountPath": "/prometheus"},
        ],
    }
    volumes: dict[str, Manifest] = {"config": {"configMap": {"name": "prometheus"}}, "data": _empty()}
    return _observer("prometheus", {"http": 9090}, container, volumes, _PROMETHEUS_USER)


def _grafana(maps: Mapping[str, str]) -> list[Manifest]:
    """Make Grafana; `maps` are the ConfigMaps with its files, {folder: name}."""
    container: Manifest = {
        "image": GRAFANA_IMAGE,
        "env": [{"name": name, "value": value} for name, value in GRAFANA_ENVIRONMENT.items()],
        "readinessProbe": _probe("/api/health", period=5, failures=3),
        "resources": _resources(128, 512),
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/grafana"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in a container
            *({"name": name, "mountPath": _in_grafana(folder), "readOnly": True} for folder, name in maps.items()),
        ],
    }
    volumes: dict[str, Manifest] = {name: {"configMap": {"name": name}} for name in maps.values()}
    return _observer("grafana", {"http": 3000}, container, volumes | {"data": _empty(), "tmp": _empty()}, _GRAFANA_USER)


def _in_grafana(folder: str) -> str:
    top, *rest = PurePosixPath(folder).parts
    return "/".join([_GRAFANA_FOLDERS[top], *rest])


def _observer(
    name: str, ports: Mapping[str, int], container: Manifest, volumes: Mapping[str, Manifest], user: int
) -> list[Manifest]:
    """Make the service and the one pod of something that looks at the stages."""
    pod = {
        **_pod_defaults(user),
        "containers": [
            {
                "name": name,
                "ports": [{"name": key, "containerPort": port} for key, port in ports.items()],
                "securityContext": _confined(),
                **container,
            }
        ],
        "volumes": [{"name": key, **volume} for key, volume in volumes.items()],
    }
    spec = {"replicas": 1, "strategy": {"type": "Recreate"}, **_pods(name, "observability", pod)}
    return [_service(name, "observability", ports), _workload("Deployment", name, "observability", spec)]


def _service(name: str, component: str, ports: Mapping[str, int]) -> Manifest:
    listed = [{"name": key, "port": port, "targetPort": key} for key, port in ports.items()]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": _labels(name, component)},
        "spec": {"selector": _labels(name, component), "ports": listed},
    }


def _workload(kind: str, name: str, component: str, spec: Manifest) -> Manifest:
    metadata = {"name": name, "labels": _labels(name, component)}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _pods(name: str, component: str, pod: Manifest) -> Manifest:
    return {
        "selector": {"matchLabels": _labels(name, component)},
        "template": {"metadata": {"labels": _labels(name, component)}, "spec": pod},
    }


def _empty() -> Manifest:
    return {"emptyDir": {}}


def _labels(name: str, component: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": component}


def _pod_defaults(user: int) -> Manifest:
    return {
        # A service called `simulator` would otherwise put SIMULATOR_PORT=tcp://... into every pod.
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _confined() -> Manifest:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _probe(path: str, period: int, failures: int) -> Manifest:
    request = {"path": path, "port": "http"}
    return {"httpGet": request, "periodSeconds": period, "timeoutSeconds": 3, "failureThreshold": failures}


def _resources(request_mebibytes: int, limit_mebibytes: int) -> Manifest:
    requests = {"cpu": "50m", "memory": f"{request_mebibytes}Mi"}
    return {"requests": requests, "limits": {"memory": f"{limit_mebibytes}Mi"}}


def _documents(manifests: Sequence[Manifest]) -> str:
    return str(yaml.safe_dump_all(manifests, sort_keys=False, width=120))
