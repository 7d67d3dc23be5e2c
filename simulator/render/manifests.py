"""The common parts of the Kubernetes manifests, of the stages and of the observability stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from simulator.render.containers import QuotingDumper
from simulator.render.packing import port_of
from simulator.topology.addresses import DEFAULT_PORT
from simulator.topology.model import Topology
from simulator.topology.names import host_name

Manifest = dict[str, Any]
Ranges = Mapping[str, tuple[int, int]]
# The labels of the stages' pods, and of the observability stack's.
STAGE = "stage"
OBSERVER = "observability"


def kustomization_of(resources: Sequence[str], namespace: str | None = None) -> Manifest:
    """Return a kustomization of resources, all in the namespace if there is one."""
    where = {"namespace": namespace} if namespace else {}
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return {**kind, **where, "resources": list(resources)}


def service_of(name: str, component: str, ports: Mapping[str, int], of: str | None = None) -> Manifest:
    """Return a service in front of the pods of a component, or of those called `of`."""
    listed = [{"name": key, "port": port, "targetPort": key} for key, port in ports.items()]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels_of(name, component)},
        "spec": {"selector": labels_of(of or name, component), "ports": listed},
    }


def workload(kind: str, name: str, component: str, spec: Manifest) -> Manifest:
    """Return the workload that keeps the pods of a component running."""
    metadata = {"name": name, "labels": labels_of(name, component)}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def pods_of(name: str, component: str, pod: Manifest) -> Manifest:
    """Return a workload's pod selector and pod template."""
    return {
        "selector": {"matchLabels": labels_of(name, component)},
        "template": {"metadata": {"labels": labels_of(name, component)}, "spec": pod},
    }


def labels_of(name: str, component: str) -> dict[str, str]:
    """Return the labels that identify the pods of a component."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": component}


def pod_defaults(user: int) -> Manifest:
    """Return the defaults of every pod, which runs as `user`."""
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


def confined() -> Manifest:
    """Return the security context of a container: no privileges."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def probe(path: str, period: int, failures: int) -> Manifest:
    """Return a probe that a container must answer every `period` seconds."""
    request = {"path": path, "port": "http"}
    return {"httpGet": request, "periodSeconds": period, "timeoutSeconds": 3, "failureThreshold": failures}


def resources(request_mebibytes: int, limit_mebibytes: int, request_millicores: int = 50) -> Manifest:
    """Return a container's requests, and its memory limit."""
    requests = {"cpu": f"{request_millicores}m", "memory": f"{request_mebibytes}Mi"}
    return {"requests": requests, "limits": {"memory": f"{limit_mebibytes}Mi"}}


def empty_volume() -> Manifest:
    """Return a volume that is empty at first and is deleted with its pod."""
    return {"emptyDir": {}}


class _WithoutAliases(QuotingDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def documents(manifests: Sequence[Manifest]) -> str:
    """Return manifests as one YAML file of separate documents, without aliases between them."""
    return str(yaml.dump_all(manifests, Dumper=_WithoutAliases, sort_keys=False, width=120))


def port_name(port: int) -> str:
    """Return the name of a pod's port; each stage in it has one."""
    return "http" if port == DEFAULT_PORT else f"http-{port}"


def hosts(topology: Topology, name: str) -> list[str]:
    """Return the addresses of a stage's instances, HOST:PORT."""
    instances = topology.stages[name].instances
    if instances == 1:
        return [f"{host_name(name)}:{port_of(topology, name)}"]
    return [f"{pod_host(name, number)}:{DEFAULT_PORT}" for number in range(1, instances + 1)]


def pods_service(name: str) -> str:
    """Return the service by which Prometheus finds the pods of a stage under an autoscaler."""
    return f"{host_name(name)}-pods"


def pod_host(name: str, number: int) -> str:
    """Return the host of an instance of a stage: a pod of a StatefulSet within its headless service."""
    return f"{host_name(name)}-{number}.{host_name(name)}"
