"""A process of stages: started, run until it is asked to stop, and shut down in order.

It must be imported after gevent has patched the standard library, which its commands ensure.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import gevent
import gevent.event

from simulator.errors import ConfigurationError, StartError
from simulator.net.channel import Channel
from simulator.net.open_files import allow_many_files
from simulator.stage.assembly import Surroundings
from simulator.stage.hosting import Host
from simulator.stage.siblings import Siblings
from simulator.telemetry.log_file import LogBound
from simulator.telemetry.run_files import RunFiles
from simulator.topology.settings import StageSettings

Resolve = Callable[[str, int], StageSettings]


def run_stages(
    stages: Iterable[tuple[StageSettings, Surroundings]],
    environment: Mapping[str, str],
    siblings: Siblings | None = None,
) -> int:
    """Run stages until SIGTERM, SIGINT or SIGHUP, and return the exit code. Raise StartError if one can't start.

    With `siblings`, other processes are in the same container, and the end of their parent ends this one.
    """
    allow_many_files()
    host = Host(environment, siblings)
    for settings, surroundings in stages:
        host.add(settings.name, settings, surroundings)
    stop = _StopRequest(host)
    if siblings is not None:
        stop.after(siblings.wait_for_end_of_parent)
    host.begin()
    stop.wait()
    host.end_all(stop.by_orchestrator)
    return int(host.has_failed)


def run_stages_for_runner(channel: Channel, folder: Path, resolve: Resolve, environment: Mapping[str, str]) -> int:
    """Run the stages that a runner asks for over a channel until it has stopped them all, or is gone.

    The runner sends `{"begin": {"stage", "instance", "label", "log_limit_bytes", "truth_limit_bytes"}}` with a
    listening socket, `{"end": label}`, `{"close": label}` and `{"hurry": label}`, and receives `{"ready": label}`,
    `{"ended": label, "code": exit code}`, or `{"failed": label, "error": text}` if a stage could not start.
    `resolve(stage, instance)` returns its settings.
    """
    allow_many_files()
    host = Host(environment)
    stop = _StopRequest(host)
    stop.after(lambda: _obey(channel, host, stop, RunFiles(folder), resolve))
    stop.wait()
    host.end_all(stop.by_orchestrator, lambda label, code: channel.send({"ended": label, "code": code}))
    return int(host.has_failed)


class _StopRequest:
    """SIGTERM, SIGINT, SIGHUP or the end of the runner that started this process.

    A second SIGTERM or SIGINT ends the process at once. A second SIGHUP does not: a terminal that is closed may send
    it twice, once by its shell. If SIGHUP is ignored from the start, as with `nohup`, it stays ignored. SIGUSR1 means
    that the time for what was admitted is up. `by_orchestrator` means that it was SIGTERM: other clients may still send
    to the stages for a while.
    """

    def __init__(self, host: Host) -> None:
        self._event = gevent.event.Event()
        self._error: Exception | None = None
        self.by_orchestrator = False
        gevent.signal_handler(signal.SIGUSR1, host.hurry_all)
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, self._on_signal, number)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            gevent.signal_handler(signal.SIGHUP, self._event.set)

    def make(self) -> None:
        """Request the stop."""
        self._event.set()

    def after(self, function: Callable[[], None]) -> None:
        """Call a function in the background, and request the stop when it returns or raises."""

        def call() -> None:
            try:
                function()
            except Exception as error:  # noqa: BLE001 - `wait` raises it
                self._error = error
            self._event.set()

        gevent.spawn(call)

    def wait(self) -> None:
        """Wait until the stop is requested. Raise what the function in the background raised."""
        self._event.wait()
        if self._error is not None:
            raise self._error

    def _on_signal(self, number: int) -> None:
        if self._event.is_set():
            os._exit(130)
        self.by_orchestrator = number == signal.SIGTERM
        self._event.set()


def _obey(channel: Channel, host: Host, stop: _StopRequest, files: RunFiles, resolve: Resolve) -> None:
    """Follow the runner's requests until the stages have ended or the runner is gone."""

    def tell_end(label: str, code: int) -> None:
        channel.send({"ended": label, "code": code})
        if host.is_over:
            stop.make()

    while (received := channel.receive()) is not None:
        message, descriptors = received
        if "begin" in message:
            _begin(message["begin"], descriptors[0], channel, host, files, resolve)
        elif "end" in message:
            host.end(message["end"], tell_end)
        elif "close" in message:
            host.close_to_others(message["close"])
        elif "hurry" in message:
            host.hurry(message["hurry"])


def _begin(
    wanted: dict[str, Any], listen_fd: int, channel: Channel, host: Host, files: RunFiles, resolve: Resolve
) -> None:
    label = wanted["label"]
    truth_limit_bytes = wanted["truth_limit_bytes"]
    surroundings = Surroundings(
        listen_fd,
        files.tally(label),
        LogBound(files.log(label), wanted["log_limit_bytes"]),
        None if truth_limit_bytes is None else LogBound(files.truth_rows_of(label), truth_limit_bytes),
    )
    try:
        host.add(label, resolve(wanted["stage"], wanted["instance"]), surroundings)
    except (ConfigurationError, StartError) as error:
        channel.send({"failed": label, "error": str(error)})
    for started in host.begin():
        channel.send({"ready": started})
