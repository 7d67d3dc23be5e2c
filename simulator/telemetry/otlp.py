"""Where spans, log records and metrics go, by OpenTelemetry's own variables of the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from simulator.telemetry.otlp_signal import Signal
from simulator.urls import redacted

DEFAULT_ENDPOINT, DEFAULT_GRPC_ENDPOINT = "http://127.0.0.1:4318", "http://127.0.0.1:4317"
# The prefix of all the settings of the OTLP exporter: endpoint, headers, certificate, timeout, compression.
OTLP_PREFIX = "OTEL_EXPORTER_OTLP_"
ENDPOINT_VARIABLES = (f"{OTLP_PREFIX}ENDPOINT", f"{OTLP_PREFIX}TRACES_ENDPOINT")
TIMEOUT_VARIABLE = f"{OTLP_PREFIX}TIMEOUT"
# What can be set beside the endpoint, for all signals or for one.
OTLP_SETTINGS = (
    "HEADERS",
    "TIMEOUT",
    "COMPRESSION",
    "PROTOCOL",
    "INSECURE",
    "CERTIFICATE",
    "CLIENT_CERTIFICATE",
    "CLIENT_KEY",
)
HTTP_PROTOBUF, GRPC = "http/protobuf", "grpc"
# The specification has http/json as well, which no exporter of OpenTelemetry for Python supports either.
PROTOCOLS = (HTTP_PROTOBUF, GRPC)
MAX_TIMEOUT_MILLIS = 600_000
# How long a stage that stops waits for its spans to arrive.
FLUSH_SECONDS = 4.0
# What each of the variables OTEL_*_EXPORTER may name.
EXPORTERS: Mapping[Signal, tuple[str, ...]] = {
    Signal.TRACES: ("otlp", "console", "none"),
    Signal.LOGS: ("otlp", "console", "none"),
    Signal.METRICS: ("otlp", "console", "prometheus", "none"),
}
_DEFAULT_EXPORTERS: Mapping[Signal, str] = {Signal.TRACES: "otlp", Signal.LOGS: "none", Signal.METRICS: "none"}
_MILLIS = re.compile(r"[0-9]{1,9}")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")


def exporters(environment: Mapping[str, str], signal: Signal) -> tuple[str, ...]:
    """Return where a signal is to go, as OTEL_TRACES_EXPORTER, OTEL_LOGS_EXPORTER or OTEL_METRICS_EXPORTER say.

    Each is `otlp`, `console` or what EXPORTERS has beside them. Where the specification's default for logs and metrics
    is otlp, it is none here: they are on standard output and /metrics already.
    """
    if not makes_spans(environment):
        return ()
    text = environment.get(exporter_variable(signal), "").strip().lower() or _DEFAULT_EXPORTERS[signal]
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip()) not in ("", "none")))


def exporter_variable(signal: Signal) -> str:
    """Return the variable that says where a signal goes."""
    return f"OTEL_{signal.upper()}_EXPORTER"


def exports(environment: Mapping[str, str], signal: Signal) -> bool:
    """Return whether a signal is to go to a collector."""
    return "otlp" in exporters(environment, signal)


def exports_spans(environment: Mapping[str, str]) -> bool:
    """Return whether spans are to go to a collector, as OTEL_TRACES_EXPORTER and OTEL_SDK_DISABLED say."""
    return exports(environment, Signal.TRACES)


def makes_spans(environment: Mapping[str, str]) -> bool:
    """Return whether there are spans at all: with OTEL_SDK_DISABLED=true there are none, and traces have no ids."""
    return environment.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"


def traces_endpoint(environment: Mapping[str, str]) -> str:
    """Return the URL that spans go to, by OpenTelemetry's own variables."""
    return endpoint_of(environment, Signal.TRACES)


def endpoint_of(environment: Mapping[str, str], signal: Signal) -> str:
    """Return the URL that a signal goes to: its own variable has the whole of it, the general one the beginning.

    Over gRPC neither has a path. There a URL without a scheme is as good as one with http:// if
    OTEL_EXPORTER_OTLP_INSECURE is true.
    """
    own = environment.get(f"{otlp_prefix(signal)}ENDPOINT", "")
    if protocol_of(environment, signal) == GRPC:
        endpoint = own or environment.get(f"{OTLP_PREFIX}ENDPOINT") or DEFAULT_GRPC_ENDPOINT
        is_insecure = otlp_setting(environment, "INSECURE", signal).strip().lower() == "true"
        return f"http://{endpoint}" if is_insecure and "://" not in endpoint else endpoint
    if own:
        return own
    return (environment.get(f"{OTLP_PREFIX}ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/") + signal.path


def protocol_of(environment: Mapping[str, str], signal: Signal = Signal.TRACES) -> str:
    """Return the protocol by which a signal is sent, one of PROTOCOLS."""
    return otlp_setting(environment, "PROTOCOL", signal).strip().lower() or HTTP_PROTOBUF


def otlp_prefix(signal: Signal) -> str:
    """Return the prefix of the settings of the OTLP exporter for one signal."""
    return f"{OTLP_PREFIX}{signal.upper()}_"


def otlp_variable(environment: Mapping[str, str], name: str, signal: Signal = Signal.TRACES) -> str:
    """Return which variable has a setting of the OTLP exporter: the one for the signal if it is set."""
    own = otlp_prefix(signal) + name
    return own if environment.get(own) else OTLP_PREFIX + name


def otlp_setting(environment: Mapping[str, str], name: str, signal: Signal = Signal.TRACES) -> str:
    """Return a setting of the OTLP exporter for a signal, "" if it is not set."""
    return environment.get(otlp_variable(environment, name, signal), "")


def timeout_seconds(environment: Mapping[str, str], signal: Signal = Signal.TRACES) -> float | None:
    """Return OTEL_EXPORTER_OTLP_TIMEOUT or its form for the signal, which are in milliseconds, in seconds.

    None if neither is set. 0, which stands for no limit, means the longest that is allowed. Raise ValueError if the
    value is not such a time.
    """
    text = otlp_setting(environment, "TIMEOUT", signal).strip()
    return millis(text) / 1000 if text else None


def millis(text: str) -> int:
    """Return a time in milliseconds, 0 meaning the longest allowed. Raise ValueError for anything else."""
    if not _MILLIS.fullmatch(text) or int(text) > MAX_TIMEOUT_MILLIS:
        raise ValueError(f"must be milliseconds from 0 to {MAX_TIMEOUT_MILLIS}, for instance 10000 for ten seconds")
    return int(text) or MAX_TIMEOUT_MILLIS


def endpoint_problem(environment: Mapping[str, str], signal: Signal = Signal.TRACES) -> str:
    """Return what is wrong with the URL that a signal goes to, in a text that names its variable; "" if it is valid."""
    variable = otlp_variable(environment, "ENDPOINT", signal)
    if not environment.get(variable):
        return ""
    url = environment[variable]
    if protocol_of(environment, signal) == GRPC:
        url = endpoint_of(environment, signal)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"{variable}={redacted(url)} is not a URL with a port from 1 to 65535"
    if parts.scheme.lower() not in ("http", "https") or not url[len(parts.scheme) :].startswith("://"):
        return f"{variable}={redacted(url)}: it must begin with a scheme, http:// or https://"
    if not parts.hostname or port == 0 or _BLANK.search(url):
        return f"{variable}={redacted(url)} is not a URL with a host, and a port from 1 to 65535 if it names one"
    return ""
