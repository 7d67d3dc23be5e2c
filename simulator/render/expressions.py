"""The dashboards' queries: the names of the series, and the PromQL expressions over them.

An expression is about the stages and instances chosen on the dashboard, unless its matchers say otherwise.
"""

from __future__ import annotations

from simulator.render.queries import QUANTILES, Query
from simulator.telemetry.catalogue import metrics
from simulator.telemetry.record import SUCCESSES

WINDOW = "[$__rate_interval]"
CHOSEN = 'stage=~"$stage", instance=~"$instance"'
INJECTOR = 'role="injector"'
SUCCESS = "|".join(SUCCESSES)
SUCCEEDED = f'outcome=~"{SUCCESS}"'
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
MESSAGES = metrics.MESSAGES.exposed
HTTP = metrics.HTTP_DURATION.exposed
END_TO_END, ACCEPTED_WORK = metrics.PIPELINE_DURATION.exposed, metrics.ACCEPTED_WORK.exposed
QUEUE_WAIT, PROCESSING = metrics.QUEUE_WAIT.exposed, metrics.PROCESSING.exposed
CALL = metrics.CALL_DURATION.exposed
INFO = metrics.INFO.exposed
INSTANCE, INSTANCE_LEGEND = "stage, instance", "{{stage}} {{instance}}"


def rate(name: str, matchers: str = CHOSEN, by: str = "") -> str:
    """Return the growth of a counter per second, summed over the instances."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({name}{{{matchers}}}{WINDOW}))"


def outcome_rate(outcome: str, by: str = "") -> str:
    """Return the rate of messages with the outcomes that a regular expression matches."""
    return rate(MESSAGES, f'{CHOSEN}, outcome=~"{outcome}"', by)


def whole_system(outcome: str = "", by: str = "") -> str:
    """Return the rate of requests, as they are observed where they began: at injectors, and where clients call."""
    return rate(metrics.PIPELINE_DURATION.count, f'outcome=~"{outcome}"' if outcome else "", by)


def quantile(ratio: float | str, name: str, matchers: str, by: str = "") -> str:
    """Return a quantile of a histogram; a ratio of `{ratio}` is a placeholder."""
    return f"histogram_quantile({ratio}, {rate(f'{name}_bucket', matchers, f'le, {by}' if by else 'le')})"


def quantiles(name: str, matchers: str) -> list[Query]:
    """Return the queries for p50, p95 and p99 of a histogram."""
    return [Query(quantile(ratio, name, matchers), legend) for ratio, legend in QUANTILES]


def buckets(name: str, matchers: str) -> str:
    """Return the increase of each bucket of a histogram, for a heatmap."""
    return f"sum by (le) (increase({name}_bucket{{{matchers}}}{WINDOW}))"


def mean(gauge: str, by: str = "") -> str:
    """Return the mean of a gauge over time, summed over the instances."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (avg_over_time({gauge}{{{CHOSEN}}}{WINDOW}))"


def utilisation(by: str = "") -> str:
    """Return the share of the workers that hold a message."""
    return f"{mean(metrics.WORKERS_BUSY.exposed, by)} / {mean(metrics.WORKERS.exposed, by)}"


def of_stage(process_metric: str) -> str:
    """Return a metric of the process with the label `stage`, which it does not have itself."""
    info = f"max by (job, instance, stage) ({INFO}{{{CHOSEN}}})"
    return f"{process_metric} * on (job, instance) group_left (stage) {info}"


def cpu() -> list[Query]:
    """Return the query for the CPU usage of the busiest instances."""
    expression = of_stage(f"rate(process_cpu_seconds_total{WINDOW})")
    return [Query(top(10, INSTANCE, expression), INSTANCE_LEGEND)]


def top(count: int, by: str, expression: str, rank: str = "") -> str:
    """Return the `count` series with the highest values over the whole time shown.

    A plain topk chooses again at each point and can draw any number of lines. `rank` is the expression to choose by, if
    not the expression itself.
    """
    over_all = (rank or expression).replace(WINDOW, "[$__range] @ end()")
    return f"({expression}) and on ({by}) topk({count}, {over_all})"


def slowest(count: int, name: str, rank: str = "") -> str:
    """Return quantile `{ratio}` of the stages with the highest p99 of `rank`, by default `name`."""
    by_p99 = quantile(0.99, rank or name, CHOSEN, "stage")
    return top(count, "stage", quantile("{ratio}", name, CHOSEN, "stage"), by_p99)
