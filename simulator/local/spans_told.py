"""Where the spans of a run go, as a line for the terminal."""

from __future__ import annotations

import socket
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from simulator.telemetry.otlp import (
    ENDPOINT_VARIABLES,
    endpoint_of,
    endpoint_problem,
    exports,
    exports_spans,
    makes_spans,
    traces_endpoint,
)
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.proxies import proxies_for
from simulator.telemetry.telemetry_files import telemetry_file
from simulator.topology.variables import TELEMETRY_VARIABLE
from simulator.urls import redacted

_CONNECT_SECONDS = 0.5
_HTTPS_PORT, _HTTP_PORT = 443, 80


def where_spans_go(environment: Mapping[str, str], to_console: bool) -> str:
    """Return where spans go, or why they go nowhere."""
    if not makes_spans(environment):
        return "no spans are made: OTEL_SDK_DISABLED=true"
    if not exports_spans(environment) and environment.get(TELEMETRY_VARIABLE):
        return "no spans are sent to a collector"
    if not exports_spans(environment):
        return "no spans are sent: OTEL_TRACES_EXPORTER=none"
    if to_console and not any(environment.get(variable) for variable in ENDPOINT_VARIABLES):
        return "spans go to the console; set OTEL_EXPORTER_OTLP_ENDPOINT to forward them to your own collector as well"
    return _to_a_collector(environment, to_console)


def _to_a_collector(environment: Mapping[str, str], to_console: bool) -> str:
    endpoint = traces_endpoint(environment)
    shown = redacted(endpoint)
    if problem := endpoint_problem(environment):
        return f"{problem}; spans go only to the console" if to_console else f"{problem}; spans are dropped"
    if proxies_for(endpoint, environment):  # only the proxy can tell whether it answers
        shown = f"{shown} through the proxy of the environment"
    elif not collector_answers(endpoint):
        if to_console:
            return f"no collector at {shown}: spans go only to the console"
        return f"no collector at {shown}: spans are dropped; start one or set OTEL_EXPORTER_OTLP_ENDPOINT"
    return f"spans go to the console and on to {shown}" if to_console else f"spans go to {shown}"


def collector_answers(url: str, connect: Callable[..., socket.socket] = socket.create_connection) -> bool:
    """Return whether anything listens where the spans are to go; False also if that is not a URL."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or (_HTTPS_PORT if parts.scheme == "https" else _HTTP_PORT)
        connect((parts.hostname or "", port), timeout=_CONNECT_SECONDS).close()
    except (OSError, ValueError):  # a UnicodeError, for an invalid host name, is a ValueError
        return False
    return True


def where_else_telemetry_goes(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield where log records and metrics go, if they are exported, and the folder for files, if there is one."""
    for signal in (Signal.LOGS, Signal.METRICS):
        if exports(environment, signal):
            yield f"{signal.words} go to {redacted(endpoint_of(environment, signal))}"
    if folder := environment.get(TELEMETRY_VARIABLE):
        names = ", ".join(telemetry_file(Path(folder), signal).name for signal in Signal)
        yield f"telemetry is written to {folder}: {names}"
