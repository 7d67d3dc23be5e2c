"""The objectives of stages and operations, as Prometheus' rules.

For each there are alerts on the burn rate of its error budget, over both a long and a short window (Beyer et al., "The
Site Reliability Workbook", 2018, chapter 5): the long one shows that it matters, the short one that it has not stopped.
The factors are those for a budget of 30 days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from simulator.render.series import checked
from simulator.telemetry.catalogue import metrics
from simulator.topology.model import Operation, Topology
from simulator.topology.objectives import LatencyObjective, Slo

_MESSAGES, _HTTP = metrics.MESSAGES.exposed, metrics.HTTP_DURATION.exposed
_HOUR = 3600.0
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))
_BAD = "failed|faulted|rejected"
# The name of a recorded ratio, by its window in seconds and its level.
RatioOf = Callable[[float, str], str]


@dataclass(frozen=True)
class Burn:
    """A budget that burns `factor` times as fast as allowed, over both windows, in seconds."""

    severity: str
    factor: float
    long_seconds: float
    short_seconds: float


BURNS = (
    Burn("page", 14.4, _HOUR, _HOUR / 12),
    Burn("page", 6, 6 * _HOUR, _HOUR / 2),
    Burn("ticket", 3, 24 * _HOUR, 2 * _HOUR),
    Burn("ticket", 1, 72 * _HOUR, 6 * _HOUR),
)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """An alert of an objective."""

    name: str
    expression: str
    severity: str
    summary: str


def window(seconds: float, scale: float = 1.0) -> str:
    """Return a window as Prometheus reads it: 5m, 90s, 250ms."""
    milliseconds = max(1, round(seconds * scale * 1000))
    size, unit = next((size, unit) for size, unit in _UNITS if milliseconds % size == 0)
    return f"{milliseconds // size}{unit}"


def _windows() -> list[float]:
    return sorted({seconds for burn in BURNS for seconds in (burn.short_seconds, burn.long_seconds)})


def recorded(topology: Topology, scale: float) -> Iterator[dict[str, Any]]:
    """Yield the recording rules: the shares of what failed, and of what was slower than its objective."""
    for seconds in _windows():
        span = window(seconds, scale)
        bad = f'sum by (stage) (rate({_MESSAGES}{{outcome=~"{_BAD}"}}[{span}]))'
        every = f'sum by (stage) (rate({_MESSAGES}{{outcome!="invalid"}}[{span}]))'
        yield {"record": error_ratio(seconds, "stage"), "expr": checked(f"{bad} / {every}")}
    objectives = list(_all_objectives(topology))
    if any(objective.operation and objective.slo.errors_ratio for objective in objectives):
        yield from _errors_of_operations(scale)
    for objective in objectives:
        if objective.slo.latency is not None:
            yield from _slowness(objective, objective.slo.latency, scale)


def _errors_of_operations(scale: float) -> Iterator[dict[str, Any]]:
    for seconds in _windows():
        span = window(seconds, scale)
        bad = f'rate({_MESSAGES}{{operation!="",outcome=~"{_BAD}"}}[{span}])'
        every = f'rate({_MESSAGES}{{operation!="",outcome!="invalid"}}[{span}])'
        share = f"sum by (stage, operation) ({bad}) / sum by (stage, operation) ({every})"
        yield {"record": error_ratio(seconds, "operation"), "expr": checked(share)}


def _slowness(objective: _Objective, latency: LatencyObjective, scale: float) -> Iterator[dict[str, Any]]:
    for seconds in _windows():
        span, le = window(seconds, scale), repr(float(latency.seconds))  # as the client library writes it
        quick = f'rate({_HTTP}_bucket{{{objective.requests},le="{le}"}}[{span}])'
        every = f"rate({_HTTP}_count{{{objective.requests}}}[{span}])"
        share = f"1 - sum by (stage) ({quick}) / sum by (stage) ({every})"
        rule: dict[str, Any] = {"record": slow_ratio(seconds, objective.level), "expr": checked(share)}
        # The requests' metric has no operation.
        yield rule | ({"labels": {metrics.OPERATION: objective.operation}} if objective.operation else {})


def error_ratio(seconds: float, level: str) -> str:
    """Return the name of the recorded share of failed messages, by stage or by operation, over a window."""
    return f"{level}:error_ratio:rate{window(seconds)}"


def slow_ratio(seconds: float, level: str) -> str:
    """Return the name of the recorded share of requests slower than their objective, over a window."""
    return f"{level}:slow_ratio:rate{window(seconds)}"


@dataclass(frozen=True, kw_only=True)
class _Objective:
    """The objectives of an operation, or of a stage that has none (`operation` is "")."""

    stage: str
    operation: str
    model: Operation
    slo: Slo

    @property
    def level(self) -> str:
        return "operation" if self.operation else "stage"

    @property
    def title(self) -> str:
        return f"{self.stage}.{self.operation}" if self.operation else self.stage

    @property
    def selector(self) -> str:
        """Return the labels of what is recorded."""
        return f'stage="{self.stage}"' + (f',operation="{self.operation}"' if self.operation else "")

    @property
    def requests(self) -> str:
        """Return the labels of its requests."""
        route = f',http_route="{self.model.path}"' if self.operation else ""
        return f'stage="{self.stage}",http_request_method="{self.model.method}"{route}'

    def promises(self) -> Iterator[tuple[str, RatioOf, float, str]]:
        """Yield each alert with the recorded ratio, the ratio that is allowed, and the promise in words."""
        if self.slo.errors_ratio:
            yield "ErrorBudgetBurns", error_ratio, self.slo.errors_ratio, f"errors under {self.slo.errors_ratio:.4%}"
        if self.slo.latency is not None:
            yield "LatencyBudgetBurns", slow_ratio, 1 - self.slo.latency.ratio, str(self.slo.latency)


def _all_objectives(topology: Topology) -> Iterator[_Objective]:
    for name, stage in topology.started.items():
        for operation, model in stage.all_operations.items():
            if model.slo is not None:
                yield _Objective(stage=name, operation=operation, model=model, slo=model.slo)


def alerts(topology: Topology) -> Iterator[Alert]:
    """Yield the alerts: for each objective one of each severity."""
    for objective in _all_objectives(topology):
        for name, ratio_of, allowed, promise in objective.promises():
            for severity in dict.fromkeys(burn.severity for burn in BURNS):
                burns = [burn for burn in BURNS if burn.severity == severity]
                yield Alert(
                    name=name,
                    expression=" or ".join(_burning(objective, ratio_of, allowed, burn) for burn in burns),
                    severity=severity,
                    summary=f"{objective.title} misses its objective: {promise}",
                )


def _burning(objective: _Objective, ratio_of: RatioOf, allowed: float, burn: Burn) -> str:
    """Return the expression for a budget that burns over both windows."""
    limit = f"{{{objective.selector}}} > {burn.factor * allowed:.9g}"
    over_both = (ratio_of(seconds, objective.level) for seconds in (burn.long_seconds, burn.short_seconds))
    return f"({' and '.join(f'{ratio}{limit}' for ratio in over_both)})"
