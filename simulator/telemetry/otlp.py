"""Where spans go, by OpenTelemetry's own variables of the environment."""

from __future__ import annotations

from collections.abc import Mapping

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
# What all the settings of the OTLP exporter begin with: endpoint, headers, certificate, timeout, compression.
OTLP_PREFIX = "OTEL_EXPORTER_OTLP_"
ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
TIMEOUT_VARIABLE = "OTEL_EXPORTER_OTLP_TIMEOUT"


def exports_spans(environment: Mapping[str, str]) -> bool:
    """Tell whether spans are to leave the process, as OTEL_TRACES_EXPORTER and OTEL_SDK_DISABLED say."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not disabled and environment.get("OTEL_TRACES_EXPORTER", "otlp") != "none"


def traces_endpoint(environment: Mapping[str, str]) -> str:
    """Give the URL that spans go to, by OpenTelemetry's own variables."""
    base, traces = ENDPOINT_VARIABLES
    if endpoint := environment.get(traces):
        return endpoint
    return (environment.get(base) or DEFAULT_ENDPOINT).rstrip("/") + "/v1/traces"
