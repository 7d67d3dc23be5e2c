"""Stopping a run's stages: callers before the stages that they call, within a time limit, with progress reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from simulator.local.children import Child
from simulator.topology.draining import waits_for
from simulator.topology.model import Topology

_POLL_SECONDS = 0.02
_QUIET_LOOKS = 2
_FIRST_WORD_SECONDS, _NEXT_WORD_SECONDS = 1.0, 5.0
# What a stage may take after the limit: it breaks off what is not done, and flushes telemetry and logs.
_AFTER_BOUND_SECONDS = 14.0
_KILL_SECONDS = 5.0


class Ending:
    """The end of a run within `bound_seconds`, from when this is made.

    `in_flight()` returns the messages in each stage, `tell(text)` shows what it is waiting for, and `look(seconds)`
    waits for news of the stages.
    """

    def __init__(
        self,
        topology: Topology,
        bound_seconds: float,
        in_flight: Callable[[], Mapping[str, int]],
        tell: Callable[[str], None],
        look: Callable[[float], None],
    ) -> None:
        self._topology = topology
        self._bound_seconds = bound_seconds
        self._in_flight = in_flight
        self._tell = tell
        self._look = look
        self._deadline = time.monotonic() + bound_seconds
        self._next_word = time.monotonic() + _FIRST_WORD_SECONDS

    def close_circles(self, children: Sequence[Child], in_flight: Callable[[Child], int]) -> None:
        """Have stages that call each other take no more messages of others, and wait until they have none.

        Each may be called by the others as long as one of these has a message, so that all have to finish before the
        first one is stopped.
        """
        running = [child for child in children if child.returncode is None]
        for child in running:
            child.close_to_others()
        quiet = 0
        # Twice in a row: between two looks at different stages a message can get from one to the other.
        while running and quiet < _QUIET_LOOKS and (now := time.monotonic()) < self._deadline:
            is_busy = any(child.returncode is None and in_flight(child) for child in running)
            quiet = 0 if is_busy else quiet + 1
            self._say_at_times(now, self._deadline)
            self._look(_POLL_SECONDS)

    def stop(self, children: Iterable[Child]) -> list[Child]:
        """Ask stages to stop and wait for them; return those whose processes had to be killed."""
        waited_for = [child for child in children if child.returncode is None]
        for child in waited_for:
            child.terminate()
        if self._wait(waited_for, self._deadline):
            return []
        for child in waited_for:
            child.break_off()
        # Counted from now: a stage whose callers took the whole time has as long to stop as they had.
        if self._wait(waited_for, time.monotonic() + _AFTER_BOUND_SECONDS):
            return []
        stuck = [child for child in waited_for if child.returncode is None]
        for child in stuck:
            child.kill()
        self._wait(stuck, time.monotonic() + _KILL_SECONDS)
        return stuck

    def _wait(self, children: Sequence[Child], deadline: float) -> bool:
        """Wait for the end of stages; return whether all ended in time."""
        while any(child.returncode is None for child in children):
            now = time.monotonic()
            if now >= deadline:
                return False
            self._say_at_times(now, deadline)
            self._look(_POLL_SECONDS)
        return True

    def _say_at_times(self, now: float, deadline: float) -> None:
        if now < self._next_word:
            return
        self._next_word = now + _NEXT_WORD_SECONDS
        left_seconds = deadline - now
        waited = waits_for(self._topology, self._in_flight())
        if waited:
            what = ", ".join(f"{n} message{'' if n == 1 else 's'} in {name}" for name, n in waited.items())
            self._tell(f"waiting for {what} (up to {left_seconds:.0f} s; Ctrl-C again stops at once)")
