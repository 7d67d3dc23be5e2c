"""Three Grafana dashboards: the pipeline as a whole, one stage or several of them, and a load test.

They read alike for one stage and for a hundred: where there would be too many lines, those that matter most over the
time shown are drawn. Numbers that add up instances are sums over them; `instance` tells them apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from simulator.render.panels import (
    PROMETHEUS,
    QUANTILES,
    Column,
    Line,
    Look,
    Panel,
    Query,
    arranged,
    bar_gauge,
    heatmap,
    history,
    label_table,
    quantile_queries,
    scatter,
    stacked_bars,
    stat,
    table,
    time_series,
)
from simulator.render.series import checked

Dashboard = dict[str, Any]

SCHEMA_VERSION = 41  # Grafana 11.6; later ones bring it up to date when they load it
JAEGER_UID = "jaeger"
STAGE_UID = "simulator-stage"
TAG = "simulator"

_WINDOW = "[$__rate_interval]"
_CHOSEN = 'stage=~"$stage", instance=~"$instance"'
_INJECTOR, _TERMINATOR = 'role="injector"', 'role="terminator"'
_ERROR_LIMITS, _BUSY_LIMITS = (0.01, 0.05), (0.7, 0.9)
_OUTCOME_COLOURS = {
    "delivered": "green",
    "forwarded": "dark-green",
    "rejected": "yellow",
    "invalid": "blue",
    "faulted": "purple",
    "failed": "red",
}
_MESSAGES = "simulator_messages_total"
_HTTP = "http_server_request_duration_seconds"
_END_TO_END = "simulator_pipeline_duration_seconds"
_QUEUE_WAIT, _PROCESSING = "simulator_queue_wait_seconds", "simulator_processing_seconds"
_ATTEMPT, _CALL = "simulator_downstream_attempt_duration_seconds", "simulator_downstream_call_duration_seconds"
_LAG = "simulator_injector_lag_seconds"
_DUE, _MISSED = "simulator_injector_due_total", "simulator_injector_missed_total"
_WELL = "forwarded|delivered"
_INSTANCE, _INSTANCE_LEGEND = "stage, instance", "{{stage}} {{instance}}"
_LINE, _LINE_LEGEND = "stage, downstream", "{{stage}} → {{downstream}}"


def all_dashboards() -> dict[str, Dashboard]:
    """Give {file name without its ending: dashboard}."""
    return {"pipeline": pipeline(), "stage": stage(), "load-test": load_test()}


def pipeline() -> Dashboard:
    """Give the dashboard of the system as a whole: how it does, and which stage to look at."""
    return _dashboard(
        "simulator-pipeline",
        "Pipeline",
        "All stages together: what goes through, how long it takes from end to end, and where that time goes.",
        [
            Line(_pipeline_numbers(), height=4),
            Line(_end_to_end(), heading="End to end"),
            Line(_end_to_end_in_depth()),
            Line((_waterfall(), _latency_by_stage()), height=11, heading="Where the time goes"),
            Line((_stages_table(),), height=11, heading="Stages"),
        ],
    )


def stage() -> Dashboard:
    """Give the dashboard of the chosen stages: rate, errors, duration, saturation, delay, calls, faults, process."""
    return _dashboard(
        STAGE_UID,
        "Stage",
        "The stages and instances chosen above: rate, errors, duration and saturation, then what lies behind them.",
        [
            Line(_stage_numbers(), height=4),
            Line(_requests(), heading="Rate, errors, duration"),
            Line(_requests_in_depth()),
            Line(_saturation(), heading="Saturation"),
            Line(_saturation_in_depth()),
            Line(_delay(), heading="Delay: configured, drawn, taken"),
            Line(_calls(), heading="Calls downstream"),
            Line(_calls_in_depth()),
            Line(_faults_and_process(), heading="Faults and process"),
        ],
    )


def load_test() -> Dashboard:
    """Give the dashboard of a load test: whether the load was what it was meant to be, and what came of it."""
    return _dashboard(
        "simulator-load-test",
        "Load test",
        "Whether the schedule was kept, what the system made of it, and whether the measurement can be trusted.",
        [
            Line(_load_numbers(), height=4),
            Line(_schedule(), heading="The schedule"),
            Line(_latency_against_rate(), height=10, heading="Latency against rate"),
            Line(_trust(), heading="Can the measurement be trusted?"),
        ],
    )


def _pipeline_numbers() -> tuple[Panel, ...]:
    return (
        stat("Messages", "Messages that the system handles per second.", "mps", _whole_system()),
        stat(
            "Failed",
            "Share of messages that failed genuinely: not by a configured fault, and not turned away.",
            "percentunit",
            f"({_whole_system('failed')}) / ({_whole_system()})",
            _ERROR_LIMITS,
        ),
        stat(
            "Faulted",
            "Share of messages that a configured fault struck, here or further down. What was asked for is no alarm.",
            "percentunit",
            f"({_whole_system('faulted')}) / ({_whole_system()})",
        ),
        stat(
            "p99 end to end",
            "99 of 100 messages reach a terminator within this time of when they were due.",
            "s",
            _quantile(0.99, _END_TO_END, _TERMINATOR),
        ),
        stat(
            "In the system",
            "Messages inside any stage; one that is sent on is inside each of the stages that wait for it.",
            "short",
            "sum(simulator_in_flight)",
        ),
        stat("Stages", "Stages whose metrics Prometheus has.", "short", "count(count by (stage) (simulator_info))"),
    )


def _end_to_end() -> tuple[Panel, ...]:
    return (
        time_series(
            "Outcomes",
            "Messages per second by how they ended, as the injector sees it (without one, as the terminators do): "
            "`faulted` is on purpose, `failed` is genuine, `rejected` found no room.",
            "mps",
            [Query(_whole_system(by="outcome"), "{{outcome}}")],
            Look(stacked=True, colours=_OUTCOME_COLOURS),
        ),
        time_series(
            "End-to-end latency",
            "From when a message was due at its start to its end at a terminator. Waiting for the injector is part of "
            "it, so a late schedule can't hide. Each dot is a message and opens its trace.",
            "s",
            quantile_queries(_quantile("{ratio}", _END_TO_END, _TERMINATOR)),
        ),
    )


def _end_to_end_in_depth() -> tuple[Panel, ...]:
    return (
        heatmap(
            "End-to-end latency, all of it",
            "How many messages took how long to a terminator: two bands are two populations, which no quantile shows.",
            "s",
            _buckets(_END_TO_END, _TERMINATOR),
            exemplars=True,
        ),
        time_series(
            "Round trip",
            "How long the injector waited for its calls, retries included: what a client of the system feels. Longer "
            "than the end-to-end latency where answers take their time on the way back.",
            "s",
            _quantiles(_CALL, _INJECTOR),
            Look(empty="no injector calls anybody"),
        ),
    )


def _waterfall() -> Panel:
    def seconds(name: str) -> str:
        return f"sum by (stage) (rate({name}_sum{{{_CHOSEN}}}[$__range]))"

    messages = f"sum by (stage) (rate({_MESSAGES}{{{_CHOSEN}}}[$__range]))"
    waiting, processing = seconds(_QUEUE_WAIT), seconds(_PROCESSING)
    downstream = f"({seconds(_CALL)} or 0 * {processing})"
    most = f"topk(25, {waiting} + {processing})"

    def average(expression: str) -> str:
        return f"({expression}) / {messages} and on (stage) {most}"

    overhead = f"clamp_min({seconds(_HTTP)} - {waiting} - {processing} - {downstream}, 0)"
    return stacked_bars(
        "Where a message's time goes",
        "Average seconds per message in each stage, over the time shown. `downstream` is spent in the stages further "
        "down, and is longer than the wait for them where calls are made at the same time; `overhead and faults` is "
        "what is left of the request: faults that hang or burn CPU, reading and answering. An injector's own messages "
        "are no requests, so it has none. With many stages, the 25 with the most time of their own.",
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
        Query(_top(40, "stage", _quantile(0.95, _HTTP, _CHOSEN, "stage")), "{{stage}}"),
    )


def _stages_table() -> Panel:
    every = _rate(_MESSAGES, _CHOSEN, "stage")

    def share(outcome: str) -> str:
        return f"{_outcome_rate(outcome, 'stage')} / {every}"

    return table(
        "Stages",
        "Every stage at the end of the time shown. A stage's name leads to its own dashboard and to its traces. An "
        "injector's own messages are no requests, so it has no p99.",
        "stage",
        [
            Column("rate", every, "mps"),
            Column("failed", share("failed"), "percentunit", _ERROR_LIMITS),
            Column("faulted", share("faulted"), "percentunit"),
            Column("rejected", share("rejected"), "percentunit", _ERROR_LIMITS),
            Column("p99", _quantile(0.99, _HTTP, _CHOSEN, "stage"), "s"),
            Column("p99 queue wait", _quantile(0.99, _QUEUE_WAIT, _CHOSEN, "stage"), "s"),
            Column("utilisation", _utilisation("stage"), "percentunit", _BUSY_LIMITS),
        ],
        [
            {
                "title": "Dashboard of ${__value.text}",
                "url": f"/d/{STAGE_UID}?var-stage=${{__value.raw}}&${{__url_time_range}}",
            },
            {"title": "Traces of ${__value.text}", "url": _jaeger_search("${__value.raw}")},
        ],
    )


def _stage_numbers() -> tuple[Panel, ...]:
    every = _rate(_MESSAGES, _CHOSEN)
    failed, faulted = _outcome_rate("failed"), _outcome_rate("faulted")
    return (
        stat("Rate", "Messages handled per second.", "mps", every),
        stat("Failed", "Share that failed genuinely.", "percentunit", f"{failed} / {every}", _ERROR_LIMITS),
        stat(
            "Faulted",
            "Share that a configured fault struck, here or further down.",
            "percentunit",
            f"{faulted} / {every}",
        ),
        stat("p99", "99 of 100 requests are answered within this time.", "s", _quantile(0.99, _HTTP, _CHOSEN)),
        stat("Utilisation", "Share of the workers that hold a message.", "percentunit", _utilisation(), _BUSY_LIMITS),
        stat("Instances", "Processes whose metrics Prometheus has.", "short", f"count(simulator_info{{{_CHOSEN}}})"),
    )


def _requests() -> tuple[Panel, ...]:
    return (
        time_series(
            "Messages by outcome",
            "Messages handled per second by how they ended; `faulted` is on purpose, `failed` is genuine.",
            "mps",
            [Query(_rate(_MESSAGES, _CHOSEN, "outcome"), "{{outcome}}")],
            Look(stacked=True, colours=_OUTCOME_COLOURS),
        ),
        time_series(
            "Answers by status",
            "Requests per second by the status of their answer; one without a status got no answer.",
            "reqps",
            [Query(_rate(f"{_HTTP}_count", _CHOSEN, "http_response_status_code"), "{{http_response_status_code}}")],
            Look(stacked=True),
        ),
        time_series(
            "Duration",
            "Quantiles of the time to the answer. Each dot is a message and opens its trace. With many stages, the 5 "
            "slowest.",
            "s",
            quantile_queries(_slowest(5, _HTTP), "{{stage}}"),
        ),
    )


def _requests_in_depth() -> tuple[Panel, ...]:
    bad = _outcome_rate("failed|faulted|rejected", _INSTANCE)
    every = _rate(_MESSAGES, _CHOSEN, _INSTANCE)
    return (
        heatmap(
            "Duration, all of it",
            "How many requests took how long, of all the stages chosen.",
            "s",
            _buckets(_HTTP, _CHOSEN),
            exemplars=True,
        ),
        time_series(
            "Not handled well, by instance",
            "Share of messages that failed, were faulted or were rejected, of each instance: a mean over all hides the "
            "one that is sick. With many, the 10 worst.",
            "percentunit",
            [Query(_top(10, _INSTANCE, f"{bad} / {every}"), _INSTANCE_LEGEND)],
            Look(limits=_ERROR_LIMITS),
        ),
        heatmap(
            "Throughput",
            "How many seconds had how many messages in them, idle seconds included: a mean rate can't tell an even "
            "stream from bursts.",
            "mps",
            _buckets("simulator_messages_per_second", _CHOSEN),
        ),
    )


def _saturation() -> tuple[Panel, ...]:
    full = f"{_mean('simulator_queue_depth', 'stage')} / ({_mean('simulator_queue_capacity', 'stage')} > 0)"
    return (
        time_series(
            "Utilisation",
            "Busy workers of all workers. Near 100 % messages begin to wait. With many stages, the 10 busiest.",
            "percentunit",
            [Query(_top(10, "stage", _utilisation("stage")), "{{stage}}")],
            Look(limits=_BUSY_LIMITS, most=1),
        ),
        time_series(
            "Queue",
            "Messages that wait, of those that may; at 100 % the next one is rejected. With many, the 10 fullest.",
            "percentunit",
            [Query(_top(10, "stage", full), "{{stage}}")],
            Look(limits=_BUSY_LIMITS, most=1, empty="no stage has a queue"),
        ),
        time_series(
            "In flight",
            "Messages inside a stage, at work or waiting. With many stages, the 10 with the most.",
            "short",
            [Query(_top(10, "stage", _mean("simulator_in_flight", "stage")), "{{stage}}")],
        ),
    )


def _saturation_in_depth() -> tuple[Panel, ...]:
    return (
        time_series(
            "Queue wait",
            "p99 of the wait for a worker, apart from processing. With many stages, the 10 longest.",
            "s",
            [Query(_top(10, "stage", _quantile(0.99, _QUEUE_WAIT, _CHOSEN, "stage")), "{{stage}}")],
        ),
        bar_gauge(
            "Utilisation by instance",
            "Busy workers of each instance at the end of the time shown: uneven bars are uneven load. The 20 busiest.",
            "percentunit",
            Query(f"topk(20, {_utilisation(_INSTANCE)})", _INSTANCE_LEGEND),
            _BUSY_LIMITS,
        ),
        heatmap(
            "Sizes",
            "How many messages had bodies of which size.",
            "bytes",
            _buckets("simulator_message_bytes", _CHOSEN),
        ),
    )


def _delay() -> tuple[Panel, ...]:
    drawn, taken = "simulator_delay_drawn_seconds", _PROCESSING
    pairs = [
        query
        for name, word in ((drawn, "drawn"), (taken, "taken"))
        for query in quantile_queries(_slowest(3, name, rank=taken), f"{{{{stage}}}} {word}")
    ]
    late = (
        f"({_rate(f'{taken}_sum', _CHOSEN, 'stage')} - {_rate(f'{drawn}_sum', _CHOSEN, 'stage')}) "
        f"/ {_rate(f'{taken}_count', _CHOSEN, 'stage')}"
    )
    return (
        time_series(
            "Delay drawn and processing taken",
            "What the configured distribution said, and what it took. The lines of a pair lie on each other; where "
            "they part, the machine is too busy to simulate. Each dot is a message and opens its trace. With many "
            "stages, the 3 slowest.",
            "s",
            pairs,
        ),
        time_series(
            "Processing beyond the delay drawn",
            "How much longer processing takes than the delay that was drawn, on average. Should be next to nothing.",
            "s",
            [Query(_top(10, "stage", late), "{{stage}}")],
            Look(limits=(0.005, 0.05)),
        ),
        label_table(
            "Configuration",
            "What each instance says that it does, now.",
            f"simulator_info{{{_CHOSEN}}}",
            ("stage", "instance", "role", "delay", "seed", "version"),
        ),
    )


def _calls() -> tuple[Panel, ...]:
    attempts, calls = _rate(f"{_ATTEMPT}_count", _CHOSEN, _LINE), _rate(f"{_CALL}_count", _CHOSEN, _LINE)
    ended_badly = _rate(f"{_CALL}_count", f'{_CHOSEN}, outcome!="ok"', f"{_LINE}, outcome")
    nobody = "the stages chosen call nobody"
    return (
        time_series(
            "Attempts and calls",
            "Calls per second, and the attempts that they took: where the lines part, calls are retried, hedged, or "
            "(with fewer attempts than calls) stopped by a breaker. With many, the 5 with the most attempts.",
            "reqps",
            [
                Query(_top(5, _LINE, calls, attempts), f"{_LINE_LEGEND} calls"),
                Query(_top(5, _LINE, attempts), f"{_LINE_LEGEND} attempts"),
            ],
            Look(empty=nobody),
        ),
        time_series(
            "Attempts per call",
            "1 is no retry. Retries multiply from level to level. With many, the 10 highest.",
            "short",
            [Query(_top(10, _LINE, f"{attempts} / {calls}"), _LINE_LEGEND)],
            Look(limits=(1.2, 2), empty=nobody),
        ),
        time_series(
            "Calls that did not end well",
            "Calls per second that ended in anything but ok, after all retries. With many, the 10 most frequent.",
            "reqps",
            [Query(_top(10, f"{_LINE}, outcome", ended_badly), f"{_LINE_LEGEND} {{{{outcome}}}}")],
            Look(empty="every call ended well"),
        ),
    )


def _calls_in_depth() -> tuple[Panel, ...]:
    open_now = f"sum by ({_LINE}) (max_over_time(simulator_breakers_open{{{_CHOSEN}}}{_WINDOW}))"
    ejections = f"sum by ({_LINE}) (increase(simulator_downstream_ejections_total{{{_CHOSEN}}}{_WINDOW}))"
    return (
        time_series(
            "Duration of attempts",
            "p99 of each try. With many, the 10 slowest. Each dot is a message and opens its trace.",
            "s",
            [Query(_top(10, _LINE, _quantile(0.99, _ATTEMPT, _CHOSEN, _LINE)), _LINE_LEGEND, True)],
            Look(empty="the stages chosen call nobody"),
        ),
        time_series(
            "Breakers open",
            "Circuit breakers that are not closed: while they are open, no try is made.",
            "short",
            [Query(_top(10, _LINE, open_now), _LINE_LEGEND)],
            Look(limits=(1,), empty="the stages chosen call nobody"),
        ),
        time_series(
            "Instances passed over",
            "How often an instance of a downstream could not be reached and was passed over for a while.",
            "short",
            [Query(_top(10, _LINE, ejections), _LINE_LEGEND)],
            Look(limits=(1,), empty="every instance could be reached"),
        ),
    )


def _faults_and_process() -> tuple[Panel, ...]:
    memory = _of_stage(f"avg_over_time(process_resident_memory_bytes{_WINDOW})")
    return (
        time_series(
            "Faults injected",
            "Faults that struck on purpose, per second.",
            "cps",
            [Query(_rate("simulator_faults_injected_total", _CHOSEN, "fault"), "{{fault}}")],
            Look(stacked=True, empty="no fault has struck"),
        ),
        time_series(
            "CPU",
            "Share of a processor that each instance uses; a process has one at most. With many, the 10 with the most.",
            "percentunit",
            _cpu(),
            Look(limits=(0.7, 0.9)),
        ),
        time_series(
            "Memory",
            "Resident memory of each instance. With many, the 10 with the most.",
            "bytes",
            [Query(_top(10, _INSTANCE, memory), _INSTANCE_LEGEND)],
        ),
    )


def _load_numbers() -> tuple[Panel, ...]:
    due, missed = _rate(_DUE, _INJECTOR), _rate(_MISSED, _INJECTOR)
    return (
        stat("Offered", "Messages due per second by the schedule.", "mps", due),
        stat("Achieved", "Messages per second that ended well.", "mps", _whole_system(_WELL)),
        stat(
            "Missed",
            "Share of the due messages that found no room in the injector.",
            "percentunit",
            f"{missed} / {due}",
            (0.0001, 0.01),
        ),
        stat(
            "Lag p99",
            "99 of 100 messages are begun within this time of when they were due.",
            "s",
            _quantile(0.99, _LAG, _INJECTOR),
            (0.01, 0.1),
        ),
        stat(
            "Client disconnects",
            "Clients that hung up before their answer, in the time shown.",
            "short",
            f"sum(increase(simulator_client_disconnects_total{{{_CHOSEN}}}[$__range]))",
            (1, 10),
        ),
        stat(
            "Spans dropped",
            "Spans that no collector took, in the time shown: so much is missing in Jaeger.",
            "short",
            f"sum(increase(simulator_spans_dropped_total{{{_CHOSEN}}}[$__range]))",
            (1, 1000),
        ),
    )


def _schedule() -> tuple[Panel, ...]:
    due, missed = _rate(_DUE, _INJECTOR), _rate(_MISSED, _INJECTOR)
    no_schedule = "no injector has a schedule"
    return (
        time_series(
            "Offered and achieved",
            "What was due by the schedule, and what ended well. They part where the system can't keep up, or where "
            "faults strike.",
            "mps",
            [Query(due, "offered"), Query(_whole_system(_WELL), "achieved")],
            Look(empty=no_schedule),
        ),
        time_series(
            "Lag of the schedule",
            "How late due messages were begun. The schedule never waits for answers; lag means that the injector "
            "itself has too much to do.",
            "s",
            _quantiles(_LAG, _INJECTOR),
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
    p99 = _quantile(0.99, _END_TO_END, _TERMINATOR)
    return (
        scatter(
            "p99 against rate",
            "A point for each moment of the time shown: end-to-end p99 over the rate achieved. Where the points turn "
            "upwards is what the system can do.",
            Column("rate achieved", _whole_system(_WELL), "mps"),
            Column("p99 end to end", p99, "s"),
        ),
        time_series(
            "Latency and rate over time",
            "End-to-end quantiles, and the rate offered on the right.",
            "s",
            [
                *quantile_queries(_quantile("{ratio}", _END_TO_END, _TERMINATOR)),
                Query(_rate(_DUE, _INJECTOR), "offered"),
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
            [Query(_top(10, "stage", _rate("simulator_client_disconnects_total", _CHOSEN, "stage")), "{{stage}}")],
        ),
        time_series(
            "Spans dropped",
            "Spans per second that no collector took. With many stages, the 10 with the most.",
            "cps",
            [Query(_top(10, "stage", _rate("simulator_spans_dropped_total", _CHOSEN, "stage")), "{{stage}}")],
        ),
        time_series(
            "CPU of the busiest processes",
            "A process that comes near a whole processor measures itself. The 10 with the most.",
            "percentunit",
            _cpu(),
            Look(limits=(0.7, 0.9)),
        ),
    )


def _rate(name: str, matchers: str = _CHOSEN, by: str = "") -> str:
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({name}{{{matchers}}}{_WINDOW}))"


def _outcome_rate(outcome: str, by: str = "") -> str:
    return _rate(_MESSAGES, f'{_CHOSEN}, outcome=~"{outcome}"', by)


def _whole_system(outcome: str = "", by: str = "") -> str:
    """Give the rate of messages as the injector sees them; without an injector, as the terminators do."""
    matcher = f', outcome=~"{outcome}"' if outcome else ""
    return " or ".join(_rate(_MESSAGES, f"{role}{matcher}", by) for role in (_INJECTOR, _TERMINATOR))


def _quantile(ratio: float | str, name: str, matchers: str, by: str = "") -> str:
    return f"histogram_quantile({ratio}, {_rate(f'{name}_bucket', matchers, f'le, {by}' if by else 'le')})"


def _quantiles(name: str, matchers: str) -> list[Query]:
    return [Query(_quantile(ratio, name, matchers), legend) for ratio, legend in QUANTILES]


def _buckets(name: str, matchers: str) -> str:
    return f"sum by (le) (increase({name}_bucket{{{matchers}}}{_WINDOW}))"


def _mean(gauge: str, by: str = "") -> str:
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (avg_over_time({gauge}{{{_CHOSEN}}}{_WINDOW}))"


def _utilisation(by: str = "") -> str:
    return f"{_mean('simulator_workers_busy', by)} / {_mean('simulator_workers', by)}"


def _of_stage(process_metric: str) -> str:
    """Say of which stage a metric of the process is, which does not say so itself."""
    info = f"max by (job, instance, stage) (simulator_info{{{_CHOSEN}}})"
    return f"{process_metric} * on (job, instance) group_left (stage) {info}"


def _cpu() -> list[Query]:
    expression = _of_stage(f"rate(process_cpu_seconds_total{_WINDOW})")
    return [Query(_top(10, _INSTANCE, expression), _INSTANCE_LEGEND)]


def _top(count: int, by: str, expression: str, rank: str = "") -> str:
    """Keep those series that have the highest values over the whole time shown, so that no more than `count` are drawn.

    A plain topk chooses anew at each point and may draw any number of lines. `rank` is what to choose by, if not the
    expression itself.
    """
    over_all = (rank or expression).replace(_WINDOW, "[$__range] @ end()")
    return f"({expression}) and on ({by}) topk({count}, {over_all})"


def _slowest(count: int, name: str, rank: str = "") -> str:
    """Give quantile `{ratio}` of each of the stages with the highest p99 of `rank`, which is `name` by default."""
    by_p99 = _quantile(0.99, rank or name, _CHOSEN, "stage")
    return _top(count, "stage", _quantile("{ratio}", name, _CHOSEN, "stage"), by_p99)


def _jaeger_search(service: str = "") -> str:
    """Give the address of a search for traces in Jaeger, at the time shown, on Grafana's page Explore."""
    query: dict[str, Any] = {"refId": "A", "datasource": {"type": "jaeger", "uid": JAEGER_UID}, "queryType": "search"}
    if service:
        query["service"] = service
    pane = {"datasource": JAEGER_UID, "queries": [query], "range": {"from": "${__from}", "to": "${__to}"}}
    text = quote(json.dumps({"traces": pane}, separators=(",", ":")), safe="")
    # What Grafana is to fill in must be found by it.
    return "/explore?schemaVersion=1&orgId=1&panes=" + re.sub(r"%24%7B([\w.]+)%7D", r"${\1}", text)


