"""The series that a stage really has, taken from its metrics, so that no rule or panel can name another."""

from __future__ import annotations

import re
from functools import cache

from prometheus_client import CollectorRegistry

from simulator.telemetry.clock import SystemClock
from simulator.telemetry.metrics import Metrics

_NAME = re.compile(r"\b(?:simulator|http_server)_\w+")
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}
# The gauges that a stage adds when it is assembled, because only a whole stage knows their values.
GAUGES = (
    "simulator_in_flight",
    "simulator_workers",
    "simulator_workers_busy",
    "simulator_queue_depth",
    "simulator_queue_capacity",
    "simulator_breakers_open",
)


class UnknownSeries(ValueError):
    """Raised when an expression names a series that no stage has."""


@cache
def stage_series() -> frozenset[str]:
    """Return the names of all series of a stage, as expressions use them."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, "stage", "processor", "/messages", SystemClock(), ("other",))
    for name in GAUGES:
        metrics.add_gauge(name, name, lambda: 0.0)
    metrics.set_info(version="", seed="", delay="")
    return frozenset(
        f"{family.name}{suffix}" for family in registry.collect() for suffix in _SUFFIXES.get(family.type, ("",))
    )


def checked(expression: str) -> str:
    """Return a PromQL expression unchanged. Raise UnknownSeries if it names a series of ours that no stage has."""
    unknown = sorted(set(_NAME.findall(expression)) - stage_series())
    if unknown:
        raise UnknownSeries(f"no stage has the series {', '.join(unknown)}, named in {expression}")
    return expression
