"""The table of verdicts at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from simulator.behaviour.thresholds import written
from simulator.behaviour.verdicts import Verdict, human_value
from simulator.units import format_duration


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """Return the table: what is measured, its bound, what was observed, of how many messages, and the verdict."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("threshold", "bound", "observed", "messages", ""):
        is_number = heading in ("bound", "observed", "messages")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=bool(heading))
    for verdict in verdicts:
        table.add_row(Text(verdict.threshold.left_side, style="bold"), *_numbers(verdict), _verdict(verdict))
    return table


def _numbers(verdict: Verdict) -> tuple[str, str, str]:
    threshold = verdict.threshold
    bound = f"{threshold.operator} {written(threshold.bound, threshold.unit)}"
    observed = "-" if verdict.observed is None else human_value(verdict.observed, threshold.unit)
    return bound, observed, str(verdict.messages)


def _verdict(verdict: Verdict) -> Text:
    if verdict.reason:
        return Text(f"BROKEN: {verdict.reason}", style="bold red")
    text = Text("kept", style="green") if verdict.kept else Text("BROKEN", style="bold red")
    if verdict.windows is not None:
        length = format_duration(verdict.threshold.over_seconds or 0.0)
        windows = f"{verdict.windows} window{'' if verdict.windows == 1 else 's'} of {length}"
        text.append(f" in {windows if verdict.kept else f'{verdict.broken_windows} of {windows}'}")
    if verdict.first_broken_seconds is not None:
        text.append(f", first at {verdict.first_broken_seconds:.4g} s")
    return text
