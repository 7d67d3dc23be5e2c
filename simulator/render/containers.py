"""A topology in containers, whatever runs them: images, addresses, and a stage's command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import yaml

from simulator import __version__
from simulator.behaviour.distributions import Delay
from simulator.errors import ConfigurationError, Problem
from simulator.render.jaeger import DEFAULT_PORTS
from simulator.topology.addresses import DEFAULT_PORT, base_path, url_of
from simulator.topology.graph import calls_of, headers_of
from simulator.topology.model import Stage, Topology
from simulator.topology.names import host_name
from simulator.topology.scalars import CoreDumper
from simulator.topology.steps import Pause
from simulator.topology.walking import all_steps

IMAGE = f"web-service-simulator:{__version__}"
JAEGER_IMAGE = "jaegertracing/jaeger:2.20.0"
PROMETHEUS_IMAGE = "prom/prometheus:v3.14.0"
GRAFANA_IMAGE = "grafana/grafana:13.2.2"
LOKI_IMAGE = "grafana/loki:3.7.6"
ALLOY_IMAGE = "grafana/alloy:v1.18.1"
K6_IMAGE = "grafana/k6:2.1.0"
LOCUST_IMAGE = "locustio/locust:2.46.6"

USER = 10001
TOPOLOGY_FILE = "/etc/simulator/topology.yaml"
OTLP_ENDPOINT = f"http://jaeger:{DEFAULT_PORTS.otlp_http}"
PROMETHEUS_URL = "http://prometheus:9090"
JAEGER_METRICS = f"jaeger:{DEFAULT_PORTS.span_metrics}"
PROMETHEUS_FLAGS = (
    "--config.file=/etc/prometheus/prometheus.yml",
    "--storage.tsdb.path=/prometheus",
    "--enable-feature=exemplar-storage",
)
# Anybody who can reach it may read everything and change nothing; Explore, where an exemplar's trace opens, needs the
# permission to edit without saving.
GRAFANA_ENVIRONMENT = {
    "GF_AUTH_ANONYMOUS_ENABLED": "true",
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    "GF_AUTH_BASIC_ENABLED": "false",
    "GF_AUTH_DISABLE_LOGIN_FORM": "true",
    "GF_USERS_VIEWERS_CAN_EDIT": "true",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
}
# Where in its container the folders of `grafana/` are.
GRAFANA_FOLDERS = {"provisioning": "/etc/grafana/provisioning", "dashboards": "/var/lib/grafana/dashboards"}


def in_containers(topology: Topology, others: tuple[str, ...]) -> Topology:
    """Return the topology without its stages' addresses, because they are found by their host names.

    Raise ConfigurationError for stages with the host name of one of `others`, and for those that need a file.
    """
    problems = [
        Problem(f"stages.{name}: {message}", topology.name)
        for name, stage in topology.stages.items()
        for message in _obstacles(name, stage, others)
    ]
    if problems:
        raise ConfigurationError(problems)
    stages = {name: replace(stage, host=None, port=None) for name, stage in topology.stages.items()}
    return replace(topology, stages=stages)


def _obstacles(name: str, stage: Stage, others: tuple[str, ...]) -> Iterator[str]:
    if host_name(name) in others:
        yield f"the name is reserved: in containers {', '.join(others)} run beside the stages"
    for key in ("input", "output"):
        if getattr(stage, key) is not None:
            yield f"{key} is a file, which a container does not have; leave it out"
    if any("samples(" in str(delay) for delay in _delays(stage)):
        yield "samples(FILE) needs a file, which a container does not have; write its percentiles(...)"


def _delays(stage: Stage) -> Iterator[Delay]:
    """Yield the delays of a stage: those of its operations, and those between their calls."""
    for operation in stage.all_operations.values():
        yield operation.delay
        yield from (step.delay for _, step in all_steps(operation.calls) if isinstance(step, Pause))


def stage_arguments(names: Sequence[str]) -> list[str]:
    """Return the command line of a container's stages.

    No port: each listens on its own in the topology, or else on 8080.
    """
    chosen = [argument for name in names for argument in ("--stage", name)]
    return ["stage", "--topology", TOPOLOGY_FILE, *chosen, "--host", "0.0.0.0"]  # noqa: S104 - in a container


def header_variables(topology: Topology, names: Sequence[str]) -> list[str]:
    """Return the environment variables in the headers of the stages' calls; the user provides their values."""
    headers = (headers for name in names for _, headers in headers_of(topology.stages[name]))
    return list(dict.fromkeys(variable for one in headers for variable in one.variables))


def downstream_urls(topology: Topology, callers: Sequence[str], host_of: Callable[[str, int], str]) -> str:
    """Return the URLs that callers need: those of stages with several instances; `host_of(name, number)` is a host.

    All other stages are found by their host names.
    """
    called = dict.fromkeys(call.to for caller in callers for _, call in calls_of(topology.stages[caller]))
    return ",".join(
        f"{name}={url_of(host_of(name, number), DEFAULT_PORT, base_path(topology.stages[name]))}"
        for name in called
        if topology.stages[name].instances > 1
        for number in range(1, topology.stages[name].instances + 1)
    )


class QuotingDumper(yaml.SafeDumper):
    """Quote text, such as a stage's name, that any version of YAML takes for a number or a boolean."""

    yaml_implicit_resolvers = CoreDumper.yaml_implicit_resolvers


def as_yaml(value: Any) -> str:
    """Return YAML with the keys in their order."""
    return str(yaml.dump(value, Dumper=QuotingDumper, sort_keys=False, width=120))
