"""The dashboard of the chosen stages: rate, errors, duration and saturation, then the details."""

from __future__ import annotations

from simulator.render.call_panels import call_panels, call_panels_in_depth
from simulator.render.expressions import (
    BUSY_LIMITS,
    CHOSEN,
    ERROR_LIMITS,
    HTTP,
    INFO,
    INSTANCE,
    INSTANCE_LEGEND,
    MESSAGES,
    OUTCOME_COLOURS,
    PROCESSING,
    QUEUE_WAIT,
    WINDOW,
    buckets,
    cpu,
    mean,
    of_stage,
    outcome_rate,
    quantile,
    rate,
    slowest,
    top,
    utilisation,
)
from simulator.render.frame import STAGE_UID, Dashboard, framed
from simulator.render.grid import Line
from simulator.render.operation_panels import operation_panels
from simulator.render.other_gauges import other_gauges
from simulator.render.panel_parts import Panel
from simulator.render.panels_by_label import bar_gauge, label_table
from simulator.render.panels_over_time import Look, heatmap, stat, time_series
from simulator.render.queries import Query, quantile_queries
from simulator.telemetry.catalogue import metrics


def stage() -> Dashboard:
    """Return the dashboard of the chosen stages: rate, errors, duration, saturation, delay, calls, faults, process."""
    lines = [
        Line(_stage_numbers(), height=4),
        Line(_requests(), heading="Rate, errors, duration"),
        Line(_requests_in_depth()),
        Line(operation_panels(), heading="Operations"),
        Line(_saturation(), heading="Saturation"),
        Line(_saturation_in_depth()),
        Line(_delay(), heading="Delay: configured, drawn, taken"),
        Line(call_panels(), heading="Calls downstream"),
        Line(call_panels_in_depth()),
        Line(_faults_and_process(), heading="Faults and process"),
    ]
    return framed(
        STAGE_UID,
        "Stage",
        "The stages and instances chosen above: rate, errors, duration and saturation, then the details.",
        [*lines, *other_gauges(lines)],
    )


def _stage_numbers() -> tuple[Panel, ...]:
    every = rate(MESSAGES, CHOSEN)
    failed, faulted = outcome_rate("failed"), outcome_rate("faulted")
    return (
        stat("Rate", "Messages handled per second.", "mps", every),
        stat("Failed", "Share of genuine failures.", "percentunit", f"{failed} / {every}", ERROR_LIMITS),
        stat(
            "Faulted",
            "Share that failed by an injected fault, here or further down.",
            "percentunit",
            f"{faulted} / {every}",
        ),
        stat("p99", "99 of 100 requests are answered within this time.", "s", quantile(0.99, HTTP, CHOSEN)),
        stat("Utilisation", "Share of the workers that hold a message.", "percentunit", utilisation(), BUSY_LIMITS),
        stat("Instances", "Processes whose metrics Prometheus has.", "short", f"count({INFO}{{{CHOSEN}}})"),
    )


def _requests() -> tuple[Panel, ...]:
    return (
        time_series(
            "Messages by outcome",
            "Messages handled per second by outcome; `faulted` is injected, `failed` is genuine.",
            "mps",
            [Query(rate(MESSAGES, CHOSEN, "outcome"), "{{outcome}}")],
            Look(stacked=True, colours=OUTCOME_COLOURS),
        ),
        time_series(
            "Answers by status",
            "Requests per second by the status of their answer; one without a status got no answer.",
            "reqps",
            [Query(rate(f"{HTTP}_count", CHOSEN, "http_response_status_code"), "{{http_response_status_code}}")],
            Look(stacked=True),
        ),
        time_series(
            "Duration",
            "Quantiles of the time to the answer. Each dot is a message and opens its trace. With many stages, the 5 "
            "slowest.",
            "s",
            quantile_queries(slowest(5, HTTP), "{{stage}}"),
        ),
    )


def _requests_in_depth() -> tuple[Panel, ...]:
    bad = outcome_rate("failed|faulted|rejected", INSTANCE)
    every = rate(MESSAGES, CHOSEN, INSTANCE)
    return (
        heatmap(
            "Duration, distribution",
            "The distribution of the duration of requests, over all chosen stages.",
            "s",
            buckets(HTTP, CHOSEN),
            exemplars=True,
        ),
        time_series(
            "Failed and rejected, by instance",
            "Share of messages that failed, were faulted or were rejected, of each instance: a mean over all hides a "
            "single bad one. With many, the 10 worst.",
            "percentunit",
            [Query(top(10, INSTANCE, f"{bad} / {every}"), INSTANCE_LEGEND)],
            Look(limits=ERROR_LIMITS),
        ),
        heatmap(
            "Throughput",
            "The distribution of messages per second, idle seconds included: a mean rate can't distinguish an even "
            "stream from bursts.",
            "mps",
            buckets(metrics.MESSAGES_PER_SECOND.exposed, CHOSEN),
        ),
    )


