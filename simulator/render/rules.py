"""Prometheus' rules for a topology: recorded series, and alerts.

For each objective of a stage there are alerts on the burn rate of its error budget, over both a long and a short window
(Beyer et al., "The Site Reliability Workbook", 2018, chapter 5): the long one shows that it matters, the short one that
it has not stopped. The factors are those for a budget of 30 days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from simulator.render.series import checked
from simulator.telemetry.catalogue import metrics
from simulator.topology.model import Stage, Topology

_MESSAGES, _HTTP = metrics.MESSAGES.exposed, metrics.HTTP_DURATION.exposed
_BUSY, _WORKERS, _QUEUE_DEPTH = metrics.WORKERS_BUSY.exposed, metrics.WORKERS.exposed, metrics.QUEUE_DEPTH.exposed
_HOUR = 3600.0
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))
_BAD = "failed|faulted|rejected"


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
# What to do about each alert, in a paragraph that comes with it.
RUNBOOK = {
    "ErrorBudgetBurns": (
        "More messages of this stage fail, or are rejected, than allowed. Look at the outcomes on the Stage "
        "dashboard: `faulted` is an injected fault (fault.injected in the log says which), `rejected` "
        "is a full queue or a limit, `failed` is genuine. Then open a trace of such a message from an exemplar: "
        "the failure began at the lowest span with an error."
    ),
    "LatencyBudgetBurns": (
        "More requests of this stage are slower than its objective allows. The waterfall on the Pipeline "
        "dashboard says where the time goes: waiting for a worker calls for more workers or instances, processing "
        "is the stage's own delay, downstream is another stage, whose dashboard is the next to open."
    ),
    "StageDown": (
        "Prometheus gets no metrics from this instance: it has stopped, or it can't be reached. Look at the end of "
        "its log; stage.stopped means that it was asked to stop, and without that line it was killed."
    ),
    "StageSaturated": (
        "Nearly all workers of this stage are busy and messages wait. Either it gets more than it can handle (compare "
        "rate times duration with the workers), or a stage that it calls has become slow and holds its workers."
    ),
    "StageTurnsMessagesAway": (
        "This stage answers 503 or 429, or found that deadlines had passed: its queue is full, or its rate limit "
        "is reached. Check whether it is saturated; if not, the limit rejects the messages."
    ),
    "StageWithoutTraffic": (
        "This stage has handled messages before and handles none now. Its callers may have stopped, an open breaker "
        "may block them, or the load may be finished."
    ),
    "BreakerOpen": (
        "A circuit breaker of this stage has been open for a while: the called stage keeps failing. That stage's "
        "own dashboard shows why."
    ),
    "ScheduleMissed": (
        "The injector had messages to send and no room for them, so less load was offered than configured and the "
        "figures of this test are too good. Give it more workers, or a queue, or a lower rate."
    ),
    "TelemetryDropped": (
        "Spans were lost, so traces are incomplete: no collector accepts them, or not fast enough. The log of the "
        "stage (telemetry.export_failed) names the address."
    ),
}


def rules_text(topology: Topology, scale: float = 1.0) -> str:
    """Return the file of rules; `scale` shortens every window and waiting time, for a demonstration."""
    groups = [
        {"name": "stages", "rules": list(_recorded(topology, scale))},
        {"name": "objectives", "rules": list(_objectives(topology, scale))},
        {"name": "symptoms", "rules": list(_symptoms(scale))},
    ]
    return str(yaml.safe_dump({"groups": [g for g in groups if g["rules"]]}, sort_keys=False, width=10_000))


def window(seconds: float, scale: float = 1.0) -> str:
    """Return a window as Prometheus reads it: 5m, 90s, 250ms."""
    milliseconds = max(1, round(seconds * scale * 1000))
    size, unit = next((size, unit) for size, unit in _UNITS if milliseconds % size == 0)
    return f"{milliseconds // size}{unit}"


def _windows() -> list[float]:
    return sorted({seconds for burn in BURNS for seconds in (burn.short_seconds, burn.long_seconds)})


def _recorded(topology: Topology, scale: float) -> Iterator[dict[str, Any]]:
    for seconds in _windows():
        span = window(seconds, scale)
        bad = f'sum by (stage) (rate({_MESSAGES}{{outcome=~"{_BAD}"}}[{span}]))'
        every = f'sum by (stage) (rate({_MESSAGES}{{outcome!="invalid"}}[{span}]))'
        yield {"record": error_ratio(seconds), "expr": checked(f"{bad} / {every}")}
    for name, stage in topology.stages.items():
        if stage.slo is None or stage.slo.latency is None:
            continue
        for seconds in _windows():
            span, which = window(seconds, scale), f'stage="{name}",http_request_method="POST"'
            le = repr(float(stage.slo.latency.seconds))  # as the client library writes it
            quick = f'rate({_HTTP}_bucket{{{which},le="{le}"}}[{span}])'
            every = f"rate({_HTTP}_count{{{which}}}[{span}])"
            share = f"1 - sum by (stage) ({quick}) / sum by (stage) ({every})"
            yield {"record": slow_ratio(seconds), "expr": checked(share)}


def error_ratio(seconds: float) -> str:
    """Return the name of the recorded share of failed messages, by stage, over a window."""
    return f"stage:error_ratio:rate{window(seconds)}"


def slow_ratio(seconds: float) -> str:
    """Return the name of the recorded share of requests slower than the stage's objective, over a window."""
    return f"stage:slow_ratio:rate{window(seconds)}"


