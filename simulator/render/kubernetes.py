"""A topology as pods: a kustomize base, an overlay for the Prometheus operator, and the observability stack.

A stage of several instances is a StatefulSet, so that each has a number and a name, which faults, logs and callers use;
the pods of a Deployment have neither. It needs Kubernetes 1.31 or later, to count them from 1.

A stage whose instances are a range is a Deployment with a HorizontalPodAutoscaler behind one Service: its pods come and
go, and have no numbers. There is no CPU limit: throttling would look like a delay that nobody configured.

Stages that share a pod have a Service each, at the stage's own port.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from simulator.errors import ConfigurationError, Problem
from simulator.render.containers import IMAGE, as_yaml, in_containers
from simulator.render.kubernetes_observability import OBSERVERS, observability
from simulator.render.kubernetes_pod import stage_pod
from simulator.render.manifests import (
    OBSERVER,
    STAGE,
    Manifest,
    Ranges,
    documents,
    kustomization_of,
    labels_of,
    pods_of,
    pods_service,
    port_name,
    service_of,
    workload,
)
from simulator.render.network_policies import operator_policy, stage_policies
from simulator.render.packing import Packed, grace_seconds, pack, port_of
from simulator.topology.addresses import DEFAULT_PORT
from simulator.topology.model import Role, Topology
from simulator.topology.names import dns_label, host_name
from simulator.topology.quantities import Instances
from simulator.topology.reader import write_topology

_BUSY_PERCENT = 70  # of a pod's CPU request
_HEAD = """\
# Rendered from a topology by `web-service-simulator render kubernetes`: change the topology, and render again.
#
#   docker build --file {dockerfile} --tag {image} {repository}      then load or push it
#   kubectl apply --server-side -k .          the stages, Jaeger, Prometheus and Grafana; `-k base` the stages alone
#   kubectl -n {namespace} port-forward service/grafana 3000
#
# With the Prometheus operator: `kubectl apply -k overlays/podmonitor`. Where the cluster's network enforces policies,
# stages talk to stages, Prometheus scrapes, entries can be reached, and all other traffic is blocked.
"""
_NEEDS_METRICS = """\
# The autoscaler gets the pods' CPU usage from metrics-server, which not every cluster has: without it `kubectl top
# pods` fails, and the number of pods stays at the range's minimum, whatever the load.
"""


def kubernetes_files(
    topology: Topology,
    grafana: Mapping[str, str] | None = None,
    processes: int | None = None,
    *,
    repository: str = "..",
) -> dict[str, str]:
    """Return the files of the base, its overlay and the observability stack, {path: text}.

    `grafana` are the files of the folder of that name, {path in it: text}; without them Grafana starts empty. The
    stages that can share a pod are in `processes` of them; None means a pod for each. `repository` is the relative path
    from the files to the project's folder. Raise ConfigurationError for a topology that can't run in pods.
    """
    addressed, packed = pack(in_containers(topology, OBSERVERS), processes)
    contained, ranges = _without_ranges(addressed)
    _check_services(contained, ranges)
    head = _HEAD.format(
        image=IMAGE,
        namespace=dns_label(topology.name),
        dockerfile=shlex.quote(f"{repository}/deploy/Dockerfile"),
        repository=shlex.quote(repository),
    )
    return {
        "kustomization.yaml": head + as_yaml(kustomization_of(["base", "observability"])),
        **_base(contained, packed, ranges),
        "overlays/podmonitor/kustomization.yaml": as_yaml(
            kustomization_of(["../../base", "podmonitor.yaml", "networkpolicy.yaml"], dns_label(topology.name))
        ),
        "overlays/podmonitor/networkpolicy.yaml": documents([operator_policy(STAGE, packed)]),
        "overlays/podmonitor/podmonitor.yaml": as_yaml(_pod_monitor(max(map(len, packed.values())))),
        **observability(contained, ranges, grafana or {}),
    }


def _without_ranges(topology: Topology) -> tuple[Topology, Ranges]:
    """Return the topology with one instance of each stage that an autoscaler scales, and their ranges."""
    ranges = {
        name: (stage.instances, stage.max_instances)
        for name, stage in topology.stages.items()
        if stage.max_instances is not None
    }
    single = {name: replace(topology.stages[name], instances=Instances(1), max_instances=None) for name in ranges}
    return replace(topology, stages={**topology.stages, **single}), ranges


def _check_services(topology: Topology, ranges: Ranges) -> None:
    """Raise ConfigurationError for a stage whose service is called like the one by which a range's pods are found."""
    of_pods = {pods_service(name): name for name in ranges}
    if problems := [
        Problem(f"stages.{name}: the name is reserved: by it Prometheus finds the pods of {of}", topology.name)
        for name in topology.stages
        if (of := of_pods.get(host_name(name)))
    ]:
        raise ConfigurationError(problems)


