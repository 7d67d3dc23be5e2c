"""Looking up host names, each once at a time: names that are gone must not delay those that exist.

Under gevent a look-up takes a thread, and there are few threads. Looking up the name of a stopped container may take
many seconds, if the name server asks another one that can't be reached.
"""

from __future__ import annotations

from simulator.engine.runtime import Runtime, Task
from simulator.stage.connection import Found, LookUp, look_up


class Lookups:
    """Look names up; callers that ask for the same name at the same time share one look-up and its result."""

    def __init__(self, runtime: Runtime, look_up: LookUp = look_up) -> None:
        self._runtime = runtime
        self._look_up = look_up
        self._latest: dict[tuple[str, int], Task] = {}

    def __call__(self, host: str, port: int) -> Found:
        """Return the addresses of a host. Raise OSError if it has none.

        A caller that is interrupted leaves the look-up to the others.
        """
        task = self._latest.get((host, port))
        if task is None or task.done:
            task = self._latest[host, port] = self._runtime.spawn(lambda: self._look_up(host, port))
        return task.result()  # type: ignore[return-value]
