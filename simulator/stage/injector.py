"""The injector's own messages: made up on an open schedule, or read from a JSON Lines file."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from simulator.behaviour.draws import FIRST_VISIT, message_id
from simulator.behaviour.payloads import CONTENT_TYPE, payload
from simulator.behaviour.schedules import RunningSchedule, Schedule, arrival_draw
from simulator.errors import MessageError, Rejected, StartError
from simulator.stage.handling import Handling
from simulator.stage.json_text import json_flaw, without_mark
from simulator.stage.message import Message
from simulator.stage.travel import Due
from simulator.telemetry.record import OUTSIDE, Clock, Via
from simulator.topology.model import OnBadLine
from simulator.units import format_size

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK_BYTES = 2**16
_AROUND_A_LINE_BYTES = 3 + 1 + 1  # a byte order mark, the line's end, and one that is too much
_MAX_LINE_BYTES = 256 * 10**6
# Waited for piece by piece: at a tiny rate the next message is further off than any timer can count.
_MAX_WAIT_SECONDS = 3600.0
Spawn = Callable[[Callable[[], None]], object]


class Watcher(Protocol):
    """Who is told how the schedule is kept and the input goes."""

    def due(self, lag_seconds: float) -> None:
        """Hear that a message was due, and how late it was begun."""

    def missed(self) -> None:
        """Hear that a due message found no room."""

    def line(self) -> None:
        """Hear that a line of the input was read."""

    def bad_line(self, number: int, reason: str) -> None:
        """Hear that a line was not JSON, or too long."""

    def finished(self) -> None:
        """Hear that no further message will come, and that all have been answered."""


@dataclass(frozen=True)
class Draft:
    """A message to be sent: its number, counted from 1, and its body."""

    number: int
    body: bytes


class Injector:
    """Send drafts, paced or a number at a time; every one is handled as a message that came by POST is."""

    def __init__(
        self,
        stage: str,
        seed: int,
        handling: Handling,
        watcher: Watcher,
        clock: Clock,
        root_span: Callable[[int, float], AbstractContextManager[object]],
        spawn: Spawn,
        via: Via,
    ) -> None:
        self._stage = stage
        self._seed = seed
        self._handling = handling
        self._watcher = watcher
        self._clock = clock
        self._root_span = root_span
        self._spawn = spawn
        self._via = via
        self._wake = threading.Event()
        self._stopped = False
        self._schedule: Schedule | None = None
        self._under_way = 0
        self._idle = threading.Event()
        self._idle.set()

    def stop(self) -> None:
        """Begin no further message."""
        self._stopped = True
        self._wake.set()

    @property
    def is_paced(self) -> bool:
        """Tell whether messages are sent at a rate."""
        return self._schedule is not None

    def repace(self, schedule: Schedule) -> None:
        """Send by another schedule, which begins now."""
        self._schedule = schedule
        self._wake.set()

    def run_paced(self, drafts: Iterator[Draft], schedule: Schedule) -> None:
        """Send each draft when it is due, whatever became of the ones before; return when all are answered.

        A schedule that has no further message ends the load, as the last draft does.
        """
        self._schedule = schedule
        running = RunningSchedule(schedule, self._clock.monotonic())
        for draft in drafts:
            turn = self._wait_for_turn(draft.number, running)
            if turn is None or self._stopped:
                break
            running = turn
            lag = self._clock.monotonic() - turn.due_at
            self._watcher.due(lag)
            self._begin(draft, turn.due_at, self._clock.unix_ns() - int(lag * 1e9), lag)
        self._finish()

    def run_closed(self, drafts: Iterator[Draft], concurrency: int) -> None:
        """Send `concurrency` drafts at a time, the next when one is answered; return when all are."""
        turn = threading.Semaphore(concurrency)
        for draft in drafts:
            turn.acquire()
            if self._stopped:
                break
            self._watcher.due(0.0)
            self._begin(draft, self._clock.monotonic(), self._clock.unix_ns(), 0.0, turn.release)
        self._finish()

    def _begin(
        self, draft: Draft, due_at: float, due_ns: int, lag: float, done: Callable[[], None] = lambda: None
    ) -> None:
        self._under_way += 1
        self._idle.clear()
        self._spawn(lambda: self._send(draft, due_at, due_ns, lag, done))

    def _send(self, draft: Draft, due_at: float, due_ns: int, lag: float, done: Callable[[], None]) -> None:
        try:
            with self._root_span(due_ns, lag):
                self._handling.handle(self._message(draft, due_at, due_ns))
        except Rejected:
            self._watcher.missed()
        except MessageError:
            pass  # told by the record, as every end of a handling is
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
            done()

    def _message(self, draft: Draft, due_at: float, due_ns: int) -> Message:
        ident = message_id(self._seed, self._stage, draft.number)
        due = Due(due_ns / 1e9, due_at)
        body = draft.body or payload(draft.number, ident, _rfc3339(due_ns))
        return Message(ident, FIRST_VISIT, OUTSIDE, self._via, CONTENT_TYPE, len(body), due, lambda: body)

    def _wait_for_turn(self, number: int, running: RunningSchedule) -> RunningSchedule | None:
        """Wait until message `number` is due, and return the schedule at it; None where it is not to be sent."""
        u = arrival_draw(self._seed, self._stage, number)
        start = running.due_at
        while not self._stopped and (schedule := self._schedule) is not None:
            if schedule is not running.schedule:
                running = RunningSchedule(schedule, start)
            turn = running.next(u)
            if turn is None:
                return None
            while not self._stopped and schedule is self._schedule:
                left = turn.due_at - self._clock.monotonic()
                # Also where there is nothing to wait for: who is behind the schedule must let others run.
                if self._wake.wait(min(max(0.0, left), _MAX_WAIT_SECONDS)):
                    self._wake.clear()
                elif left <= 0:
                    return turn
            # Another schedule: what is left of the old gap is forgotten.
            start = self._clock.monotonic()
        return None

    def _finish(self) -> None:
        self._idle.wait()
        if not self._stopped:
            self._watcher.finished()


def made_up(messages: int | None) -> Iterator[Draft]:
    """Give `messages` drafts, None meaning no end, whose bodies are made when they are sent."""
    number = 0
    while messages is None or number < messages:
        number += 1
        yield Draft(number, b"")


def from_lines(
    lines: Iterator[bytes], watcher: Watcher, on_bad_line: OnBadLine, max_body_bytes: int, messages: int | None
) -> Iterator[Draft]:
    """Give a draft for each line, numbered as in the file; blank lines are passed over."""
    taken = number = 0
    numbered = enumerate(lines, 1)
    # The count is looked at before a line is asked for: on a pipe the next one may never come.
    while messages is None or taken < messages:
        try:
            number, line = next(numbered, (0, b""))
        except EndlessLine as error:
            watcher.line()
            watcher.bad_line(number + 1, str(error))
            return
        if not line:
            return
        # A byte order mark is the file's, and no part of its first message.
        body = (without_mark(line) if number == 1 else line).removesuffix(b"\n")
        if not body.strip():
            continue
        watcher.line()
        reason = _flaw(body, max_body_bytes)
        if reason is None:
            taken += 1
            yield Draft(number, body)
            continue
        watcher.bad_line(number, reason)
        if on_bad_line is OnBadLine.STOP:
            return


def open_lines(path: str) -> BinaryIO:
    """Open a file of lines. Raise StartError where that can't be done."""
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise StartError(f"the input file {path} can't be read: {error.strerror}") from None


class EndlessLine(Exception):
    """Say that a line of the input has no end within reason, as in a device or a file that is no text."""


def bounded_lines(file: BinaryIO, max_bytes: int) -> Iterator[bytes]:
    """Give a file's lines; of one that has more than `max_bytes` only the beginning, too long by a few bytes.

    Raise EndlessLine where the end of a line is not found.
    """
    while line := file.readline(max_bytes + _AROUND_A_LINE_BYTES):
        whole, passed_bytes = line.endswith(b"\n"), len(line)
        while not whole and (rest := file.readline(_CHUNK_BYTES)):
            whole = rest.endswith(b"\n")
            passed_bytes += len(rest)
            if passed_bytes > _MAX_LINE_BYTES + max_bytes:
                raise EndlessLine(f"it has no end within {format_size(_MAX_LINE_BYTES)}; the input is read no further")
        yield line


def _flaw(body: bytes, max_body_bytes: int) -> str | None:
    if len(body) > max_body_bytes:
        return f"it has more than max_body ({max_body_bytes} bytes)"
    if body.startswith(_UTF16_MARKS):
        return "it is in UTF-16: save the file as UTF-8"
    flaw = json_flaw(body)
    return None if flaw is None else f"not JSON: {flaw}"


def _rfc3339(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
