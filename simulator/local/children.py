"""The processes of a run: one per stage, started with everything it needs and told when to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from simulator.local.folder import RunFolder, create
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
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def returncode(self) -> int | None:
        """Give the exit code, negative for a signal; None while it runs or has not been started."""
        return self._process.poll() if self._process else None

    @property
    def pid(self) -> int | None:
        """Give the process id."""
        return self._process.pid if self._process else None

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
        with create(self._folder.log(self.label)) as log, create(self._folder.errors(self.label)) as errors:
            self._process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=log,
                stderr=errors,
                pass_fds=(self._listener.fileno(), parent_fd),
                env=stage_environment(environment),
                start_new_session=True,  # so that Ctrl-C reaches the runner alone, which then stops stages in order
            )
        self._listener.close()

    def last_words(self) -> str:
        """Give the end of what the process wrote to standard error."""
        return self._folder.errors(self.label).read_text(errors="replace")[-2000:].strip()

    def address(self, path: str) -> str:
        """Give the URL of a path of the stage."""
        return url_of(self.host, self.port, path)

    def terminate(self) -> None:
        """Ask the stage to finish what it has admitted and stop."""
        self._signal(signal.SIGTERM)

    def break_off(self) -> None:
        """Ask the stage, which is stopping already, to wait no longer for what it has admitted."""
        self._signal(signal.SIGUSR1)

    def kill(self) -> None:
        """Stop the process at once."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._listener.close()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the process to end; False where it takes too long."""
        if self._process is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_seconds)
        return self._process.returncode is not None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


def stage_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Give the environment for a stage of a topology: without what is meant for a stage by itself."""
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
