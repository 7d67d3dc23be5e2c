"""The dashboard of a load test: whether the load was as configured, and its results."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.render.expressions import (
    CHOSEN,
    END_TO_END,
    INJECTOR,
    SUCCEEDED,
    SUCCESS,
    cpu,
    quantile,
    quantiles,
    rate,
    top,
    whole_system,
)
from simulator.render.frame import Dashboard, framed
from simulator.render.grid import Line
from simulator.render.panel_parts import Panel
from simulator.render.panels_over_time import Look, scatter, stat, time_series
from simulator.render.queries import Column, Query, quantile_queries
from simulator.telemetry.catalogue import metrics
from simulator.telemetry.otlp_signal import Signal

_LAG = metrics.INJECTOR_LAG.exposed
_DUE, _MISSED = metrics.INJECTOR_DUE.exposed, metrics.INJECTOR_MISSED.exposed


def load_test() -> Dashboard:
    """Return the dashboard of a load test: whether the load was as configured, and its results."""
    return framed(
        "simulator-load-test",
        "Load test",
        "Whether the schedule was kept, how the system coped, and whether the measurement can be trusted.",
        [
            Line(_load_numbers(), height=4),
            Line(_schedule(), heading="The schedule"),
            Line(_latency_against_rate(), height=10, heading="Latency against rate"),
            Line(_trust(), heading="Can the measurement be trusted?"),
        ],
    )


def _load_numbers() -> tuple[Panel, ...]:
    due, missed = rate(_DUE, INJECTOR), rate(_MISSED, INJECTOR)
    return (
        stat("Offered", "Messages due per second by the schedule.", "mps", due),
        stat("Achieved", "Messages per second that succeeded.", "mps", whole_system(SUCCESS)),
        stat(
            "Missed",
            "Share of the due messages that found no room in the injector.",
            "percentunit",
            f"{missed} / {due}",
            (0.0001, 0.01),
        ),
        stat(
            "Lag p99",
            "99 of 100 messages start within this time after they were due.",
            "s",
            quantile(0.99, _LAG, INJECTOR),
            (0.01, 0.1),
        ),
        stat(
            "Client disconnects",
            "Clients that closed the connection before their answer, in the time shown.",
            "short",
            f"sum(increase({metrics.CLIENT_DISCONNECTS.exposed}{{{CHOSEN}}}[$__range]))",
            (1, 10),
        ),
        stat(
            "Spans dropped",
            "Spans that no collector accepted, in the time shown: they are missing in Jaeger.",
            "short",
            f"sum(increase({metrics.SPANS_DROPPED.exposed}{{{CHOSEN}}}[$__range]))",
            (1, 1000),
        ),
    )


def _others_dropped() -> Iterator[Query]:
    for signal in (Signal.LOGS, Signal.METRICS):
        dropped = rate(metrics.DROPPED[signal].exposed, CHOSEN, "stage")
        yield Query(top(10, "stage", dropped), f"{{{{stage}}}}, {signal.words}")


def _schedule() -> tuple[Panel, ...]:
    due, missed = rate(_DUE, INJECTOR), rate(_MISSED, INJECTOR)
    no_schedule = "no injector has a schedule"
    return (
        time_series(
            "Offered and achieved",
            "Messages due by the schedule, and messages that succeeded. They diverge where the system can't keep up, "
            "or where faults are injected.",
            "mps",
            [Query(due, "offered"), Query(whole_system(SUCCESS), "achieved")],
            Look(empty=no_schedule),
        ),
        time_series(
            "Lag of the schedule",
            "How late due messages were started. The schedule never waits for answers; lag means that the injector "
            "itself is overloaded.",
            "s",
            quantiles(_LAG, INJECTOR),
            Look(limits=(0.01, 0.1), empty=no_schedule),
        ),
        time_series(
            "Missed",
            "Due messages per second that were never sent, because the injector had no worker and no room to wait.",
            "mps",
            [Query(missed, "missed")],
            Look(colours={"missed": "red"}, empty=no_schedule),
        ),
    )


def _latency_against_rate() -> tuple[Panel, ...]:
    p99 = quantile(0.99, END_TO_END, SUCCEEDED)
    return (
        scatter(
            "p99 against rate",
            "A point for each moment of the time shown: end-to-end p99 over the achieved rate. The rate at which the "
            "points turn upwards is the system's capacity.",
            Column("rate achieved", whole_system(SUCCESS), "mps"),
            Column("p99 end to end", p99, "s"),
        ),
        time_series(
            "Latency and rate over time",
            "End-to-end quantiles, and the rate offered on the right.",
            "s",
            [
                *quantile_queries(quantile("{ratio}", END_TO_END, SUCCEEDED)),
                Query(rate(_DUE, INJECTOR), "offered"),
            ],
            Look(right="offered", right_unit="mps"),
        ),
    )


def _trust() -> tuple[Panel, ...]:
    return (
        time_series(
            "Client disconnects",
            "Clients per second that hung up before their answer. With many stages, the 10 with the most.",
            "cps",
            [Query(top(10, "stage", rate(metrics.CLIENT_DISCONNECTS.exposed, CHOSEN, "stage")), "{{stage}}")],
        ),
        time_series(
            "Spans dropped",
            "Spans, log records and data points per second that were exported and that no collector accepted, and "
            "messages with an impossible due time, whose duration is in no figure. With many stages, the 10 with "
            "the most of each.",
            "cps",
            [
                Query(top(10, "stage", rate(metrics.SPANS_DROPPED.exposed, CHOSEN, "stage")), "{{stage}}"),
                *_others_dropped(),
                Query(
                    top(10, "stage", rate(metrics.IMPLAUSIBLE.exposed, CHOSEN, "stage")),
                    "{{stage}}, impossible due time",
                ),
            ],
        ),
        time_series(
            "CPU of the busiest processes",
            "A process near a whole CPU core measures itself. The 10 with the most.",
            "percentunit",
            cpu(),
            Look(limits=(0.7, 0.9)),
        ),
    )
