"""The allowed traffic in Kubernetes: stages to stages, Prometheus to its targets, and nothing else.

Policies only ever admit more. A URL that a stage is given beside its topology, or a collector other than the Jaeger
rendered here, needs a policy of the user's own. `kubectl port-forward` and the probes of a node's own kubelet come from
the pod's own machine, which policies do not block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulator.render.jaeger import DEFAULT_PORTS
from simulator.render.manifests import Manifest, labels_of
from simulator.render.packing import Packed, port_of
from simulator.topology.addresses import DEFAULT_PORT, port_of_url
from simulator.topology.graph import edges, entries
from simulator.topology.model import Topology

_NAME, _COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
_DNS = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}
_PROMETHEUS_PORT = 9090


def stage_policies(topology: Topology, packed: Packed, stage: str, observability: str) -> list[Manifest]:
    """Return the policies of the stages; `stage` and `observability` are the component labels of the pods."""
    stages = _pods({_COMPONENT: stage})
    prometheus = _pods(labels_of("prometheus", observability))
    jaeger = _pods(labels_of("jaeger", observability))
    port = _stage_ports(packed)
    among = {
        "ingress": [{"from": [stages, prometheus], "ports": [port]}],
        "egress": [{"to": [stages], "ports": [port]}, _to([jaeger], DEFAULT_PORTS.otlp_http), _DNS],
    }
    return [
        _policy("stages", {"matchLabels": {_COMPONENT: stage}}, among),
        *(_inlet(name, pods, ports) for name, (pods, ports) in _inlets(topology, packed).items()),
        *_outlets(topology, packed),
    ]


def _outlets(topology: Topology, packed: Packed) -> list[Manifest]:
    """Return the policies for calls of external services at a URL, wherever they are: their ports, for each caller."""
    found = []
    for pod, names in packed.items():
        called = [topology.stages[to] for caller, to in edges(topology.stages) if caller in names]
        ports = sorted({port_of_url(stage.url) for stage in called if stage.url is not None})
        if ports:
            egress = {"egress": [{"ports": [{"port": port} for port in ports]}]}
            found.append(_policy(f"external-of-{pod}", {"matchLabels": {_NAME: pod}}, egress))
    return found


def _inlets(topology: Topology, packed: Packed) -> dict[str, tuple[list[str], list[int]]]:
    """Return the policies for entries, {name: (pods, ports)}: one for all that listen on 8080 and share no pod."""
    inlets = frozenset(entries(topology))
    alone = [name for name, names in packed.items() if len(names) == 1 and not inlets.isdisjoint(names)]
    found = {"entries": (alone, [DEFAULT_PORT])} if alone else {}
    for pod, names in packed.items():
        if len(names) > 1 and (ports := [port_of(topology, name) for name in names if name in inlets]):
            found[f"entries-of-{pod}"] = ([pod], ports)
    return found


def _inlet(name: str, pods: list[str], ports: list[int]) -> Manifest:
    selector = {"matchExpressions": [{"key": _NAME, "operator": "In", "values": pods}]}
    return _policy(name, selector, {"ingress": [{"ports": [{"port": port} for port in ports]}]})


def _stage_ports(packed: Packed) -> Manifest:
    """Return the ports of all stages, from 8080 to the last one of the pod with the most."""
    last = DEFAULT_PORT + max(map(len, packed.values())) - 1
    return {"port": DEFAULT_PORT} | ({"endPort": last} if last > DEFAULT_PORT else {})


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


def operator_policy(stage: str, packed: Packed) -> Manifest:
    """Return the policy that lets the Prometheus of an operator, whatever namespace it is in, scrape the stages."""
    anywhere = {"namespaceSelector": {}, **_pods({_NAME: "prometheus"})}
    rules = {"ingress": [{"from": [anywhere], "ports": [_stage_ports(packed)]}]}
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
