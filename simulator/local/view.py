"""The view of a run: a live table on a terminal, a line every few seconds elsewhere; then the ledger."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from simulator.local.ledger import Ledger
from simulator.quoting import shortened
from simulator.telemetry.end_to_end import EndToEnd, Figures, Percentiles, Whole, WholeFigures, WholeSnapshot
from simulator.telemetry.record import SUCCESSES, Outcome
from simulator.telemetry.standing import OperationSnapshot, StageSnapshot
from simulator.units import human_duration

_PLAIN_EVERY_SECONDS = 5.0
_MAX_LINE_WIDTH = 320
_BETWEEN = " | "
_BAR_WIDTH = 40
_FRAME_LINES = 2  # of the live table: its headings and the hint
_COLOURS = {
    Outcome.REJECTED: "yellow",
    Outcome.FAULTED: "magenta",
    Outcome.INVALID: "cyan",
    Outcome.FAILED: "red",
    Outcome.BROKEN_OFF: "red",
}
_WHOLE = "end to end"
_MAX_NAME = 28  # of a kind of requests, so that a journey of several calls leaves room for its figures


@dataclass(frozen=True)
class RunSnapshot:
    """A moment of a run: a snapshot of each stage, and how those ended that should still run.

    `hurt` says which instances are gone of stages that have others left. `speed` is how many times faster than real
    time virtual time passes, None if time is real. `whole` is what requests took from end to end. `end_seconds` is how
    long the run is expected to take; None means that nobody knows.
    """

    elapsed_seconds: float
    stages: Mapping[str, StageSnapshot]
    gone: Mapping[str, str]
    hurt: Mapping[str, str] = field(default_factory=dict)
    speed: float | None = None
    whole: WholeSnapshot | None = None
    end_seconds: float | None = None

    @property
    def left_seconds(self) -> float | None:
        """Return how much of its time the run has left; None if nobody knows."""
        return None if self.end_seconds is None else max(0.0, self.end_seconds - self.elapsed_seconds)


class View(Protocol):
    """A way to show a run."""

    def open(self) -> None:
        """Start to show snapshots."""

    def show(self, snapshot: RunSnapshot) -> None:
        """Show a snapshot."""

    def close(self) -> None:
        """Show no more snapshots; the last one stays."""


class LiveView:
    """A table that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def open(self) -> None:
        """Take the bottom of the terminal."""
        self._live.start()

    def show(self, snapshot: RunSnapshot) -> None:
        """Draw the table."""
        table = live_table(snapshot, self._console.height - _FRAME_LINES)
        self._live.update(Group(table, progress_line(snapshot)), refresh=True)

    def close(self) -> None:
        """Leave the last table in place."""
        self._live.stop()


