"""The panels about what the chosen stages call: attempts, breakers, instances passed over."""

from __future__ import annotations

from simulator.render.expressions import CALL, CHOSEN, WINDOW, quantile, rate, top
from simulator.render.panel_parts import Panel
from simulator.render.panels_over_time import Look, time_series
from simulator.render.queries import Query

_ATTEMPT = "simulator_downstream_attempt_duration_seconds"
_LINE, _LINE_LEGEND = "stage, downstream", "{{stage}} → {{downstream}}"


def call_panels() -> tuple[Panel, ...]:
    """Draw how often the chosen stages call others, in how many attempts, and how it ends."""
    attempts, calls = rate(f"{_ATTEMPT}_count", CHOSEN, _LINE), rate(f"{CALL}_count", CHOSEN, _LINE)
    ended_badly = rate(f"{CALL}_count", f'{CHOSEN}, outcome!="ok"', f"{_LINE}, outcome")
    nobody = "the stages chosen call nobody"
    return (
        time_series(
            "Attempts and calls",
            "Calls per second, and the attempts that they took: where the lines part, calls are retried, hedged, or "
            "(with fewer attempts than calls) stopped by a breaker. With many, the 5 with the most attempts.",
            "reqps",
            [
                Query(top(5, _LINE, calls, attempts), f"{_LINE_LEGEND} calls"),
                Query(top(5, _LINE, attempts), f"{_LINE_LEGEND} attempts"),
            ],
            Look(empty=nobody),
        ),
        time_series(
            "Attempts per call",
            "1 is no retry. Retries multiply from level to level. With many, the 10 highest.",
            "short",
            [Query(top(10, _LINE, f"{attempts} / {calls}"), _LINE_LEGEND)],
            Look(limits=(1.2, 2), empty=nobody),
        ),
        time_series(
            "Calls that did not end well",
            "Calls per second that ended in anything but ok, after all retries. With many, the 10 most frequent.",
            "reqps",
            [Query(top(10, f"{_LINE}, outcome", ended_badly), f"{_LINE_LEGEND} {{{{outcome}}}}")],
            Look(empty="every call ended well"),
        ),
    )


def call_panels_in_depth() -> tuple[Panel, ...]:
    """Draw how long the attempts take, and what keeps instances from being called."""
    open_now = f"sum by ({_LINE}) (max_over_time(simulator_breakers_open{{{CHOSEN}}}{WINDOW}))"
    ejections = f"sum by ({_LINE}) (increase(simulator_downstream_ejections_total{{{CHOSEN}}}{WINDOW}))"
    resends = f"sum by ({_LINE}) (increase(simulator_downstream_resends_total{{{CHOSEN}}}{WINDOW}))"
    return (
        time_series(
            "Duration of attempts",
            "p99 of each try. With many, the 10 slowest. Each dot is a message and opens its trace.",
            "s",
            [Query(top(10, _LINE, quantile(0.99, _ATTEMPT, CHOSEN, _LINE)), _LINE_LEGEND, True)],
            Look(empty="the stages chosen call nobody"),
        ),
        time_series(
            "Breakers open",
            "Circuit breakers that are not closed: while they are open, no try is made.",
            "short",
            [Query(top(10, _LINE, open_now), _LINE_LEGEND)],
            Look(limits=(1,), empty="the stages chosen call nobody"),
        ),
        time_series(
            "Instances passed over",
            "How often an instance of a downstream could not be reached and was passed over for a while, and how often "
            "a request was sent once more because an idle connection had been closed.",
            "short",
            [
                Query(top(10, _LINE, ejections), _LINE_LEGEND),
                Query(top(10, _LINE, resends), f"{_LINE_LEGEND}, sent once more"),
            ],
            Look(limits=(1,), empty="every instance could be reached"),
        ),
    )
