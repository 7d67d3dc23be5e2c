"""The allowed traffic in Kubernetes: stages to stages, Prometheus to its targets, and nothing else.

Policies only ever admit more. Calls to a URL outside the topology, or a collector other than the Jaeger rendered here,
need a policy of the user's own. `kubectl port-forward` and the probes of a node's own kubelet come from the pod's own
machine, which policies do not block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulator.render.jaeger import DEFAULT_PORTS
from simulator.render.manifests import Manifest, labels_of
from simulator.topology.addresses import DEFAULT_PORT
from simulator.topology.graph import entries
from simulator.topology.model import Topology

_NAME, _COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
_DNS = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}
_PROMETHEUS_PORT = 9090


def stage_policies(topology: Topology, stage: str, observability: str) -> list[Manifest]:
    """Return the policies of the stages; `stage` and `observability` are the component labels of the pods."""
    stages = _pods({_COMPONENT: stage})
    prometheus = _pods(labels_of("prometheus", observability))
    jaeger = _pods(labels_of("jaeger", observability))
    among = {
        "ingress": [_from([stages, prometheus], DEFAULT_PORT)],
        "egress": [_to([stages], DEFAULT_PORT), _to([jaeger], DEFAULT_PORTS.otlp_http), _DNS],
    }
    inlets = {"matchExpressions": [{"key": _NAME, "operator": "In", "values": list(entries(topology))}]}
    return [
        _policy("stages", {"matchLabels": {_COMPONENT: stage}}, among),
        _policy("entries", inlets, {"ingress": [{"ports": [{"port": DEFAULT_PORT}]}]}),
    ]


def observer_policies(stage: str, observability: str) -> list[Manifest]:
    """Return the policies of the observability stack: each part answers only its own clients."""
    stages = _pods({_COMPONENT: stage})
    jaeger, prometheus, grafana = (
        _pods(labels_of(name, observability)) for name in ("jaeger", "prometheus", "grafana")
    )
    ingress = {
        "jaeger": [
            _from([stages], DEFAULT_PORTS.otlp_http),
            _from([prometheus], DEFAULT_PORTS.span_metrics),
            _from([grafana], DEFAULT_PORTS.query),
        ],
        "prometheus": [_from([jaeger, grafana], _PROMETHEUS_PORT)],
        "grafana": [],
    }
    return [
        _policy(name, {"matchLabels": labels_of(name, observability)}, {"ingress": rules})
        for name, rules in ingress.items()
    ]


def operator_policy(stage: str) -> Manifest:
    """Return the policy that lets the Prometheus of an operator, whatever namespace it is in, scrape the stages."""
    anywhere = {"namespaceSelector": {}, **_pods({_NAME: "prometheus"})}
    rules = {"ingress": [_from([anywhere], DEFAULT_PORT)]}
    return _policy("scraped-by-operator", {"matchLabels": {_COMPONENT: stage}}, rules)


def _pods(labels: Mapping[str, str]) -> Manifest:
    return {"podSelector": {"matchLabels": dict(labels)}}


def _from(peers: Sequence[Manifest], port: int) -> Manifest:
    return {"from": list(peers), "ports": [{"port": port}]}


def _to(peers: Sequence[Manifest], port: int) -> Manifest:
    return {"to": list(peers), "ports": [{"port": port}]}


def _policy(name: str, selector: Manifest, rules: Mapping[str, Sequence[Manifest]]) -> Manifest:
    """Return a policy; in the directions that `rules` name, it blocks everything that they do not admit."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {
            "podSelector": selector,
            "policyTypes": [direction.capitalize() for direction in rules],
            **{direction: list(admitted) for direction, admitted in rules.items()},
        },
    }
