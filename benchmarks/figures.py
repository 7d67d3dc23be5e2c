"""The figures: title, unit, which direction is better, goal, and how they are compared with the last landing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

Values = Mapping[str, Sequence[float]]  # {figure: a value per round}, in seconds, bytes and per second


class Measure(Enum):
    """What of a figure is compared between two measurements: the ratio to the plain program, or our value itself."""

    RATIO = "ratio"
    VALUE = "value"


@dataclass(frozen=True)
class Figure:
    """One figure; a value times `scale` is in `unit`. `more_is_better` is False for a cost.

    `landed_by` says what of it is compared with the last landing, None if it is not.
    """

    key: str
    title: str
    unit: str
    scale: float
    digits: int = 0
    more_is_better: bool = False
    landed_by: Measure | None = Measure.RATIO


@dataclass(frozen=True)
class Goal:
    """A figure's goal: our median below `below` or at least `at_least`, or the ratio at least `ratio_at_least`.

    None means no such bound. `below` and `at_least` are in the unscaled unit, like the values.
    """

    figure: str
    below: float | None = None
    at_least: float | None = None
    ratio_at_least: float | None = None


FIGURES = (
    Figure("stage_cpu", "CPU per message, a middle stage", "µs", 1e6),
    Figure("pipeline_rate", "highest rate, three stages", "messages/s", 1, more_is_better=True),
    Figure("pipeline_cpu", "CPU per message, three stages", "µs", 1e6),
    Figure("latency_p50", "added latency at 50/s, three stages, p50", "ms", 1e3, 1),
    Figure("latency_p99", "added latency at 50/s, three stages, p99", "ms", 1e3, 1),
    Figure("latency_floor", "latency without a stage between (subtracted above)", "ms", 1e3, 1, landed_by=None),
    Figure("idle_memory", "resident memory, idle stage", "MB", 1e-6, 1, landed_by=Measure.VALUE),
    Figure("start_up", "start-up, until /readyz says 200", "s", 1, 2),
)
# Of one injector alone, which has nothing beside it.
INJECTOR_FIGURES = (
    Figure(
        "injector_rate",
        "rate that one injector keeps, p99 of its lag below 10 ms",
        "messages/s",
        1,
        more_is_better=True,
    ),
    Figure("injector_lag_p50", "its lag at 200/s, p50", "ms", 1e3, 2),
    Figure("injector_lag_p99", "its lag at 200/s, p99", "ms", 1e3, 2),
    Figure("injector_most", "most messages that it starts in a second", "messages/s", 1, more_is_better=True),
    Figure("injector_cpu", "CPU per message of the injector", "µs", 1e6),
)
# What the truth of a message adds to a middle stage.
TRUTH_FIGURES = (
    Figure("truth_cpu", "CPU per message of the truth, by itself", "µs", 1e6, 1),
    Figure("truth_share", "its share of the CPU of a middle stage", "%", 100, 1),
)
GOALS = (
    Goal("stage_cpu", ratio_at_least=4.0),
    Goal("pipeline_rate", ratio_at_least=4.0),
    Goal("latency_p50", ratio_at_least=2.0),
    Goal("latency_p99", ratio_at_least=4.0),
    Goal("idle_memory", below=60e6),
    Goal("start_up", below=1.5),
    Goal("truth_share", below=0.05),
    Goal("injector_rate", at_least=2000.0),
)


def ratios(figure: Figure, ours: Values, plain: Values) -> list[float]:
    """Return, round by round, how many times better ours is; below 1 it is worse."""
    pairs = zip(ours[figure.key], plain[figure.key], strict=True)
    return [mine / other if figure.more_is_better else other / mine for mine, other in pairs]


def measures(figure: Figure, ours: Values, plain: Values) -> list[float]:
    """Return, round by round, what of a figure is compared with the last landing."""
    return list(ours[figure.key]) if figure.landed_by is Measure.VALUE else ratios(figure, ours, plain)


def goals_table(ours: Values, plain: Values) -> list[tuple[str, ...]]:
    """Return the table of the goals: what is wanted, what was measured, and whether the goal is reached.

    `ours` has the figures of the truth and of the injector, too.
    """
    rows: list[tuple[str, ...]] = [("goal", "wanted", "measured", "")]
    for goal in GOALS:
        figure = next(figure for figure in (*FIGURES, *TRUTH_FIGURES, *INJECTOR_FIGURES) if figure.key == goal.figure)
        if goal.below is not None:
            value = median(ours[figure.key])
            wanted, shown, reached = f"below {_shown(figure, goal.below)}", _shown(figure, value), value < goal.below
            rows.append((figure.title, wanted, shown, _word(reached)))
        if goal.at_least is not None:
            value = median(ours[figure.key])
            wanted, shown = f"at least {_shown(figure, goal.at_least)}", _shown(figure, value)
            rows.append((figure.title, wanted, shown, _word(value >= goal.at_least)))
        if goal.ratio_at_least is not None:
            ratio = median(ratios(figure, ours, plain))
            wanted, shown = f"{goal.ratio_at_least:g} times better than plain", f"{ratio:.2f} times"
            rows.append((figure.title, wanted, shown, _word(ratio >= goal.ratio_at_least)))
    return rows


def _word(reached: bool) -> str:
    return "reached" if reached else "not yet"


def _shown(figure: Figure, value: float) -> str:
    return f"{value * figure.scale:.{figure.digits}f} {figure.unit}"
