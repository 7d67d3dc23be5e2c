"""The dashboard of the system as a whole: its state, and which stage to look at."""

from __future__ import annotations

from simulator.render.expressions import (
    ACCEPTED_WORK,
    BUSY_LIMITS,
    CALL,
    CHOSEN,
    END_TO_END,
    ERROR_LIMITS,
    HTTP,
    INFO,
    MESSAGES,
    OUTCOME_COLOURS,
    PROCESSING,
    QUEUE_WAIT,
    SUCCEEDED,
    buckets,
    outcome_rate,
    quantile,
    rate,
    top,
    utilisation,
    whole_system,
)
from simulator.render.frame import STAGE_UID, Dashboard, framed, jaeger_search
from simulator.render.grid import Line
from simulator.render.panel_parts import Panel
from simulator.render.panels_by_label import stacked_bars, table
from simulator.render.panels_over_time import Look, heatmap, history, stat, time_series
from simulator.render.queries import Column, Query, quantile_queries
from simulator.telemetry.catalogue import metrics

_REQUEST, _REQUEST_LEGEND = f"stage, {metrics.OPERATION}", "{{stage}} {{operation}}"


def pipeline() -> Dashboard:
    """Return the dashboard of the system as a whole: its state, and which stage to look at."""
    return framed(
        "simulator-pipeline",
        "Pipeline",
        "All stages together: throughput, latency from end to end, and where that time goes.",
        [
            Line(_pipeline_numbers(), height=4),
            Line(_end_to_end(), heading="End to end"),
            Line(_end_to_end_in_depth()),
            Line((_waterfall(), _latency_by_stage()), height=11, heading="Where the time goes"),
            Line((_stages_table(),), height=11, heading="Stages"),
        ],
    )


def _pipeline_numbers() -> tuple[Panel, ...]:
    return (
        stat("Messages", "Requests that the system answers per second.", "mps", whole_system()),
        stat(
            "Failed",
            "Share of genuine failures: neither injected faults nor rejected messages.",
            "percentunit",
            f"({whole_system('failed')}) / ({whole_system()})",
            ERROR_LIMITS,
        ),
        stat(
            "Faulted",
            "Share of messages that failed by an injected fault, here or further down: intended, so no alarm.",
            "percentunit",
            f"({whole_system('faulted')}) / ({whole_system()})",
        ),
        stat(
            "p99 end to end",
            "99 of 100 requests that succeed are answered within this time after they were due.",
            "s",
            quantile(0.99, END_TO_END, SUCCEEDED),
        ),
        stat(
            "In the system",
            "Messages inside any stage; a forwarded message is inside each of the stages that wait for it.",
            "short",
            f"sum({metrics.IN_FLIGHT.exposed})",
        ),
        stat("Stages", "Stages whose metrics Prometheus has.", "short", f"count(count by (stage) ({INFO}))"),
    )


def _end_to_end() -> tuple[Panel, ...]:
    return (
        time_series(
            "Outcomes",
            "Requests per second by outcome, where they began: at an injector, or at the stage that a client calls. "
            "`faulted` is injected, `failed` is genuine, `rejected` found no room.",
            "mps",
            [Query(whole_system(by="outcome"), "{{outcome}}")],
            Look(stacked=True, colours=OUTCOME_COLOURS),
        ),
        time_series(
            "End-to-end latency",
            "What requests that succeed take, from when they are due until they are answered. Waiting for the injector "
            "is part of it, so a late schedule can't hide. Each dot is a message and opens its trace.",
            "s",
            quantile_queries(quantile("{ratio}", END_TO_END, SUCCEEDED)),
        ),
    )


