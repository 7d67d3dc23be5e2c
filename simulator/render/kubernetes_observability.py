"""The observability stack in Kubernetes: Jaeger, Prometheus and Grafana."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from simulator.render.containers import (
    GRAFANA_ENVIRONMENT,
    GRAFANA_FOLDERS,
    GRAFANA_IMAGE,
    JAEGER_IMAGE,
    JAEGER_METRICS,
    PROMETHEUS_FLAGS,
    PROMETHEUS_IMAGE,
    PROMETHEUS_URL,
    USER,
    as_yaml,
)
from simulator.render.jaeger import DEFAULT_PORTS, jaeger_config
from simulator.render.manifests import (
    OBSERVER,
    STAGE,
    Manifest,
    Ranges,
    confined,
    documents,
    empty_volume,
    hosts,
    kustomization_of,
    pod_defaults,
    pods_of,
    pods_service,
    probe,
    resources,
    service_of,
    workload,
)
from simulator.render.network_policies import observer_policies
from simulator.render.prometheus import prometheus_config
from simulator.render.rules import rules_text
from simulator.topology.addresses import DEFAULT_PORT
from simulator.topology.model import Topology
from simulator.topology.names import dns_label

OBSERVERS = ("jaeger", "prometheus", "grafana")
_PROMETHEUS_USER = 65534
_GRAFANA_USER = 472


def observability(topology: Topology, ranges: Ranges, grafana: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the folder `observability`, {path: text}; `ranges` has the autoscaled stages."""
    targets = {name: hosts(topology, name) for name in topology.started if name not in ranges}
    discovered = {pods_service(name): DEFAULT_PORT for name in ranges}
    maps = {folder: f"grafana-{folder.replace('/', '-')}" for folder in sorted({_folder(path) for path in grafana})}
    generated = [
        {"name": "jaeger", "files": ["jaeger/config.yaml"]},
        {"name": "prometheus", "files": ["prometheus/prometheus.yml", "prometheus/rules.yml"]},
        *(
            {"name": name, "files": [f"grafana/{path}" for path in sorted(grafana) if _folder(path) == folder]}
            for folder, name in maps.items()
        ),
    ]
    listed = [*(f"{name}.yaml" for name in OBSERVERS), "networkpolicy.yaml"]
    kustomization = kustomization_of(listed, dns_label(topology.name))
    files = {
        "kustomization.yaml": as_yaml(kustomization | {"configMapGenerator": generated}),
        "jaeger.yaml": documents(_jaeger()),
        "prometheus.yaml": documents(_prometheus()),
        "grafana.yaml": documents(_grafana(maps)),
        "networkpolicy.yaml": documents(observer_policies(STAGE, OBSERVER)),
        "jaeger/config.yaml": jaeger_config(PROMETHEUS_URL),
        "prometheus/prometheus.yml": prometheus_config(targets, JAEGER_METRICS, ["rules.yml"], discovered=discovered),
        "prometheus/rules.yml": rules_text(topology),
        **{f"grafana/{path}": text for path, text in grafana.items()},
    }
    return {f"observability/{path}": text for path, text in files.items()}


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _jaeger() -> list[Manifest]:
    ports = {"query": DEFAULT_PORTS.query, "otlp": DEFAULT_PORTS.otlp_http, "metrics": DEFAULT_PORTS.span_metrics}
    container = {
        "image": JAEGER_IMAGE,
        "args": ["--config", "file:/etc/jaeger/config.yaml"],
        "resources": resources(128, 2048),
        "volumeMounts": [{"name": "config", "mountPath": "/etc/jaeger", "readOnly": True}],
    }
    return _observer("jaeger", ports, container, {"config": {"configMap": {"name": "jaeger"}}}, USER)


def _prometheus() -> list[Manifest]:
    container = {
        "image": PROMETHEUS_IMAGE,
        "args": list(PROMETHEUS_FLAGS),
        "readinessProbe": probe("/-/ready", period=5, failures=3),
        "resources": resources(256, 1024),
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/prometheus", "readOnly": True},
            {"name": "data", "mountPath": "/prometheus"},
        ],
    }
    volumes: dict[str, Manifest] = {"config": {"configMap": {"name": "prometheus"}}, "data": empty_volume()}
    return _observer("prometheus", {"http": 9090}, container, volumes, _PROMETHEUS_USER)


def _grafana(maps: Mapping[str, str]) -> list[Manifest]:
    """Return Grafana's manifests; `maps` are the ConfigMaps with its files, {folder: name}."""
    container: Manifest = {
        "image": GRAFANA_IMAGE,
        "env": [{"name": name, "value": value} for name, value in GRAFANA_ENVIRONMENT.items()],
        "readinessProbe": probe("/api/health", period=5, failures=3),
        "resources": resources(128, 512),
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/grafana"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in a container
            *({"name": name, "mountPath": _in_grafana(folder), "readOnly": True} for folder, name in maps.items()),
        ],
    }
    volumes: dict[str, Manifest] = {name: {"configMap": {"name": name}} for name in maps.values()}
    volumes |= {"data": empty_volume(), "tmp": empty_volume()}
    return _observer("grafana", {"http": 3000}, container, volumes, _GRAFANA_USER)


def _in_grafana(folder: str) -> str:
    top, *rest = PurePosixPath(folder).parts
    return "/".join([GRAFANA_FOLDERS[top], *rest])


def _observer(
    name: str, ports: Mapping[str, int], container: Manifest, volumes: Mapping[str, Manifest], user: int
) -> list[Manifest]:
    """Return the service and the single pod of one part of the observability stack."""
    pod = {
        **pod_defaults(user),
        "containers": [
            {
                "name": name,
                "ports": [{"name": key, "containerPort": port} for key, port in ports.items()],
                "securityContext": confined(),
                **container,
            }
        ],
        "volumes": [{"name": key, **volume} for key, volume in volumes.items()],
    }
    spec = {"replicas": 1, "strategy": {"type": "Recreate"}, **pods_of(name, OBSERVER, pod)}
    return [service_of(name, OBSERVER, ports), workload("Deployment", name, OBSERVER, spec)]