class PlainView:
    """A line every few seconds, for pipes and logs."""

    def __init__(self, console: Console, now: Callable[[], float] | None = None) -> None:
        """Measure the time between lines by `now`, or by the time of the run if that is None."""
        self._console = console
        self._now = now
        self._next_seconds = 1.0 if now is None else now() + 1.0

    def open(self) -> None:
        """Do nothing: nothing is open."""

    def show(self, snapshot: RunSnapshot) -> None:
        """Print a line if the last one is old enough."""
        now = snapshot.elapsed_seconds if self._now is None else self._now()
        if now >= self._next_seconds:
            self._next_seconds = now + _PLAIN_EVERY_SECONDS
            self._console.print(plain_line(snapshot), highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Do nothing: nothing is open."""


class Silence:
    """Show nothing: for --json, whose only output is the report."""

    def open(self) -> None:
        """Do nothing."""

    def show(self, snapshot: RunSnapshot) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def progress_line(snapshot: RunSnapshot) -> RenderableType:
    """Return the line below the table: how long it has taken, and a bar and the time left if its end is known."""
    hint = Text(f"{_elapsed(snapshot)}{_left(snapshot)}; Ctrl-C ends the run", style="dim")
    row = Table.grid(padding=(0, 2))
    if snapshot.end_seconds is None:
        row.add_row("", hint)
    else:
        done = min(snapshot.elapsed_seconds, snapshot.end_seconds)
        row.add_row("", ProgressBar(snapshot.end_seconds, done, width=_BAR_WIDTH), hint)
    return row


def plain_line(snapshot: RunSnapshot, max_width: int = _MAX_LINE_WIDTH) -> str:
    """Return a snapshot as one line: every stage if they fit, else the most important and how many are left out.

    Most important are stages that are gone or have lost instances, then those with bad outcomes, then the busiest. If
    all stages fit, and their operations fit as well, these follow each of them.
    """
    parts = {name: f"{name} {_figures(snapshot, name)}" for name in snapshot.stages}
    shown: set[str] = set()
    width = len(_line(snapshot, [], len(parts)))
    for name in sorted(parts, key=lambda name: _weight(snapshot, name), reverse=True):
        if shown and width + len(parts[name]) + len(_BETWEEN) > max_width:
            break
        shown.add(name)
        width += len(parts[name]) + len(_BETWEEN)
    if len(_line(snapshot, list(parts.values()), 0)) <= max_width:
        shown = set(parts)
        detailed = [part + _operations(snapshot, name) for name, part in parts.items()]
        if len(whole := _line(snapshot, detailed, 0)) <= max_width:
            return whole
    return _line(snapshot, [part for name, part in parts.items() if name in shown], len(parts) - len(shown))


def _line(snapshot: RunSnapshot, parts: list[str], left_out: int) -> str:
    more = [f"and {left_out} more"] if left_out else []
    end = "" if snapshot.end_seconds is None else f" of {snapshot.end_seconds:.0f}s"
    return (
        f"{snapshot.elapsed_seconds:5.0f}s{end}  {_faster(snapshot)}{_BETWEEN.join([*_whole(snapshot), *parts, *more])}"
    )


def _whole(snapshot: RunSnapshot) -> list[str]:
    """Return what requests took for the line; nothing if none has been answered."""
    if snapshot.whole is None or math.isnan(snapshot.whole.every.p50_seconds):
        return []
    every = snapshot.whole.every
    return [f"{_WHOLE} p50 {human_duration(every.p50_seconds)}, p99 {human_duration(every.p99_seconds)}"]


def _elapsed(snapshot: RunSnapshot) -> str:
    """Return the time of a run for people."""
    seconds = f"{snapshot.elapsed_seconds:.0f} s"
    return seconds if snapshot.speed is None else f"{seconds} of virtual time, {snapshot.speed:,.0f} times real time"


def _left(snapshot: RunSnapshot) -> str:
    """Return how long the run still takes, by the watch of who waits for it."""
    left = snapshot.left_seconds
    if left is None:
        return ""
    if snapshot.speed is not None:
        left = left / snapshot.speed if snapshot.speed > 0 else math.inf
    return ", stopping" if left <= 0 else f", {left:,.0f} s left" if math.isfinite(left) else ""


def _faster(snapshot: RunSnapshot) -> str:
    return "" if snapshot.speed is None else f"x{snapshot.speed:,.0f}  "


def _figures(snapshot: RunSnapshot, name: str) -> str:
    if name in snapshot.gone:
        return snapshot.gone[name].upper()
    standing = snapshot.stages[name]
    hurt = [snapshot.hurt[name].upper()] if name in snapshot.hurt else []
    figures = [_rate(standing.rate_per_second), f"p50 {human_duration(standing.p50_seconds)}"]
    figures += [
        f"p99 {human_duration(standing.p99_seconds)}",
        f"in flight {standing.in_flight}",
        *_bad(standing),
        *hurt,
    ]
    return ", ".join(figures)


def _operations(snapshot: RunSnapshot, name: str) -> str:
    """Return a stage's operations for the line, "" if it has none."""
    if name in snapshot.gone or not snapshot.stages[name].operations:
        return ""
    figures = (
        ", ".join([f"{operation} {_rate(one.rate_per_second)}", f"p99 {human_duration(one.p99_seconds)}", *_bad(one)])
        for operation, one in snapshot.stages[name].operations.items()
    )
    return f" ({'; '.join(figures)})"


def _bad(standing: OperationSnapshot) -> list[str]:
    return [f"{outcome} {n}" for outcome, n in standing.outcomes.items() if n and outcome not in SUCCESSES]


def _weight(snapshot: RunSnapshot, name: str) -> tuple[bool, int, int, float]:
    """Return the importance of a stage for a line that shows a few of many; greater is more important."""
    standing = snapshot.stages[name]
    bad = sum(count for outcome, count in standing.outcomes.items() if outcome not in SUCCESSES)
    rate = standing.rate_per_second
    return name in snapshot.gone or name in snapshot.hurt, bad, standing.in_flight, 0.0 if math.isnan(rate) else rate


def live_table(snapshot: RunSnapshot, max_rows: int | None = None) -> Table:
    """Return a snapshot as a table: stage, rate, p50, p95, p99, in flight, queue, outcomes; and what requests took.

    Each stage has its operations below it, and the requests their kinds, unless there would be more than `max_rows`.
    """
    table = _table("stage", ">rate", ">p50", ">p95", ">p99", ">in flight", ">queue", "outcomes")
    rows = sum(1 + len(standing.operations) for standing in snapshot.stages.values())
    rows += 0 if snapshot.whole is None else len(list(whole_rows(snapshot.whole)))
    for name, standing in snapshot.stages.items():
        if name in snapshot.gone:
            outcome = Text(snapshot.gone[name].upper(), style="bold red")
            table.add_row(Text(name, style="bold red"), *["-"] * 6, outcome)
            continue
        hurt = snapshot.hurt.get(name, "").upper()
        outcomes = _outcomes(standing.outcomes).append(hurt, style="bold red")
        table.add_row(Text(name, style="bold"), *_numbers(standing), str(standing.queue_depth), outcomes)
        if max_rows is None or rows <= max_rows:
            for operation, one in standing.operations.items():
                table.add_row(Text(f"  {operation}"), *_numbers(one), "", _outcomes(one.outcomes))
    if snapshot.whole is not None:
        for title, whole in whole_rows(snapshot.whole):
            if max_rows is None or rows <= max_rows or title.plain == _WHOLE:
                table.add_row(title, *_times(whole))
    return table


def _numbers(standing: OperationSnapshot) -> list[str]:
    """Return the cells of a row of the live table that stages and operations have in common."""
    return [*_times(standing), str(standing.in_flight)]


def _times(figures: OperationSnapshot | WholeFigures) -> list[str]:
    times = (figures.p50_seconds, figures.p95_seconds, figures.p99_seconds)
    return [_rate(figures.rate_per_second), *map(human_duration, times)]


def whole_rows(whole: Whole[Figures]) -> Iterator[tuple[Text, Figures]]:
    """Yield the name and the figures of all requests, of their kinds if there are several, and of accepted work."""
    yield Text(_WHOLE, style="bold"), whole.every
    if len(whole.requests) > 1:
        yield from ((Text(f"  {shortened(name, _MAX_NAME)}"), figures) for name, figures in whole.requests.items())
    yield from ((Text(f"accepted by {name}", style="bold"), figures) for name, figures in whole.accepted.items())


def stages_table(rows: Iterable[tuple[str, str, str, str]]) -> Table:
    """Return the table of the stages that are up: name, role, address, delay."""
    table = _table("stage", "role", "address", "delay")
    for name, role, address, delay in rows:
        table.add_row(Text(name, style="bold"), role, Text(address), Text(delay))
    return table


def ledger_tables(ledger: Ledger, latencies: Mapping[str, Percentiles], whole: EndToEnd) -> Group:
    """Return the tables of the account at the end of a run."""
    # Most runs end without broken-off messages, and need the width.
    shown = [o for o in Outcome if o is not Outcome.BROKEN_OFF or any(line.broken_off for line in ledger.stages)]
    headings = (f">{outcome.replace('_', ' ')}" for outcome in shown)
    stages = _table("stage", ">received", *headings, ">in flight", ">missed")
    for line in ledger.stages:
        of_it = [one for one in ledger.operations if one.stage == line.stage]
        for row, name in (
            (line, Text(line.stage, style="bold")),
            *((one, Text(f"  {one.operation}")) for one in of_it),
        ):
            numbers = [row.received, *(getattr(row, outcome) for outcome in shown), row.in_flight]
            # What a schedule missed came to no operation.
            stages.add_row(name, *map(_number, numbers), "" if row.operation else _number(row.missed))
    calls = _table("call", ">sent", ">answered", ">with error", ">unreachable", ">in doubt", ">received", "")
    for call in ledger.calls:
        counts = (call.sent, call.answered, call.answered_with_error, call.unreachable, call.in_doubt, call.received)
        mark = Text("balanced", style="green") if call.balanced else Text("DOES NOT BALANCE", style="bold red")
        calls.add_row(Text(f"{call.caller} -> {call.target}", style="bold"), *map(_number, counts), mark)
    return Group(stages, Text(), calls, Text(), _latency_table(latencies, whole))


def _latency_table(latencies: Mapping[str, Percentiles], whole: EndToEnd) -> Table:
    table = _table("latency", ">p50", ">p95", ">p99", ">max")
    of_stages = ((Text(name, style="bold"), found) for name, found in latencies.items())
    for name, found in (*of_stages, *whole_rows(whole)):
        cells = (human_duration(math.nan if seconds is None else seconds) for seconds in found.values())
        table.add_row(name, *cells)
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(heading.removeprefix(">"), justify="right" if heading[:1] == ">" else "left", no_wrap=True)
    return table


def _rate(per_second: float) -> str:
    return "-" if math.isnan(per_second) else f"{per_second:.1f}/s"


def _number(count: int | None) -> str:
    if count is None:
        return "unknown"
    return str(count) if count else "."


def _outcomes(outcomes: Mapping[str, int]) -> Text:
    text = Text()
    for outcome, count in outcomes.items():
        if count:
            text.append(f"{outcome} {count}  ", style=_COLOURS.get(Outcome(outcome), "green"))
    return text
