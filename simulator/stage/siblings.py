"""Several processes of stages in one container: a parent forks them, passes signals on, and ends when one of them does.

The parent waits without gevent: its event loop must not have run before a fork. Whatever asks the container to stop
asks the parent, because each process has a session of its own: Ctrl-C would otherwise reach it twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import mmap
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence

import gevent
import gevent.os
from gevent import monkey

from simulator.quoting import listed
from simulator.topology.settings import StageSettings

_POLL_SECONDS = 0.05


class Siblings:
    """The processes of a container, made before they are forked, and shared by all of them.

    `parent` is the end of a pipe that nobody writes to; it is closed with the parent. `names` are those of all stages.
    """

    def __init__(self, parent: int, names: Iterable[str]) -> None:
        self._parent = parent
        self._lock = _make_lock()
        self._places = {name: place for place, name in enumerate(names, 1)}
        # A byte for each stage that has ended; the first one says that the parent was asked to stop.
        self._board = mmap.mmap(-1, len(self._places) + 1)

    def wait_for_end_of_parent(self) -> None:
        """Return when the parent is gone, whatever ended it; other greenlets run in the meantime."""
        gevent.os.make_nonblocking(self._parent)
        gevent.os.nb_read(self._parent, 1)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Keep the others from writing: lines in a pipe that several processes write to would be torn."""
        fcntl.lockf(self._lock, fcntl.LOCK_EX)  # the system unlocks it if this process is killed
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def stop(self) -> None:
        """Say that all of them stop, so that they wait for each other."""
        self._board[0] = 1

    def has_ended(self, name: str) -> None:
        """Say that a stage has ended."""
        self._board[self._places[name]] = 1

    def wait_for(self, names: Iterable[str]) -> None:
        """Return when these stages have ended, those that are here; at once if only this process was asked to stop."""
        places = [self._places[name] for name in names if name in self._places]
        while self._board[0] and not all(self._board[place] for place in places):
            gevent.sleep(_POLL_SECONDS)


def run_in_processes(shares: Sequence[list[StageSettings]], run: Callable[[list[StageSettings], Siblings], int]) -> int:
    """Fork a process for each share, and return the exit code of the first that failed when all have ended; 0 if none.

    In the forked process `run(share, siblings)` is called, and what it returns is returned. Where one ends unasked, the
    others are asked to stop.
    """
    waited = {signal.SIGCHLD, *_passed_on()}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    reading, writing = os.pipe()
    siblings = Siblings(reading, [settings.name for share in shares for settings in share])
    gc.collect()
    gc.freeze()
    children: dict[int, list[str]] = {}
    for share in shares:
        pid = monkey.get_original("os", "fork")()
        if pid == 0:
            os.close(writing)
            os.setsid()
            gevent.reinit()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return run(share, siblings)
        children[pid] = [settings.name for settings in share]
    return _wait(children, siblings, waited)


def _passed_on() -> set[signal.Signals]:
    """Return the signals that stages know; where SIGHUP is ignored, as `nohup` has it, it stays ignored."""
    known = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1}
    return known if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else known | {signal.SIGHUP}


def _make_lock() -> int:
    if sys.platform == "linux":  # a container may have nothing that can be written to
        return os.memfd_create("lines")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _wait(children: dict[int, list[str]], siblings: Siblings, waited: set[signal.Signals]) -> int:
    """Return the exit code when all children, {process: names of its stages}, have ended."""
    code, stopping = 0, False
    while children:
        number = signal.sigwait(waited)
        if number != signal.SIGCHLD:
            stopping = stopping or number != signal.SIGUSR1
            _send(children, siblings, number)
            continue
        for names, status in _ended(children):
            code = code or (status if status >= 0 else 128 - status)
            for name in names:
                siblings.has_ended(name)
            if not stopping:
                sys.stderr.write(f"the process of {listed(names)} has ended with {status}: the others stop\n")
                stopping = True
                _send(children, siblings, signal.SIGTERM)
    return code


def _ended(children: dict[int, list[str]]) -> Iterator[tuple[list[str], int]]:
    """Yield the stages of each child that has ended and its exit code, negative for a signal, and forget it."""
    with contextlib.suppress(ChildProcessError):
        while (found := monkey.get_original("os", "waitpid")(-1, os.WNOHANG))[0]:
            pid, status = found
            if pid in children:  # as the first process of a container, it also gets those that others have left
                yield children.pop(pid), os.waitstatus_to_exitcode(status)


def _send(children: Iterable[int], siblings: Siblings, number: int) -> None:
    if number != signal.SIGUSR1:
        siblings.stop()
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
