"""Lines from the stages' files and from OTLP as one list.

A stage may write the same line to its standard output, which is its file, and send it by OTLP. Then it is shown once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from simulator.console.logs.line import ShownLine

# The two have the same time, but one may be rounded and the other cut.
_SAME_SECONDS = 0.0005
_Kind = tuple[str, str, str]


def merged(written: Sequence[ShownLine], received: Sequence[ShownLine], stages: Mapping[str, str]) -> list[ShownLine]:
    """Return all lines in the order of their times, each received line that is also `written` left out.

    `stages` has the stage of each label that a written line has.
    """
    times: dict[_Kind, list[float]] = defaultdict(list)
    for line in sorted(written, key=lambda line: line.unix_seconds, reverse=True):
        times[_kind_of(line, stages.get(line.label, line.label))].append(line.unix_seconds)
    others = [line for line in sorted(received, key=lambda line: line.unix_seconds) if not _is_among(line, times)]
    return sorted([*written, *others], key=lambda line: line.unix_seconds)


def _is_among(line: ShownLine, times: dict[_Kind, list[float]]) -> bool:
    """Return whether a line was written at this time, too; that written line has no other double."""
    left = times.get(_kind_of(line, line.label))
    while left and left[-1] < line.unix_seconds - _SAME_SECONDS:
        left.pop()
    if not left or left[-1] > line.unix_seconds + _SAME_SECONDS:
        return False
    left.pop()
    return True


def _kind_of(line: ShownLine, service: str) -> _Kind:
    return service, line.event, line.span_id