def _links() -> list[dict[str, Any]]:
    common = {"asDropdown": False, "icon": "external link", "targetBlank": False, "tooltip": ""}
    others = {"type": "dashboards", "title": "", "tags": [TAG], "url": "", "keepTime": True, "includeVars": True}
    traces = {"type": "link", "title": "Traces", "tags": [], "url": _jaeger_search()}
    return [{**common, **others}, {**common, **traces, "tooltip": "Search in Jaeger", "targetBlank": True}]


def _variable(name: str, label: str, values: str) -> dict[str, Any]:
    """Give a variable of several values out of those that Prometheus has; all of them at first."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": PROMETHEUS,
        "definition": checked(values),
        "query": {"qryType": 1, "query": values, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "multi": True,
        "includeAll": True,
        "allValue": ".+",  # shorter than the names of a hundred stages
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "hide": 0,
        "skipUrlSync": False,
    }


def _dashboard(uid: str, title: str, description: str, lines: Sequence[Line]) -> Dashboard:
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "timezone": "browser",
        "time": {"from": "now-15m", "to": "now"},
        "refresh": "5s",
        "links": _links(),
        "annotations": {"list": []},
        "templating": {
            "list": [
                _variable("stage", "Stage", "label_values(simulator_info, stage)"),
                _variable("instance", "Instance", 'label_values(simulator_info{stage=~"$stage"}, instance)'),
            ]
        },
        "panels": arranged(lines),
    }
