"""What the dashboards ask Prometheus: the names of the series, and the expressions that are made of them.

An expression is about the stages and instances chosen on the dashboard, unless its matchers say otherwise.
"""

from __future__ import annotations

from simulator.render.queries import QUANTILES, Query

WINDOW = "[$__rate_interval]"
CHOSEN = 'stage=~"$stage", instance=~"$instance"'
INJECTOR, TERMINATOR = 'role="injector"', 'role="terminator"'
ERROR_LIMITS, BUSY_LIMITS = (0.01, 0.05), (0.7, 0.9)
OUTCOME_COLOURS = {
    "delivered": "green",
    "forwarded": "dark-green",
    "rejected": "yellow",
    "invalid": "blue",
    "faulted": "purple",
    "failed": "red",
    "broken_off": "dark-red",
}
MESSAGES = "simulator_messages_total"
HTTP = "http_server_request_duration_seconds"
END_TO_END = "simulator_pipeline_duration_seconds"
QUEUE_WAIT, PROCESSING = "simulator_queue_wait_seconds", "simulator_processing_seconds"
CALL = "simulator_downstream_call_duration_seconds"
INSTANCE, INSTANCE_LEGEND = "stage, instance", "{{stage}} {{instance}}"


def rate(name: str, matchers: str = CHOSEN, by: str = "") -> str:
    """Give how much a counter grows per second, summed over the instances."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({name}{{{matchers}}}{WINDOW}))"


def outcome_rate(outcome: str, by: str = "") -> str:
    """Give the rate of messages that ended in one of the outcomes, which are a regular expression."""
    return rate(MESSAGES, f'{CHOSEN}, outcome=~"{outcome}"', by)


def whole_system(outcome: str = "", by: str = "") -> str:
    """Give the rate of messages as the injector sees them; without an injector, as the terminators do."""
    matcher = f', outcome=~"{outcome}"' if outcome else ""
    return " or ".join(rate(MESSAGES, f"{role}{matcher}", by) for role in (INJECTOR, TERMINATOR))


def quantile(ratio: float | str, name: str, matchers: str, by: str = "") -> str:
    """Give a quantile of a histogram; `{ratio}` as the ratio leaves a place for it."""
    return f"histogram_quantile({ratio}, {rate(f'{name}_bucket', matchers, f'le, {by}' if by else 'le')})"


def quantiles(name: str, matchers: str) -> list[Query]:
    """Ask for p50, p95 and p99 of a histogram."""
    return [Query(quantile(ratio, name, matchers), legend) for ratio, legend in QUANTILES]


def buckets(name: str, matchers: str) -> str:
    """Give what fell into each bucket of a histogram, for a heatmap."""
    return f"sum by (le) (increase({name}_bucket{{{matchers}}}{WINDOW}))"


def mean(gauge: str, by: str = "") -> str:
    """Give the mean of a gauge over time, summed over the instances."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (avg_over_time({gauge}{{{CHOSEN}}}{WINDOW}))"


def utilisation(by: str = "") -> str:
    """Give the share of the workers that hold a message."""
    return f"{mean('simulator_workers_busy', by)} / {mean('simulator_workers', by)}"


def of_stage(process_metric: str) -> str:
    """Say of which stage a metric of the process is, which does not say so itself."""
    info = f"max by (job, instance, stage) (simulator_info{{{CHOSEN}}})"
    return f"{process_metric} * on (job, instance) group_left (stage) {info}"


def cpu() -> list[Query]:
    """Ask for the processors that the busiest instances use."""
    expression = of_stage(f"rate(process_cpu_seconds_total{WINDOW})")
    return [Query(top(10, INSTANCE, expression), INSTANCE_LEGEND)]


def top(count: int, by: str, expression: str, rank: str = "") -> str:
    """Keep those series that have the highest values over the whole time shown, so that no more than `count` are drawn.

    A plain topk chooses anew at each point and may draw any number of lines. `rank` is what to choose by, if not the
    expression itself.
    """
    over_all = (rank or expression).replace(WINDOW, "[$__range] @ end()")
    return f"({expression}) and on ({by}) topk({count}, {over_all})"


def slowest(count: int, name: str, rank: str = "") -> str:
    """Give quantile `{ratio}` of each of the stages with the highest p99 of `rank`, which is `name` by default."""
    by_p99 = quantile(0.99, rank or name, CHOSEN, "stage")
    return top(count, "stage", quantile("{ratio}", name, CHOSEN, "stage"), by_p99)
