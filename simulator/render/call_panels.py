"""The panels about the calls of the chosen stages: attempts, breakers, ejected instances."""

from __future__ import annotations

from simulator.render.expressions import CALL, CHOSEN, WINDOW, quantile, rate, top
from simulator.render.panel_parts import Panel
from simulator.render.panels_over_time import Look, time_series
from simulator.render.queries import Query
from simulator.telemetry.catalogue import metrics

_ATTEMPT, _OPERATION = metrics.ATTEMPT_DURATION.exposed, metrics.DATABASE_DURATION.exposed
_DATABASE, _DATABASE_LEGEND = (
    "stage, db_system_name, db_operation_name",
    "{{stage}} → {{db_system_name}} {{db_operation_name}}",
)
_LINE, _LINE_LEGEND = "stage, downstream", "{{stage}} → {{downstream}}"
# Of what is measured by operation; for a stage without any the last label is empty.
_CALL, _CALL_LEGEND = f"{_LINE}, {metrics.DOWNSTREAM_OPERATION}", f"{_LINE_LEGEND} {{{{downstream_operation}}}}"


def call_panels() -> tuple[Panel, ...]:
    """Return the panels of the chosen stages' calls: their rate, attempts and outcomes."""
    attempts, calls = rate(f"{_ATTEMPT}_count", CHOSEN, _CALL), rate(f"{CALL}_count", CHOSEN, _CALL)
    failed = rate(f"{CALL}_count", f'{CHOSEN}, outcome!="ok"', f"{_CALL}, outcome")
    nobody = "the chosen stages call no other"
    return (
        time_series(
            "Attempts and calls",
            "Calls per second, and their attempts: where the lines diverge, calls are retried, hedged, or "
            "(with fewer attempts than calls) stopped by a breaker. With many, the 5 with the most attempts.",
            "reqps",
            [
                Query(top(5, _CALL, calls, attempts), f"{_CALL_LEGEND} calls"),
                Query(top(5, _CALL, attempts), f"{_CALL_LEGEND} attempts"),
            ],
            Look(empty=nobody),
        ),
        time_series(
            "Attempts per call",
            "1 is no retry. Retries multiply from level to level. With many, the 10 highest.",
            "short",
            [Query(top(10, _CALL, f"{attempts} / {calls}"), _CALL_LEGEND)],
            Look(limits=(1.2, 2), empty=nobody),
        ),
        time_series(
            "Failed calls",
            "Calls per second with any outcome but ok, after all retries. With many, the 10 most frequent.",
            "reqps",
            [Query(top(10, f"{_CALL}, outcome", failed), f"{_CALL_LEGEND} {{{{outcome}}}}")],
            Look(empty="every call succeeded"),
        ),
    )


def call_panels_in_depth() -> tuple[Panel, ...]:
    """Return the panels of the attempts' durations, and of the instances that are not called."""
    open_now = f"sum by ({_LINE}) (max_over_time({metrics.BREAKERS_OPEN.exposed}{{{CHOSEN}}}{WINDOW}))"
    ejections = f"sum by ({_LINE}) (increase({metrics.EJECTIONS.exposed}{{{CHOSEN}}}{WINDOW}))"
    resends = f"sum by ({_LINE}) (increase({metrics.RESENDS.exposed}{{{CHOSEN}}}{WINDOW}))"
    return (
        time_series(
            "Duration of attempts",
            "p99 of the attempts. With many, the 10 slowest. Each dot is a message and opens its trace.",
            "s",
            [Query(top(10, _CALL, quantile(0.99, _ATTEMPT, CHOSEN, _CALL)), _CALL_LEGEND, True)],
            Look(empty="the chosen stages call no other"),
        ),
        time_series(
            "Database calls",
            "p99 of each operation of the databases and caches that the chosen stages call, as they see it. With many, "
            "the 10 slowest.",
            "s",
            [Query(top(10, _DATABASE, quantile(0.99, _OPERATION, CHOSEN, _DATABASE)), _DATABASE_LEGEND)],
            Look(empty="the chosen stages call no database"),
        ),
        time_series(
            "Breakers open",
            "Circuit breakers that are not closed: while they are open, no attempt is made.",
            "short",
            [Query(top(10, _LINE, open_now), _LINE_LEGEND)],
            Look(limits=(1,), empty="the chosen stages call no other"),
        ),
        time_series(
            "Instances ejected",
            "How often an instance of a downstream could not be reached and was left out for a while (outlier "
            "ejection), and how often a request was sent again because an idle connection had been closed.",
            "short",
            [
                Query(top(10, _LINE, ejections), _LINE_LEGEND),
                Query(top(10, _LINE, resends), f"{_LINE_LEGEND}, sent again"),
            ],
            Look(limits=(1,), empty="every instance was reachable"),
        ),
    )
