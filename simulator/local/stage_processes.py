"""The processes of a run's stages: forked by one that has imported everything, controlled, and observed."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from simulator.local.child_process import ChildProcess
from simulator.local.file_limits import FileLimits
from simulator.local.folder import RunFolder, create
from simulator.net.channel import Channel
from simulator.telemetry.run_files import RunFiles

# The fork server's command line is padded to hold that of a stage's process, which `ps` shows in the same place.
_ROOM_CHARACTERS = 2000
_END_SECONDS = 5.0
_MAX_LAST_WORDS = 2000
# The exit code of a process whose parent, the fork server, is gone, so that it is not known.
UNKNOWN_CODE = 256


class StageProcess:
    """A process of one or more stages; it ends by itself when all of them have ended, or when the runner is gone.

    `pid` is None until the fork server has sent it, `returncode`, negative for a signal, until the process has ended.
    """

    def __init__(self, channel: Channel, errors: Path) -> None:
        self._errors_file = errors
        self.pid: int | None = None
        self.returncode: int | None = None
        self._channel = channel
        self._ready: set[str] = set()
        self._codes: dict[str, int] = {}
        self._errors: dict[str, str] = {}
        self._is_to_be_killed = False

    def begin(self, stage: str, instance: int, label: str, limits: FileLimits, listener: socket.socket) -> None:
        """Start a stage, which gets the listening socket; from then on its port ends with the process."""
        order = {"stage": stage, "instance": instance, "label": label, **asdict(limits)}
        self._channel.send({"begin": order}, [listener.fileno()])

    def end(self, label: str) -> None:
        """Ask a stage to finish what it has admitted and stop."""
        self._channel.send({"end": label})

    def close_to_others(self, label: str) -> None:
        """Ask a stage to take messages only from the stages of its circle."""
        self._channel.send({"close": label})

    def hurry(self, label: str) -> None:
        """Ask a stage that is stopping to wait no longer for what it has admitted."""
        self._channel.send({"hurry": label})

    def kill(self) -> None:
        """Kill the process, now or as soon as its id is known."""
        self._is_to_be_killed = True
        if self.pid is not None and self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def was_forked(self, pid: int) -> None:
        """Record the process id."""
        self.pid = pid
        if self._is_to_be_killed:
            self.kill()

    def is_ready(self, label: str) -> bool:
        """Return whether a stage takes messages, and the id of its process is known."""
        return label in self._ready and self.pid is not None

    def code_of(self, label: str) -> int | None:
        """Return the exit code of a stage, its own if it ended before its process; None while it runs."""
        return self._codes.get(label, self.returncode)

    def last_words(self, label: str) -> str:
        """Return why a stage could not start, or the end of what its process wrote to standard error."""
        said = self._errors.get(label, "")
        return said or self._errors_file.read_text(errors="replace").strip()[-_MAX_LAST_WORDS:]

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is news."""
        return self._channel.fileno()

    def take_news(self) -> bool:
        """Read what the process has sent; return False if there will be no more."""
        for message, _ in self._channel.received():
            if "ready" in message:
                self._ready.add(message["ready"])
            elif "ended" in message:
                self._codes[message["ended"]] = message["code"]
            elif "failed" in message:
                self._codes[message["failed"]] = 2
                self._errors[message["failed"]] = message["error"]
        return not self._channel.is_closed

    def close(self) -> None:
        """Close the channel; a process that still runs ends, as it does when the runner is gone."""
        self._channel.close()


