"""The load of an injector, from its settings: made up on a schedule, or read from a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import gevent
import gevent.fileobject

from simulator.stage.handling import Handling
from simulator.stage.injector import Injector, Watcher, bounded_lines, from_lines, made_up, open_lines
from simulator.telemetry.record import Clock, Via
from simulator.topology.model import Load, Role, Stage

_LINES_A_TURN = 256
RootSpan = Callable[[int, float], AbstractContextManager[object]]


def input_lines(path: str, max_bytes: int) -> Iterator[bytes]:
    """Give the lines of a file, or of standard input where the path is `-`."""
    if path != "-" and not Path(path).is_fifo() and not Path(path).is_char_device():
        return _in_turns(bounded_lines(open_lines(path), max_bytes))
    return _lines_in_a_thread(sys.stdin.fileno() if path == "-" else path, max_bytes)


def _in_turns(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Let everything else go on between the lines, also where none of them is a message that is waited for."""
    for number, line in enumerate(lines, 1):
        if number % _LINES_A_TURN == 0:
            gevent.sleep(0)
        yield line


def _lines_in_a_thread(source: int | str, max_bytes: int) -> Iterator[bytes]:
    """Give the lines of a pipe that may be silent for long: read in a thread, so that nothing else waits."""
    pool = gevent.get_hub().threadpool
    file = pool.apply(open, (source, "rb"), {"closefd": isinstance(source, str)})
    yield from bounded_lines(gevent.fileobject.FileObjectThread(file, "rb"), max_bytes)


def make_load(
    stage: Stage,
    name: str,
    seed: int,
    lines: Iterator[bytes] | None,
    handling: Handling,
    watcher: Watcher,
    clock: Clock,
    root_span: RootSpan,
) -> tuple[Injector, Callable[[], None]] | None:
    """Make the injector of a stage and what runs its load; None for a stage that has none of its own."""
    if stage.role is not Role.INJECTOR or (stage.load is None and lines is None):
        return None
    load = stage.load or Load()
    via = Via.SCHEDULE if lines is None else Via.INPUT
    injector = Injector(name, seed, handling, watcher, clock, root_span, gevent.spawn, via)

    def run() -> None:
        if lines is None:
            drafts = made_up(load.messages)
        else:
            drafts = from_lines(lines, watcher, stage.on_bad_line, stage.max_body_bytes, load.messages)
        schedule = load.schedule
        if schedule is None:
            injector.run_closed(drafts, min(load.concurrency, stage.workers))
        else:
            injector.run_paced(drafts, schedule)

    return injector, run
