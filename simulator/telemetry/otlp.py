"""Where spans go, by OpenTelemetry's own variables of the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from simulator.urls import redacted

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
# The prefix of all the settings of the OTLP exporter: endpoint, headers, certificate, timeout, compression.
OTLP_PREFIX = "OTEL_EXPORTER_OTLP_"
TRACES_PREFIX = f"{OTLP_PREFIX}TRACES_"
ENDPOINT_VARIABLES = (f"{OTLP_PREFIX}ENDPOINT", f"{TRACES_PREFIX}ENDPOINT")
TIMEOUT_VARIABLE = f"{OTLP_PREFIX}TIMEOUT"
# The specification knows these; only the first is supported here.
PROTOCOLS = ("http/protobuf", "http/json", "grpc")
MAX_TIMEOUT_MILLIS = 600_000
# How long a stage that stops waits for its spans to arrive.
FLUSH_SECONDS = 4.0
_MILLIS = re.compile(r"[0-9]{1,9}")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")


def exports_spans(environment: Mapping[str, str]) -> bool:
    """Return whether spans are to leave the process, as OTEL_TRACES_EXPORTER and OTEL_SDK_DISABLED say."""
    return makes_spans(environment) and environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() != "none"


def makes_spans(environment: Mapping[str, str]) -> bool:
    """Return whether there are spans at all: with OTEL_SDK_DISABLED=true there are none, and traces have no ids."""
    return environment.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"


def traces_endpoint(environment: Mapping[str, str]) -> str:
    """Return the URL that spans go to, by OpenTelemetry's own variables."""
    base, traces = ENDPOINT_VARIABLES
    if endpoint := environment.get(traces):
        return endpoint
    return (environment.get(base) or DEFAULT_ENDPOINT).rstrip("/") + "/v1/traces"


def otlp_variable(environment: Mapping[str, str], name: str) -> str:
    """Return which variable has a setting of the OTLP exporter: the one for traces if it is set."""
    traces = TRACES_PREFIX + name
    return traces if environment.get(traces) else OTLP_PREFIX + name


def otlp_setting(environment: Mapping[str, str], name: str) -> str:
    """Return a setting of the OTLP exporter for traces, "" if it is not set."""
    return environment.get(otlp_variable(environment, name), "")


def timeout_seconds(environment: Mapping[str, str]) -> float | None:
    """Return OTEL_EXPORTER_OTLP_TIMEOUT or its _TRACES_ form, which are in milliseconds, in seconds.

    None if neither is set. 0, which stands for no limit, means the longest that is allowed. Raise ValueError if the
    value is not such a time.
    """
    text = otlp_setting(environment, "TIMEOUT").strip()
    return millis(text) / 1000 if text else None


def millis(text: str) -> int:
    """Return a time in milliseconds, 0 meaning the longest allowed. Raise ValueError for anything else."""
    if not _MILLIS.fullmatch(text) or int(text) > MAX_TIMEOUT_MILLIS:
        raise ValueError(f"must be milliseconds from 0 to {MAX_TIMEOUT_MILLIS}, for instance 10000 for ten seconds")
    return int(text) or MAX_TIMEOUT_MILLIS


def endpoint_problem(environment: Mapping[str, str]) -> str:
    """Return what is wrong with the URL that spans go to, in a text that names its variable; "" if it is valid."""
    variable = next((name for name in reversed(ENDPOINT_VARIABLES) if environment.get(name)), "")
    if not variable:
        return ""
    url = environment[variable]
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
