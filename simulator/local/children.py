"""The stages of a run, an object for each instance: started in a process, and asked to stop."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from simulator.local.file_limits import FileLimits
from simulator.local.stage_processes import StageProcess
from simulator.topology.addresses import url_of
from simulator.topology.variables import ENVIRONMENT_PREFIX, TELEMETRY_LIMIT_VARIABLE, TELEMETRY_VARIABLE

# Of the variables that set up a single stage, only these make sense for all of them.
_PASSED_ON = (
    *(f"{ENVIRONMENT_PREFIX}{name}" for name in ("LOG_LEVEL", "CONTROL_TOKEN", "RUN_SECRET")),
    TELEMETRY_VARIABLE,
    TELEMETRY_LIMIT_VARIABLE,
)


class Child:
    """Instance number `instance` of a stage; `label` is its name in files and messages.

    `process` is where it runs, None until it has been started.
    """

    def __init__(self, name: str, instance: int, label: str, listener: socket.socket) -> None:
        self.name = name
        self.instance = instance
        self.label = label
        self.host, self.port = listener.getsockname()[:2]
        self._listener = listener
        self.process: StageProcess | None = None

    @property
    def returncode(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs or has not been started."""
        return self.process.code_of(self.label) if self.process is not None else None

    @property
    def pid(self) -> int | None:
        """Return the id of its process; None while there is none."""
        return self.process.pid if self.process is not None else None

    @property
    def is_ready(self) -> bool:
        """Return whether it takes messages."""
        return self.process is not None and self.process.is_ready(self.label)

    def begin(self, process: StageProcess, limits: FileLimits) -> None:
        """Start in a process, which gets the listening socket, so that its port can't be taken in the meantime."""
        self.process = process
        process.begin(self.name, self.instance, self.label, limits, self._listener)
        self._listener.close()

    def last_words(self) -> str:
        """Return why it could not start, or the end of what its process wrote to standard error."""
        return self.process.last_words(self.label) if self.process is not None else ""

    def address(self, path: str) -> str:
        """Return the URL of a path of the stage."""
        return url_of(self.host, self.port, path)

    def terminate(self) -> None:
        """Ask the stage to finish what it has admitted and stop."""
        if self.process is not None:
            self.process.end(self.label)

    def close_to_others(self) -> None:
        """Ask the stage to take messages only from the stages of its circle."""
        if self.process is not None:
            self.process.close_to_others(self.label)

    def break_off(self) -> None:
        """Ask the stage, which is stopping already, to stop waiting for what it has admitted."""
        if self.process is not None:
            self.process.hurry(self.label)

    def kill(self) -> None:
        """Kill its process."""
        self._listener.close()
        if self.process is not None:
            self.process.kill()


def stage_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a stage of a topology: without what is meant for a stage on its own."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _PASSED_ON
    }


def parent_pipe() -> tuple[int, int]:
    """Return the pipe (read, write) by which the console notices that the runner is gone, however it ended."""
    read, write = os.pipe()
    os.set_inheritable(read, True)
    return read, write
