"""What is missing in a run's logs, truth and traces: counted where it was lost, and reported at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.local.supervisor import Result
from simulator.telemetry.run_files import RunFiles
from simulator.telemetry.tally import SPANS_FORWARDED, SPANS_OFFERED, TallyReader

_MAX_NAMED = 5


def reported_losses(result: Result, files: RunFiles) -> Iterator[str]:
    """Yield what is missing in logs, truth and traces, and why, as lines for the terminal."""
    for label, count in result.log_lines_dropped.items():
        if count:
            yield f"{label}: {_counted(count, 'log line')} could not be written and were dropped"
    for label, count in result.log_lines_deleted.items():
        if count:
            yield f"{label}: the oldest {_counted(count, 'log line')} were deleted; --log-limit keeps more"
    for label, count in result.truth_rows_dropped.items():
        if count:
            yield f"{label}: {_counted(count, 'row')} of the truth could not be written and were dropped"
    for label, count in result.truth_rows_deleted.items():
        if count:
            yield f"{label}: the oldest {_counted(count, 'row')} of the truth were deleted; --truth-limit keeps more"
    if total := sum(result.spans_dropped.values()):
        shares = _shares(result.spans_dropped)
        yield f"{_counted(total, 'span')} did not arrive where spans go ({shares}): the logs in {files.logs} say why"
    for noun, counts in (("log record", result.log_records_dropped), ("data point", result.data_points_dropped)):
        if total := sum(counts.values()):
            where = f"did not arrive where they are exported to ({_shares(counts)})"
            yield f"{_counted(total, noun)} {where}: the logs in {files.logs} say why"
    if count := spans_not_forwarded(files):
        yield f"{_counted(count, 'span')} reached the console, but not your collector: see {files.console_log}"


def spans_not_forwarded(files: RunFiles) -> int:
    """Return how many spans reached the console and not the user's collector, once the console has ended.

    0 if it forwards none.
    """
    try:
        reader = TallyReader(files.console_tally)
    except (OSError, ValueError):  # it ended before it created the file
        return 0
    try:
        counts = reader.counts()
    finally:
        reader.close()
    return counts.get(SPANS_OFFERED, 0) - counts.get(SPANS_FORWARDED, 0)


def _shares(counts: Mapping[str, int]) -> str:
    largest = sorted(((count, label) for label, count in counts.items() if count), key=lambda share: -share[0])
    named = [f"{label} {count:,}" for count, label in largest[:_MAX_NAMED]]
    more = [f"and {len(largest) - _MAX_NAMED} more processes"] if len(largest) > _MAX_NAMED else []
    return ", ".join(named + more)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