def _objectives(topology: Topology, scale: float) -> Iterator[dict[str, Any]]:
    for name, stage in topology.stages.items():
        for alert, ratio_of, allowed, promise in _promises(stage):
            for severity in dict.fromkeys(burn.severity for burn in BURNS):
                tests = [
                    f'({ratio_of(burn.long_seconds)}{{stage="{name}"}} > {burn.factor * allowed:.9g}'
                    f' and {ratio_of(burn.short_seconds)}{{stage="{name}"}} > {burn.factor * allowed:.9g})'
                    for burn in BURNS
                    if burn.severity == severity
                ]
                yield _alert(alert, " or ".join(tests), 0.0, severity, f"{name} misses its objective: {promise}", scale)


def _promises(stage: Stage) -> Iterator[tuple[str, Any, float, str]]:
    if stage.slo is None:
        return
    if stage.slo.errors_ratio:
        yield "ErrorBudgetBurns", error_ratio, stage.slo.errors_ratio, f"errors under {stage.slo.errors_ratio:.4%}"
    if stage.slo.latency is not None:
        yield "LatencyBudgetBurns", slow_ratio, 1 - stage.slo.latency.ratio, str(stage.slo.latency)


def _symptoms(scale: float) -> Iterator[dict[str, Any]]:
    five = window(_HOUR / 12, scale)
    yield _alert("StageDown", 'up{job="stages"} == 0', 60.0, "page", "{{ $labels.instance }} exposes no metrics", scale)
    saturated = f"{_BUSY} / {_WORKERS} > 0.9 and {_QUEUE_DEPTH} > 0"
    yield _alert("StageSaturated", saturated, 300.0, "ticket", "{{ $labels.stage }} has no worker to spare", scale)
    away = (
        f'sum by (stage) (rate({_MESSAGES}{{outcome="rejected"}}[{five}]))'
        f" / sum by (stage) (rate({_MESSAGES}[{five}])) > 0.01"
    )
    yield _alert("StageTurnsMessagesAway", away, 120.0, "ticket", "{{ $labels.stage }} rejects messages", scale)
    silent = f"sum by (stage) (increase({_MESSAGES}[{five}])) == 0 and sum by (stage) ({_MESSAGES}) > 0"
    yield _alert("StageWithoutTraffic", silent, 300.0, "ticket", "{{ $labels.stage }} handles no messages", scale)
    opened = f"{metrics.BREAKERS_OPEN.exposed} > 0"
    summary = "{{ $labels.stage }} has stopped calling {{ $labels.downstream }}"
    yield _alert("BreakerOpen", opened, 120.0, "ticket", summary, scale)
    missed = f"sum by (stage) (increase({metrics.INJECTOR_MISSED.exposed}[{five}])) > 0"
    yield _alert("ScheduleMissed", missed, 0.0, "ticket", "{{ $labels.stage }} does not keep its schedule", scale)
    dropped = f"sum by (stage) (increase({metrics.SPANS_DROPPED.exposed}[{five}])) > 0"
    yield _alert("TelemetryDropped", dropped, 0.0, "ticket", "{{ $labels.stage }} loses spans", scale)


def _alert(name: str, expression: str, for_seconds: float, severity: str, summary: str, scale: float) -> dict[str, Any]:
    alert = {
        "alert": name,
        "expr": checked(expression),
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "runbook": RUNBOOK[name]},
    }
    return alert | ({"for": window(for_seconds, scale)} if for_seconds else {})
