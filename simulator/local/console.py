"""The console beside a run: a process of its own, for which the run does not wait and on which it does not depend."""

from __future__ import annotations

import http.client
import importlib.util
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from simulator.errors import StartError
from simulator.extras import how_to_install
from simulator.local.child_process import ChildProcess
from simulator.net.listening import listen
from simulator.telemetry.otlp import (
    ENDPOINT_VARIABLES,
    OTLP_PREFIX,
    OTLP_SETTINGS,
    TIMEOUT_VARIABLE,
    endpoint_of,
    exports,
    otlp_prefix,
    otlp_setting,
    timeout_seconds,
)
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.run_files import CONSOLE_TOKEN_VARIABLE, RunFiles

DEFAULT_PORT = 8090
_HOST = "127.0.0.1"
_READY_SECONDS = 8.0
# It forwards to the user's collector what the last stages sent.
_STOP_SECONDS = 5.0
_TOKEN_BYTES = 16
# A console that is busy with a large request answers late, but it does answer.
_PATIENCE_SECONDS = 10.0
_MAX_LAST_WORDS = 500
# What only the console needs, so that it is not installed with everything else.
_OWN_PACKAGES = ("dash", "igraph")


class ConsoleProcess:
    """The console of one run. Use it as a context manager: it always ends with the run.

    It listens from the start, on `port`; None means the default one, or any if that is taken. With `grpc_port` it takes
    OTLP over gRPC there. Raise StartError if one of the ports is taken.
    """

    def __init__(
        self,
        files: RunFiles,
        program: Sequence[str],
        environment: Mapping[str, str],
        port: int | None,
        grpc_port: int | None = None,
    ) -> None:
        self._files = files
        self._program = program
        self._environment = environment
        self._listener = _listen(port)
        self._grpc_port = grpc_port
        if grpc_port is not None:
            listen(_HOST, grpc_port, "the console's receiver of OTLP over gRPC").close()  # grpcio listens by itself
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._process = ChildProcess(files.console_log)
        self._base = f"http://{_HOST}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> ConsoleProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._process.end(_STOP_SECONDS)

    @property
    def url(self) -> str:
        """Return the address to open, with the token for its controls."""
        return f"{self._base}/?token={self._token}"

    @property
    def log(self) -> Path:
        """Return the file of its warnings and errors."""
        return self._files.console_log

    def stage_environment(self) -> dict[str, str]:
        """Return the environment for the stages: their spans go to the console, which has the user's own settings.

        Log records and data points, which the console does not forward, go to the user's collector if there is one. A
        user who lets spans take longer than usual to arrive lets them do so on their way to the console, too.
        """
        if not any(exports(self._environment, signal) for signal in Signal):
            return dict(self._environment)
        environment = {name: text for name, text in self._environment.items() if not name.startswith(OTLP_PREFIX)}
        for signal in (Signal.LOGS, Signal.METRICS):
            environment |= _to_own_collector(self._environment, signal)
        return {**environment, ENDPOINT_VARIABLES[0]: self._base, TIMEOUT_VARIABLE: self._patience_millis()}

    def start(self, parent_fd: int) -> None:
        """Start the process; it gets the listening socket."""
        command = [*self._program, "console", str(self._files.path)]
        command += ["--listen-fd", str(self._listener.fileno()), "--parent-fd", str(parent_fd)]
        command += [] if self._grpc_port is None else ["--grpc-port", str(self._grpc_port)]
        self._process.start(
            command,
            {**self._environment, CONSOLE_TOKEN_VARIABLE: self._token},
            descriptors=(self._listener.fileno(), parent_fd),
        )

    def wait_until_ready(self) -> str | None:
        """Wait for the console to answer; return None then, or else what is wrong, which does not affect the run."""
        if self._process.wait_until(self._answers, _READY_SECONDS):
            self._listener.close()  # from here on a console that is gone refuses connections
            return None
        if not self._process.is_running:
            return f"it ended: {self._process.last_words(_MAX_LAST_WORDS) or f'see {self.log}'}"
        return f"it did not answer within {_READY_SECONDS:g} s; see {self.log}"

    def _patience_millis(self) -> str:
        own = timeout_seconds(self._environment, Signal.TRACES)
        return str(round(1000 * max(_PATIENCE_SECONDS, own or 0.0)))

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(_HOST, self._listener.getsockname()[1], timeout=1.0)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _to_own_collector(environment: Mapping[str, str], signal: Signal) -> dict[str, str]:
    """Return the user's settings for a signal as those of that signal alone; none without a collector of the user's."""
    if not exports(environment, signal):
        return {}
    own = otlp_prefix(signal)
    kept = {name: text for name, text in environment.items() if name.startswith(own)}
    if not otlp_setting(environment, "ENDPOINT", signal):
        return kept
    general = {own + name: text for name in OTLP_SETTINGS if (text := otlp_setting(environment, name, signal))}
    return {**kept, **general, f"{own}ENDPOINT": endpoint_of(environment, signal)}


def console_missing(find: Callable[[str], object] = importlib.util.find_spec) -> str:
    """Return what the console needs and is not installed, and how to get it; "" if nothing is missing."""
    missing = [package for package in _OWN_PACKAGES if not find(package)]
    if not missing:
        return ""
    return f"not installed: {' and '.join(missing)}; {how_to_install('console')}"


def grpc_missing(find: Callable[[str], object] = importlib.util.find_spec) -> str:
    """Return what OTLP over gRPC needs and is not installed, and how to get it; "" if nothing is missing."""
    return "" if find("grpc") else f"not installed: grpcio; {how_to_install('grpc')}"


def _listen(port: int | None) -> socket.socket:
    if port is not None:
        return listen(_HOST, port, "the console")
    try:
        return listen(_HOST, DEFAULT_PORT, "the console")
    except StartError:
        return listen(_HOST, 0, "the console")
