"""The command `compare`: read two runs, compare them, show it, and return the exit code."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from simulator.errors import ConfigurationError, TruthError
from simulator.proof.compare.judgement import DEFAULT_BOUNDS, Bounds, Change, compare_figures
from simulator.proof.compare.measures import METRICS, measure
from simulator.proof.compare.shown import comparison_json, comparison_table, listed, markdown, summary
from simulator.proof.compare.side import check_same_system, configuration_differences, open_side
from simulator.proof.truth.reading import import_duckdb
from simulator.quoting import quoted
from simulator.units import parse_duration, parse_ratio

_LEAST_SECONDS = 0.001  # in real time: what timers and the scheduler of a machine add from run to run
_RELATIVE = ("p50", "p90", "p99", "rate")


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """What the command line asked for; `least` of None is a millisecond in real time, and nothing in virtual time."""

    before: Path
    after: Path
    bounds: Sequence[str] = ()
    metrics: Collection[str] = ()
    least: str | None = None
    seed: int = 1
    anyway: bool = False


def compare_runs(request: CompareRequest, out: Console, as_json: bool, as_markdown: bool) -> int:
    """Compare two runs, print what changed, and return 1 if there is a regression.

    Raise TruthError if the truth of a run can't be read, ConfigurationError if a bound can't be.
    """
    ratios = bounds_of(request.bounds)
    least_seconds = None if request.least is None else _seconds(request.least)
    duckdb = import_duckdb()
    with open_side(request.before, request.anyway) as one, open_side(request.after, request.anyway) as other:
        if not request.anyway:
            check_same_system(one, other)
        differences = configuration_differences(one, other)
        is_real = not (one.manifest.is_virtual and other.manifest.is_virtual)
        least = (_LEAST_SECONDS if is_real else 0.0) if least_seconds is None else least_seconds
        try:
            figures = [measure(side, request.seed) for side in (one, other)]
        except duckdb.Error as error:
            raise TruthError(f"the truth can't be read: {error}") from None
    bounds = Bounds(ratios=ratios, least_seconds=least)
    found = compare_figures(figures[0], figures[1], bounds, request.metrics or METRICS)
    if not found:
        raise TruthError("the runs have no figure in common: no message was handled in one of them, or none of these")
    if as_json:
        out.print(json.dumps(comparison_json(found, differences), indent=2), markup=False, soft_wrap=True)
    elif as_markdown:
        out.print(markdown(found, differences), end="", markup=False, soft_wrap=True)
    else:
        for line in listed(differences):
            out.print(line, markup=False, style="dim", soft_wrap=True)
        out.print(comparison_table(found))
        out.print(summary(found), markup=False)
    return int(any(one.change is Change.REGRESSION for one in found))


def bounds_of(texts: Sequence[str]) -> Mapping[str, float]:
    """Return the bound of each metric from `5%`, for times and rate, or `errors=0.5%`, in the order given."""
    bounds: dict[str, float] = dict(DEFAULT_BOUNDS)
    for text in texts:
        name, equals, value = text.rpartition("=")
        if equals and name not in METRICS:
            raise ConfigurationError.of(f"{quoted(name)} is not one of {', '.join(METRICS)}", "flag --bound")
        ratio = _ratio(value)
        bounds |= dict.fromkeys([name] if equals else _RELATIVE, ratio)
    return bounds


def _ratio(text: str) -> float:
    try:
        return parse_ratio(text)
    except ValueError as error:
        raise ConfigurationError.of(str(error), "flag --bound") from None


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigurationError.of(str(error), "flag --least") from None
