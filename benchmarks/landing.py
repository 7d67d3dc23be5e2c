"""The figures of the last landing, kept beside the code, and whether a measurement is worse than them."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.figures import FIGURES, Figure, Measure, Values, measures

LANDED = Path(__file__).resolve().parent / "landed.json"
# A figure may be so much worse without being a regression.
TOLERANCE_RATIO = 0.05
# With fewer rounds than that, chance alone separates two measurements more than once in 70 times.
MIN_ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class Landing:
    """What was measured when a change landed: `figures` has a value per round of each judged figure."""

    commit: str | None
    date: str
    processor: str
    python: str
    figures: Mapping[str, Sequence[float]]

    @property
    def machine(self) -> tuple[str, str]:
        """Return what must be the same for figures to be comparable: the processor, and Python without its patch."""
        return self.processor, self.python.rpartition(".")[0]


def landing_of(ours: Values, plain: Values, *, commit: str | None, date: str, processor: str) -> Landing:
    """Return the landing that a measurement would be."""
    figures = {figure.key: measures(figure, ours, plain) for figure in FIGURES if figure.landed_by is not None}
    return Landing(commit=commit, date=date, processor=processor, python=platform.python_version(), figures=figures)


def read_landing(path: Path = LANDED) -> Landing | None:
    """Return the last landing, None if none was written."""
    return Landing(**json.loads(path.read_text())) if path.exists() else None


def write_landing(landing: Landing, path: Path = LANDED) -> None:
    """Make a measurement the last landing."""
    path.write_text(json.dumps(asdict(landing), indent=2) + "\n")


def regressions(now: Landing, last: Landing) -> list[str]:
    """Return a line for each figure that has become worse by more than the tolerance, and beyond noise.

    Beyond noise means that every round is worse than every round of the landing. Without a change that happens to one
    figure in 252 measurements of five rounds each (the number of ways to choose 5 of 10; Wilcoxon, "Individual
    comparisons by ranking methods", 1945). Fewer rounds than MIN_ROUNDS decide nothing.
    """
    lines = []
    for figure in FIGURES:
        before, after = last.figures.get(figure.key), now.figures.get(figure.key)
        if before is None or after is None:
            continue
        worse_ratio = _worse_ratio(figure, median(before), median(after))
        if worse_ratio > TOLERANCE_RATIO and _is_separate(figure, before, after):
            lines.append(f"{figure.title}: {_shown(figure, before)} at the last landing, {_shown(figure, after)} now")
    return lines


def comparison(now: Landing, last: Landing) -> list[tuple[str, ...]]:
    """Return the table of the judged figures, at the last landing and now."""
    rows: list[tuple[str, ...]] = [("figure", "last landing", "now", "change")]
    for figure in FIGURES:
        before, after = last.figures.get(figure.key), now.figures.get(figure.key)
        if before is None or after is None:
            continue
        worse = _worse_ratio(figure, median(before), median(after))
        word = "worse" if worse > 0 else "better"
        rows.append((figure.title, _shown(figure, before), _shown(figure, after), f"{abs(worse):.1%} {word}"))
    return rows


def _more_is_better(figure: Figure) -> bool:
    return figure.landed_by is Measure.RATIO or figure.more_is_better


def _worse_ratio(figure: Figure, before: float, after: float) -> float:
    """Return by how much it is worse, below 0 if it is better."""
    return before / after - 1 if _more_is_better(figure) else after / before - 1


def _is_separate(figure: Figure, before: Sequence[float], after: Sequence[float]) -> bool:
    if min(len(before), len(after)) < MIN_ROUNDS:
        return False
    return max(after) < min(before) if _more_is_better(figure) else min(after) > max(before)


def _shown(figure: Figure, values: Sequence[float]) -> str:
    if figure.landed_by is Measure.RATIO:
        return f"{median(values):.2f} times better than plain"
    return f"{median(values) * figure.scale:.{figure.digits}f} {figure.unit}"
