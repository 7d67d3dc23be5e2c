"""A process beside the runner: started with its output in files, probed, and stopped within a time limit."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from simulator.local.folder import create

_POLL_SECONDS = 0.02
_KILL_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


class ChildProcess:
    """A process that is started here. It is in a session of its own, so that Ctrl-C reaches only the runner.

    What it writes goes to the file `output`, standard error to `errors` if that is given.
    """

    def __init__(self, output: Path, errors: Path | None = None) -> None:
        self.output = output
        self._errors = errors
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id; None before the start."""
        return self._process.pid if self._process else None

    @property
    def returncode(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs or has not been started."""
        return self._process.poll() if self._process else None

    @property
    def is_running(self) -> bool:
        """Return whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        stdin: int = subprocess.DEVNULL,
        descriptors: Sequence[int] = (),
        ends_with_parent: bool = False,
    ) -> None:
        """Start the process; `environment` of None is the runner's, and `descriptors` stay open in it.

        With `ends_with_parent` the kernel sends it SIGTERM when the runner is gone, for a program that does not watch
        for that itself. Raise StartError if a file can't be created, OSError if the program can't be started.
        """
        before = functools.partial(_end_with_parent, os.getpid()) if ends_with_parent else None
        with contextlib.ExitStack() as files:
            output = files.enter_context(create(self.output))
            errors = files.enter_context(create(self._errors)) if self._errors is not None else output
            self._process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=output,
                stderr=errors,
                pass_fds=descriptors,
                env=environment,
                start_new_session=True,
                preexec_fn=before,  # noqa: PLW1509 - it only calls the kernel
            )

    def wait_until(self, is_ready: Callable[[], bool], timeout_seconds: float) -> bool:
        """Return True as soon as it is ready; False if it ends before, or is not ready in time."""
        deadline = time.monotonic() + timeout_seconds
        while self.is_running and time.monotonic() < deadline:
            if is_ready():
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def last_words(self, max_characters: int = 2000) -> str:
        """Return the end of what it wrote to standard error; "" if it wrote nothing."""
        with contextlib.suppress(OSError):
            return (self._errors or self.output).read_text(errors="replace").strip()[-max_characters:]
        return ""

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self._process is not None and self.is_running:
            self._process.send_signal(number)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for its end; return False if that takes too long."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_seconds)
        return not self.is_running

    def terminate(self) -> None:
        """Ask it to end, also if it is stopped (SIGSTOP)."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def end(self, timeout_seconds: float) -> None:
        """Ask it to end, and kill it if it does not in time."""
        self.terminate()
        if not self.wait(timeout_seconds):
            self.kill()


def _end_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_KILL_WITH_PARENT, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