def _end_to_end_in_depth() -> tuple[Panel, ...]:
    return (
        heatmap(
            "End-to-end latency, distribution",
            "What requests that succeed take: two bands are two populations, which no quantile shows.",
            "s",
            buckets(END_TO_END, SUCCEEDED),
            exemplars=True,
        ),
        time_series(
            "End-to-end latency by request",
            "p99 of each kind of requests that succeed: by what an injector calls, or by the operation that a client "
            "calls. With many, the 10 slowest.",
            "s",
            [Query(top(10, _REQUEST, quantile(0.99, END_TO_END, SUCCEEDED, _REQUEST)), _REQUEST_LEGEND, True)],
        ),
        time_series(
            "Accepted work",
            "p99 from when a message was due until the work was done for which a stage had accepted it (`forward: "
            "accept`): the request was answered before. With many, the 10 slowest.",
            "s",
            [Query(top(10, _REQUEST, quantile(0.99, ACCEPTED_WORK, SUCCEEDED, _REQUEST)), _REQUEST_LEGEND, True)],
            Look(empty="no stage accepts messages before their work is done"),
        ),
    )


def _waterfall() -> Panel:
    def seconds(name: str) -> str:
        return f"sum by (stage) (rate({name}_sum{{{CHOSEN}}}[$__range]))"

    messages = f"sum by (stage) (rate({MESSAGES}{{{CHOSEN}}}[$__range]))"
    waiting, processing = seconds(QUEUE_WAIT), seconds(PROCESSING)
    downstream = f"({seconds(CALL)} or 0 * {processing})"
    slowest_stages = f"topk(25, {waiting} + {processing})"

    def average(expression: str) -> str:
        return f"({expression}) / {messages} and on (stage) {slowest_stages}"

    overhead = f"clamp_min({seconds(HTTP)} - {waiting} - {processing} - {downstream}, 0)"
    return stacked_bars(
        "Where a message's time goes",
        "Average seconds per message in each stage, over the time shown. `downstream` is spent in the stages further "
        "down, and is longer than the wait for them if calls are made in parallel; `overhead and faults` is "
        "the rest of the request: faults that hang or burn CPU, reading and answering. An injector's own messages "
        "are not requests, so it has none. With many stages, the 25 with the most time of their own.",
        "stage",
        [
            Column("queue wait", average(waiting), "s"),
            Column("processing", average(processing), "s"),
            Column("downstream", average(downstream), "s"),
            Column("overhead and faults", average(overhead), "s"),
        ],
    )


def _latency_by_stage() -> Panel:
    return history(
        "Latency of each stage",
        "p95 of each stage's requests over time, the redder the slower: the lowest stage that turns red is where to "
        "look. With many stages, the 40 slowest.",
        "s",
        Query(top(40, "stage", quantile(0.95, HTTP, CHOSEN, "stage")), "{{stage}}"),
    )


def _stages_table() -> Panel:
    every = rate(MESSAGES, CHOSEN, "stage")

    def share(outcome: str) -> str:
        return f"{outcome_rate(outcome, 'stage')} / {every}"

    return table(
        "Stages",
        "Every stage at the end of the time shown. A stage's name links to its own dashboard and to its traces. An "
        "injector's own messages are not requests, so it has no p99.",
        "stage",
        [
            Column("rate", every, "mps"),
            Column("failed", share("failed"), "percentunit", ERROR_LIMITS),
            Column("faulted", share("faulted"), "percentunit"),
            Column("rejected", share("rejected"), "percentunit", ERROR_LIMITS),
            Column("p99", quantile(0.99, HTTP, CHOSEN, "stage"), "s"),
            Column("p99 queue wait", quantile(0.99, QUEUE_WAIT, CHOSEN, "stage"), "s"),
            Column("utilisation", utilisation("stage"), "percentunit", BUSY_LIMITS),
        ],
        [
            {
                "title": "Dashboard of ${__value.text}",
                "url": f"/d/{STAGE_UID}?var-stage=${{__value.raw}}&${{__url_time_range}}",
            },
            {"title": "Traces of ${__value.text}", "url": jaeger_search("${__value.raw}")},
        ],
    )