def _saturation() -> tuple[Panel, ...]:
    full = f"{mean(metrics.QUEUE_DEPTH.exposed, 'stage')} / ({mean(metrics.QUEUE_CAPACITY.exposed, 'stage')} > 0)"
    return (
        time_series(
            "Utilisation",
            "Busy workers of all workers. Near 100 % messages begin to wait. With many stages, the 10 busiest.",
            "percentunit",
            [Query(top(10, "stage", utilisation("stage")), "{{stage}}")],
            Look(limits=BUSY_LIMITS, maximum=1),
        ),
        time_series(
            "Queue",
            "Waiting messages, as a share of the queue; at 100 % the next one is rejected. With many, the 10 fullest.",
            "percentunit",
            [Query(top(10, "stage", full), "{{stage}}")],
            Look(limits=BUSY_LIMITS, maximum=1, empty="no stage has a queue"),
        ),
        time_series(
            "In flight",
            "Messages inside a stage, processed or waiting. With many stages, the 10 with the most.",
            "short",
            [Query(top(10, "stage", mean(metrics.IN_FLIGHT.exposed, "stage")), "{{stage}}")],
        ),
    )


def _saturation_in_depth() -> tuple[Panel, ...]:
    return (
        time_series(
            "Queue wait",
            "p99 of the wait for a worker, apart from processing. With many stages, the 10 longest.",
            "s",
            [Query(top(10, "stage", quantile(0.99, QUEUE_WAIT, CHOSEN, "stage")), "{{stage}}")],
        ),
        bar_gauge(
            "Utilisation by instance",
            "Busy workers of each instance at the end of the time shown: uneven bars are uneven load. The 20 busiest.",
            "percentunit",
            Query(f"topk(20, {utilisation(INSTANCE)})", INSTANCE_LEGEND),
            BUSY_LIMITS,
        ),
        heatmap(
            "Sizes",
            "The distribution of body sizes.",
            "bytes",
            buckets(metrics.MESSAGE_BYTES.exposed, CHOSEN),
        ),
    )


def _delay() -> tuple[Panel, ...]:
    drawn, taken = metrics.DELAY_DRAWN.exposed, PROCESSING
    pairs = [
        query
        for name, word in ((drawn, "drawn"), (taken, "taken"))
        for query in quantile_queries(slowest(3, name, rank=taken), f"{{{{stage}}}} {word}")
    ]
    overhead = metrics.OVERHEAD.exposed
    late = f"{rate(f'{overhead}_sum', CHOSEN, 'stage')} / {rate(f'{overhead}_count', CHOSEN, 'stage')}"
    return (
        time_series(
            "Delay drawn and processing taken",
            "The delay drawn from the configured distribution, and the actual processing. The lines of a pair "
            "coincide; where they diverge, the machine is too busy to simulate. Each dot is a message and opens its "
            "trace. With many stages, the 3 slowest.",
            "s",
            pairs,
        ),
        time_series(
            "Processing beyond the delay drawn",
            "The overhead: the part of a stage's own time that did not fit into the drawn delay, on average. "
            "It should be nearly 0.",
            "s",
            [Query(top(10, "stage", late), "{{stage}}")],
            Look(limits=(0.005, 0.05)),
        ),
        label_table(
            "Configuration",
            "The present configuration of each instance.",
            f"{INFO}{{{CHOSEN}}}",
            ("stage", "instance", "role", "delay", "seed", "version"),
        ),
    )


def _faults_and_process() -> tuple[Panel, ...]:
    memory = of_stage(f"avg_over_time(process_resident_memory_bytes{WINDOW})")
    return (
        time_series(
            "Faults injected",
            "Injected faults per second.",
            "cps",
            [Query(rate(metrics.FAULTS_INJECTED.exposed, CHOSEN, "fault"), "{{fault}}")],
            Look(stacked=True, empty="no fault was injected"),
        ),
        time_series(
            "CPU",
            "Share of a CPU core that each instance uses. With many, the 10 with the most.",
            "percentunit",
            cpu(),
            Look(limits=(0.7, 0.9)),
        ),
        time_series(
            "Memory",
            "Resident memory of each instance. With many, the 10 with the most.",
            "bytes",
            [Query(top(10, INSTANCE, memory), INSTANCE_LEGEND)],
        ),
    )
