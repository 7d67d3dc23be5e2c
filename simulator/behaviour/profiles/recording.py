"""Arrivals that were recorded somewhere: rows of CSV, each with its seconds and, if it stands for several, how many."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simulator.quoting import quoted
from simulator.units import parse_duration

MAX_ROWS = 1_000_000
MAX_SECONDS = 366 * 24 * 3600.0
_MAX_MESSAGES = 10**9
_HEADINGS = (["seconds"], ["seconds", "messages"])


@dataclass(frozen=True)
class Recording:
    """The seconds of every row, in order, and how many messages there are up to each, this one included."""

    seconds: array[float]
    messages: array[float]


# From a path as written to the whole path and what is in the file.
ReadRecording = Callable[[str], tuple[str, Recording]]


def no_recording(path: str) -> tuple[str, Recording]:
    """Refuse to read a file: the reader for places that know no files."""
    raise ValueError(f"a file can't be read here: {path}")


def read_recording(lines: Iterable[str]) -> Recording:
    """Return what is recorded in lines of CSV: `seconds` or `seconds,messages`, with or without these headings.

    Blank lines and those that begin with # are skipped. Raise ValueError with the line's number for anything else, and
    for rows that are not in order.
    """
    seconds, messages = array("d"), array("d")
    last, total = 0.0, 0.0
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.split(",")]
        if cells == [""] or cells[0].startswith("#") or (not seconds and cells in _HEADINGS):
            continue
        try:
            at, count = _row(cells)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if at < last:
            raise ValueError(f"line {number}: {at:g} comes after {last:g}: the rows must be in order of their seconds")
        if len(seconds) == MAX_ROWS:
            raise ValueError(f"line {number}: it has more than {MAX_ROWS} rows: let a row stand for several messages")
        last, total = at, total + count
        seconds.append(at)
        messages.append(total)
    if not total:
        raise ValueError("it has no arrivals")
    return Recording(seconds, messages)


def _row(cells: list[str]) -> tuple[float, int]:
    if len(cells) > 2:
        raise ValueError(f"{len(cells)} values in a row: write seconds, or seconds,messages")
    return _seconds(cells[0]), _messages(cells[1]) if len(cells) == 2 else 1


def _seconds(text: str) -> float:
    try:
        # By far the most usual; a duration with a unit is read as everywhere.
        found = math.nan if "_" in text else float(text)
    except ValueError:
        found = parse_duration(text)
    if not 0 <= found <= MAX_SECONDS:
        raise ValueError(f"{quoted(text)} is not a number of seconds from 0 to {MAX_SECONDS:.0f}")
    return found


def _messages(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= _MAX_MESSAGES):
        raise ValueError(f"{quoted(text)} is not a whole number of messages from 0 to {_MAX_MESSAGES}")
    return int(text)