def _base(topology: Topology, packed: Packed, ranges: Ranges) -> dict[str, str]:
    graces = grace_seconds(topology, packed)
    stages = {
        f"stages/{pod}.yaml": (_NEEDS_METRICS if names[0] in ranges else "")
        + documents(_scaled(_stages(topology, pod, names, graces[pod]), names[0], ranges))
        for pod, names in packed.items()
    }
    kustomization = kustomization_of(["namespace.yaml", "networkpolicy.yaml", *stages], dns_label(topology.name)) | {
        "labels": [{"pairs": {"app.kubernetes.io/part-of": topology.name}, "includeTemplates": True}],
        "configMapGenerator": [{"name": "topology", "files": ["topology.yaml"]}],
    }
    files = {
        "kustomization.yaml": as_yaml(kustomization),
        "namespace.yaml": as_yaml(_namespace(dns_label(topology.name))),
        "networkpolicy.yaml": documents(stage_policies(topology, packed, STAGE, OBSERVER)),
        "topology.yaml": write_topology(topology),
        **stages,
    }
    return {f"base/{path}": text for path, text in files.items()}


def _namespace(name: str) -> Manifest:
    """Return the namespace, which admits only pods that the strictest security profile allows."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _stages(topology: Topology, pod: str, names: Sequence[str], grace: int) -> list[Manifest]:
    """Return the services of the stages of a pod, and the workload of that name."""
    if len(names) == 1:
        return _stage(topology, names[0], grace)
    services = [_shared_service(topology, name, pod) for name in names]
    spec = {"replicas": 1, "strategy": {"type": "RollingUpdate"}}
    pods = pods_of(pod, STAGE, stage_pod(topology, names, grace))
    return [*services, workload("Deployment", pod, STAGE, {**spec, **pods})]


def _shared_service(topology: Topology, name: str, pod: str) -> Manifest:
    """Return the service of one of a pod's stages. It is annotated, since a pod can announce only one port."""
    port = port_of(topology, name)
    service = service_of(host_name(name), STAGE, {port_name(port): port}, of=pod)
    service["metadata"]["annotations"] = _scraped(port)
    return service


def _scraped(port: int) -> dict[str, str]:
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": "/metrics"}


def _stage(topology: Topology, name: str, grace: int) -> list[Manifest]:
    stage, host = topology.stages[name], host_name(name)
    several = stage.instances > 1
    # Each pod of a headless service is found by its own name, ready or not: callers decide whether to eject it.
    service = service_of(host, STAGE, {"http": DEFAULT_PORT})
    if several:
        service["spec"] |= {"clusterIP": "None", "publishNotReadyAddresses": True}
        own = {"serviceName": host, "podManagementPolicy": "Parallel", "ordinals": {"start": 1}}
    else:
        # Two injectors during an update would be twice the load.
        own = {"strategy": {"type": "Recreate" if stage.role is Role.INJECTOR else "RollingUpdate"}}
    spec = {"replicas": stage.instances, **own, **pods_of(host, STAGE, stage_pod(topology, [name], grace))}
    spec["template"]["metadata"]["annotations"] = _scraped(DEFAULT_PORT)
    return [service, workload("StatefulSet" if several else "Deployment", host, STAGE, spec)]


def _scaled(manifests: list[Manifest], name: str, ranges: Ranges) -> list[Manifest]:
    """Return a stage's manifests with an autoscaler, and a service by which Prometheus finds each pod."""
    if name not in ranges:
        return manifests
    (min_replicas, max_replicas), host = ranges[name], host_name(name)
    for manifest in manifests:
        manifest["spec"].pop("replicas", None)
    pods = service_of(pods_service(name), STAGE, {"http": DEFAULT_PORT})
    # Ready or not: a pod that is busy or still starting is measured, too.
    pods["spec"] |= {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": labels_of(host, STAGE)}
    target = {"type": "Utilization", "averageUtilization": _BUSY_PERCENT}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": host, "labels": labels_of(host, STAGE)},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": host},
            "minReplicas": min_replicas,
            "maxReplicas": max_replicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }
    return [*manifests, pods, scaler]


def _pod_monitor(stages: int) -> Manifest:
    """Return the monitor of all pods, the largest of which has this many stages."""
    endpoints = [
        {
            "port": port_name(port),
            "path": "/metrics",
            "interval": "5s",
            "relabelings": [{"targetLabel": "job", "replacement": "stages"}],  # as in the rules
        }
        for port in range(DEFAULT_PORT, DEFAULT_PORT + stages)
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "stages"},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/component": STAGE}},
            "podMetricsEndpoints": endpoints,
        },
    }