class StageProcesses:
    """The fork server of a run, and the processes that it has made.

    `trouble` says how the fork server ended, if it did so early: its children go on, but no more of them can be forked,
    and how they end is not known. Use it as a context manager: no process is ever left behind.
    """

    def __init__(self, folder: RunFolder, program: Sequence[str], environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._program = program
        self._environment = environment
        self._server = ChildProcess(folder.fork_server_log)
        ours, self._theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._unanswered: deque[StageProcess] = deque()
        self._processes: list[StageProcess] = []
        self._by_descriptor: dict[int, StageProcess] = {}
        self._poll = select.poll()
        self.trouble = ""

    def start(self) -> None:
        """Start the fork server; do not wait the second that it takes until it can fork."""
        with self._theirs:
            command = [*self._program, "fork-server", str(self._folder.path)]
            command += ["--socket", str(self._theirs.fileno()), " " * _ROOM_CHARACTERS]
            self._server.start(command, self._environment, descriptors=[self._theirs.fileno()])
        self._poll.register(self._channel, select.POLLIN)

    def __enter__(self) -> StageProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        running = [process for process in self._processes if process.returncode is None]
        for process in running:
            process.kill()
        deadline = time.monotonic() + _END_SECONDS
        while any(process.returncode is None for process in running) and time.monotonic() < deadline:
            self.look(deadline - time.monotonic())
        for process in self._processes:
            process.close()
        self._channel.close()
        self._theirs.close()
        self._server.end(_END_SECONDS)

    def fork(self, name: str, stages: Sequence[str], stdin: int, errors: Path) -> StageProcess:
        """Ask for a process, and return it; orders can be given at once. `stdin` may be `subprocess.DEVNULL`.

        `ps` shows it under `name`, as the process of these stages, as far as the system lets it.
        """
        command = [*self._program, "stage", "--topology", str(RunFiles(self._folder.path).topology)]
        command += [word for stage in stages for word in ("--stage", stage)]
        ours, theirs = socket.socketpair()
        with theirs, create(errors) as output, contextlib.ExitStack() as open_files:
            if stdin == subprocess.DEVNULL:
                stdin = open_files.enter_context(Path(os.devnull).open("rb")).fileno()
            streams = [stdin, output.fileno(), output.fileno()]
            self._channel.send({"fork": name, "command": command}, [theirs.fileno(), *streams])
        process = StageProcess(Channel(ours), errors)
        self._unanswered.append(process)
        self._processes.append(process)
        self._by_descriptor[process.fileno()] = process
        self._poll.register(process, select.POLLIN)
        return process

    def look(self, timeout_seconds: float) -> None:
        """Wait for news, for at most this time, and read it."""
        for descriptor, _ in self._poll.poll(max(0.0, timeout_seconds) * 1000):
            process = self._by_descriptor.get(descriptor)
            if process is None:
                self._on_server_message()
            elif not process.take_news():
                self._poll.unregister(descriptor)
                if self.trouble:
                    self._give_up(process)

    def _on_server_message(self) -> None:
        for message, _ in self._channel.received():
            if "pid" in message:
                self._unanswered.popleft().was_forked(message["pid"])
            elif "ended" in message:
                self._process_of(message["ended"]).returncode = message["status"]
        if self._channel.is_closed:
            self._poll.unregister(self._channel)
            self._server.wait(_END_SECONDS)
            self.trouble = self._how_server_ended()
            for process in self._processes:
                if not process.take_news():
                    self._give_up(process)

    def _process_of(self, pid: int) -> StageProcess:
        # The newest: the number may have been that of an earlier one.
        return next(process for process in reversed(self._processes) if process.pid == pid)

    def _give_up(self, process: StageProcess) -> None:
        """Record that a process is gone whose exit code can't be known."""
        if process.returncode is None:
            process.returncode = UNKNOWN_CODE

    def _how_server_ended(self) -> str:
        code = self._server.returncode
        how = how_it_ended(code) if code is not None else "closed its socket"
        words = self._server.last_words()
        return f"the process that forks the stages {how}" + (f"\n{words}" if words else "")


def how_it_ended(code: int) -> str:
    """Return how a process ended: its exit code, or the signal if the code is negative."""
    if code == UNKNOWN_CODE:
        return "ended (its exit code is not known)"
    return f"was killed ({_signal_name(-code)})" if code < 0 else f"ended (exit code {code})"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
