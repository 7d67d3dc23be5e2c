"""The processes of a run: one per stage, started with everything it needs and told when to stop."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from simulator.local.child_process import ChildProcess
from simulator.local.folder import RunFolder
from simulator.topology.addresses import url_of
from simulator.topology.layers import ENVIRONMENT_PREFIX

# Of the variables that set up a single stage, only these make sense for all of them.
_PASSED_ON = tuple(f"{ENVIRONMENT_PREFIX}{name}" for name in ("LOG_LEVEL", "CONTROL_TOKEN", "RUN_SECRET"))


class Child:
    """The process of a stage, or of instance number `instance` of it; `label` names its files and its end."""

    def __init__(self, name: str, instance: int, label: str, listener: socket.socket, folder: RunFolder) -> None:
        self.name = name
        self.instance = instance
        self.label = label
        self.host, self.port = listener.getsockname()[:2]
        self._listener = listener
        self._folder = folder
        self._process = ChildProcess(folder.log(label), folder.errors(label))

    @property
    def returncode(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs or has not been started."""
        return self._process.returncode

    @property
    def pid(self) -> int | None:
        """Return the process id; None before the start."""
        return self._process.pid

    def start(
        self, program: Path, parent_fd: int, environment: Mapping[str, str], stdin: int, log_limit_bytes: int
    ) -> None:
        """Start the process; it gets the listening socket, so that no one else can take its port meanwhile."""
        command = [sys.executable, str(program), "stage"]
        command += ["--topology", str(self._folder.topology), "--stage", self.name, "--instance", str(self.instance)]
        command += ["--listen-fd", str(self._listener.fileno()), "--parent-fd", str(parent_fd)]
        # Those that call it are stopped before it, so that nobody sends to it when it is asked to stop.
        command += ["--tally", str(self._folder.tally(self.label)), "--shutdown-delay", "0s"]
        command += ["--log-file", str(self._folder.log(self.label)), "--log-limit-bytes", str(log_limit_bytes)]
        self._process.start(
            command,
            stage_environment(environment),
            stdin=stdin,
            descriptors=(self._listener.fileno(), parent_fd),
        )
        self._listener.close()

    def last_words(self) -> str:
        """Return the end of what the process wrote to standard error."""
        return self._process.last_words()

    def address(self, path: str) -> str:
        """Return the URL of a path of the stage."""
        return url_of(self.host, self.port, path)

    def terminate(self) -> None:
        """Ask the stage to finish what it has admitted and stop."""
        self._process.send(signal.SIGTERM)

    def break_off(self) -> None:
        """Ask the stage, which is stopping already, to wait no longer for what it has admitted."""
        self._process.send(signal.SIGUSR1)

    def kill(self) -> None:
        """Stop the process at once."""
        self._process.kill()
        self._listener.close()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the process to end; return False where it takes too long."""
        return self._process.wait(timeout_seconds)


def stage_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a stage of a topology: without what is meant for a stage by itself."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _PASSED_ON
    }


def parent_pipe() -> tuple[int, int]:
    """Make the pipe (read, write) by which children notice that the runner is gone, however it went."""
    read, write = os.pipe()
    os.set_inheritable(read, True)
    return read, write
