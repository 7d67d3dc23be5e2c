"""Prometheus' rules for a topology: recorded series, and alerts, each with a paragraph on what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from simulator.render.objectives import alerts, recorded, window
from simulator.render.series import checked
from simulator.telemetry.catalogue import metrics
from simulator.topology.model import Topology

_MESSAGES = metrics.MESSAGES.exposed
_BUSY, _WORKERS, _QUEUE_DEPTH = metrics.WORKERS_BUSY.exposed, metrics.WORKERS.exposed, metrics.QUEUE_DEPTH.exposed
_HOUR = 3600.0
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
        "Spans, or log records or data points where they are exported, were lost, so what a collector shows is "
        "incomplete: it does not accept them, or not fast enough. The log of the stage (telemetry.export_failed) names "
        "the address."
    ),
}


def rules_text(topology: Topology, scale: float = 1.0) -> str:
    """Return the file of rules; `scale` shortens every window and waiting time, for a demonstration."""
    groups = [
        {"name": "stages", "rules": list(recorded(topology, scale))},
        {"name": "objectives", "rules": list(_objectives(topology, scale))},
        {"name": "symptoms", "rules": list(_symptoms(scale))},
    ]
    return str(yaml.safe_dump({"groups": [g for g in groups if g["rules"]]}, sort_keys=False, width=10_000))


def _objectives(topology: Topology, scale: float) -> Iterator[dict[str, Any]]:
    for alert in alerts(topology):
        yield _alert(alert.name, alert.expression, 0.0, alert.severity, alert.summary, scale)


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
    dropped = " or ".join(f"sum by (stage) (increase({of.exposed}[{five}])) > 0" for of in metrics.DROPPED.values())
    yield _alert("TelemetryDropped", dropped, 0.0, "ticket", "{{ $labels.stage }} loses telemetry", scale)


def _alert(name: str, expression: str, for_seconds: float, severity: str, summary: str, scale: float) -> dict[str, Any]:
    alert = {
        "alert": name,
        "expr": checked(expression),
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "runbook": RUNBOOK[name]},
    }
    return alert | ({"for": window(for_seconds, scale)} if for_seconds else {})
