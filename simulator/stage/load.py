"""The input of an injector, from a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import gevent
import gevent.fileobject

from simulator.engine.drafts import bounded_lines
from simulator.stage.input_file import open_lines
from simulator.topology.model import Stage

_LINES_A_TURN = 256


def input_lines(path: str, max_bytes: int) -> Iterator[bytes]:
    """Return the lines of a file, or of standard input if the path is `-`."""
    if path != "-" and not Path(path).is_fifo() and not Path(path).is_char_device():
        return _in_turns(bounded_lines(open_lines(path), max_bytes))
    return _lines_in_a_thread(sys.stdin.fileno() if path == "-" else path, max_bytes)


def pool_of(stage: Stage) -> Iterator[bytes]:
    """Return the lines from which an injector's messages are drawn. Raise StartError if they can't be read."""
    if stage.load is None or stage.load.messages_from is None:
        return iter(())
    return bounded_lines(open_lines(stage.load.messages_from), stage.max_body_bytes)


def _in_turns(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Let everything else run between the lines, even if none of them is a message that has to be waited for."""
    for number, line in enumerate(lines, 1):
        if number % _LINES_A_TURN == 0:
            gevent.sleep(0)
        yield line


def _lines_in_a_thread(source: int | str, max_bytes: int) -> Iterator[bytes]:
    """Yield the lines of a pipe that may be silent for long; a thread reads it, so that nothing else waits."""
    pool = gevent.get_hub().threadpool
    file = pool.apply(open, (source, "rb"), {"closefd": isinstance(source, str)})
    yield from bounded_lines(gevent.fileobject.FileObjectThread(file, "rb"), max_bytes)
