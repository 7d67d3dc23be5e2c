"""The stages' logs, read from their files: the lines of one trace, and the last lines of a stage.

There is no index: a file is nearly in the order of time, so the lines of a given time are found by bisection, and it is
never read as a whole. The files are being written, and may end in half a line, be truncated, or be gone. A full one
has become the older log beside the new one.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import orjson

from simulator.console.logs.line import ShownLine
from simulator.console.turns import Turns
from simulator.telemetry.run_files import older_log

# Concurrent requests write their lines out of order by less than this.
_MARGIN_SECONDS = 2.0
_MAX_LINE_BYTES = 32 * 1024
_MAX_FILE_SCANNED_BYTES = 64 * 2**20
# Over all files: a stage may have many instances, and a system many stages.
_MAX_SCANNED_BYTES = 256 * 2**20
_MAX_TAIL_BYTES = 4 * 2**20
_BLOCK_BYTES = 2**20
_STEPS_A_BLOCK = 50
_TAIL_BLOCK_BYTES = 64 * 1024
# Nearly always the next line begins in the first piece; the second one skips what another program has written.
_PROBES_BYTES = (8 * 1024, 256 * 1024)
_CLOSE_BYTES = 16 * 1024
_LATEST_UNIX_SECONDS = 253_402_300_799.0  # the end of the year 9999
# The stages write the time first and in one format, so that its text sorts like the time.
_TIMESTAMP = re.compile(rb'\n\{"timestamp": ?"(\d{4}-\d\d-\d\dT[\d:.]+Z)"')


def lines_of_trace(
    files: Mapping[str, Path],
    trace_id: str,
    start_unix_seconds: float,
    end_unix_seconds: float,
    limit: int = 500,
    turns: Turns | None = None,
) -> list[ShownLine]:
    """Return the lines with a trace's id that were written in its time: the earliest `limit`, in order.

    `files` are by label. A file that can't be read has no lines. Reading takes `turns` with other work.
    """
    if not trace_id:
        return []
    turns = turns or Turns()
    max_bytes = min(_MAX_FILE_SCANNED_BYTES, _MAX_SCANNED_BYTES // max(1, len(files)))
    first = _timestamp(start_unix_seconds - _MARGIN_SECONDS)
    last = _timestamp(end_unix_seconds + _MARGIN_SECONDS)
    found: list[ShownLine] = []
    for label, path in files.items():
        chosen = trace_id.encode(), (first, last), max_bytes, turns
        found_in_files = (_raw_lines_with(one, *chosen) for one in (older_log(path), path))
        raws = turns.over(itertools.chain.from_iterable(found_in_files))
        lines = (read_line(raw, label) for raw in raws)
        fitting = (line for line in lines if line is not None and line.fields.get("trace_id") == trace_id)
        found += itertools.islice(fitting, limit)
    return sorted(found, key=lambda line: line.unix_seconds)[:limit]


def last_lines(path: Path, count: int, label: str | None = None) -> list[ShownLine]:
    """Return the last lines of a log, oldest first; none if the file is gone. `label` defaults to the file's name."""
    name = path.stem if label is None else label
    found: list[ShownLine] = []
    for raw in itertools.chain(_raw_lines_from_end(path), _raw_lines_from_end(older_log(path))):
        if len(found) >= count:
            break
        line = read_line(raw, name)
        if line is not None:
            found.append(line)
    return found[::-1]


def read_line(raw: bytes, label: str) -> ShownLine | None:
    """Return a parsed line; None if it is too long, or not a JSON object with a time."""
    if len(raw) > _MAX_LINE_BYTES:
        return None
    try:
        fields = orjson.loads(raw)
        timestamp = fields.pop("timestamp")
        unix_seconds = datetime.fromisoformat(timestamp).timestamp()
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError):
        return None
    level, event = str(fields.pop("level", "")), str(fields.pop("event", ""))
    return ShownLine(timestamp, unix_seconds, level, event, label, fields)


def _timestamp(unix_seconds: float) -> bytes:
    """Return a time in the format of the stages."""
    bounded = min(max(0.0, unix_seconds), _LATEST_UNIX_SECONDS)
    return datetime.fromtimestamp(bounded, UTC).isoformat(timespec="microseconds")[:-6].encode() + b"Z"


def _raw_lines_with(
    path: Path, needle: bytes, times: tuple[bytes, bytes], max_bytes: int, turns: Turns
) -> Iterator[bytes]:
    """Yield the lines that contain a text and were written between two times, and some around them."""
    first, last = times
    try:
        with path.open("rb") as file:
            descriptor = file.fileno()
            size = os.fstat(descriptor).st_size
            start, _ = _bisect(descriptor, size, first)
            _, end = _bisect(descriptor, size, last)
            # The line around the end is read as a whole.
            end = min(size, end + _MAX_LINE_BYTES, start + max_bytes)
            for block in _blocks(descriptor, start, end):
                yield from _lines_with(block, needle)
                turns.step(_STEPS_A_BLOCK)
    except OSError:
        return


def _bisect(descriptor: int, size: int, wanted: bytes) -> tuple[int, int]:
    """Return two close offsets: lines before the first are earlier than `wanted`, lines after the second are not."""
    low, high = 0, size
    while high - low > _CLOSE_BYTES:
        middle = (low + high) // 2
        seen = _next_timestamp(descriptor, middle, high)
        if seen is None or seen >= wanted:
            high = middle
        else:
            low = middle
    return low, high


def _next_timestamp(descriptor: int, start: int, end: int) -> bytes | None:
    """Return the time of the first line that begins after `start`; None if there is none nearby before `end`."""
    for probe_bytes in _PROBES_BYTES:
        found = _TIMESTAMP.search(os.pread(descriptor, min(probe_bytes, end - start), start))
        if found is not None:
            return found[1]
    return None


def _blocks(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes between two offsets in blocks of whole lines, except the very first and last line."""
    rest = b""
    for offset in range(start, end, _BLOCK_BYTES):
        block = rest + os.pread(descriptor, min(_BLOCK_BYTES, end - offset), offset)
        whole = block.rfind(b"\n") + 1
        yield block[:whole]
        rest = block[whole:] if len(block) - whole <= _MAX_LINE_BYTES else b""
    yield rest


def _lines_with(block: bytes, needle: bytes) -> Iterator[bytes]:
    position = block.find(needle)
    while position >= 0:
        begin = block.rfind(b"\n", 0, position) + 1
        end = block.find(b"\n", position)
        end = len(block) if end < 0 else end
        yield block[begin:end]
        position = block.find(needle, end)


def _raw_lines_from_end(path: Path) -> Iterator[bytes]:
    """Yield the lines from the last one backwards, up to a limit."""
    try:
        with path.open("rb") as file:
            size = offset = os.fstat(file.fileno()).st_size
            rest = b""
            while offset > max(0, size - _MAX_TAIL_BYTES):
                length = min(_TAIL_BLOCK_BYTES, offset)
                offset -= length
                rest, *lines = (os.pread(file.fileno(), length, offset) + rest).split(b"\n")
                yield from reversed(lines)
                rest = rest if len(rest) <= _MAX_LINE_BYTES else b""
            yield rest
    except OSError:
        return
