"""The figures: title, unit, which direction is better, and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Values = Mapping[str, Sequence[float]]  # {figure: a value per round}, in seconds, bytes and per second


@dataclass(frozen=True)
class Figure:
    """One figure; a value times `scale` is in `unit`. `more_is_better` is False for a cost."""

    key: str
    title: str
    unit: str
    scale: float
    digits: int = 0
    more_is_better: bool = False


@dataclass(frozen=True)
class FigureTarget:
    """A figure's target: our median below `below`, or the ratio at least `ratio_at_least`; None means no such bound.

    `below` is in the unscaled unit, like the values.
    """

    figure: str
    below: float | None = None
    ratio_at_least: float | None = None


FIGURES = (
    Figure("stage_cpu", "CPU per message, a middle stage", "µs", 1e6),
    Figure("pipeline_rate", "highest rate, three stages", "messages/s", 1, more_is_better=True),
    Figure("pipeline_cpu", "CPU per message, three stages", "µs", 1e6),
    Figure("latency_p50", "added latency at 50/s, three stages, p50", "ms", 1e3, 1),
    Figure("latency_p99", "added latency at 50/s, three stages, p99", "ms", 1e3, 1),
    Figure("latency_floor", "latency without a stage between (subtracted above)", "ms", 1e3, 1),
    Figure("idle_memory", "resident memory, idle stage", "MB", 1e-6, 1),
    Figure("start_up", "start-up, until /readyz says 200", "s", 1, 2),
)
TARGETS = (
    FigureTarget("stage_cpu", ratio_at_least=2.0),
    FigureTarget("latency_p50", ratio_at_least=2.0),
    FigureTarget("latency_p99", ratio_at_least=2.0),
    FigureTarget("idle_memory", below=60e6),
    FigureTarget("start_up", below=1.5),
)


def ratios(figure: Figure, ours: Values, plain: Values) -> list[float]:
    """Return, round by round, how many times better ours is; below 1 it is worse."""
    pairs = zip(ours[figure.key], plain[figure.key], strict=True)
    return [mine / other if figure.more_is_better else other / mine for mine, other in pairs]


def missed_targets(ours: Values, plain: Values) -> list[str]:
    """Return a line for each missed target."""
    lines = []
    for target in TARGETS:
        figure = next(figure for figure in FIGURES if figure.key == target.figure)
        value, ratio = median(ours[figure.key]), median(ratios(figure, ours, plain))
        if target.below is not None and value >= target.below:
            lines.append(
                f"{figure.title}: {_shown(figure, value)}; the target is less than {_shown(figure, target.below)}"
            )
        if target.ratio_at_least is not None and ratio < target.ratio_at_least:
            lines.append(
                f"{figure.title}: {ratio:.2f} times better than plain; the target is {target.ratio_at_least:g}"
            )
    return lines


def _shown(figure: Figure, value: float) -> str:
    return f"{value * figure.scale:.{figure.digits}f} {figure.unit}"
