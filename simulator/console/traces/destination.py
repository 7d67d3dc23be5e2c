"""Whether spans are forwarded, and where, by OpenTelemetry's own environment variables."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.telemetry.otlp import ENDPOINT_VARIABLES, exports_spans, traces_endpoint
from simulator.telemetry.otlp_destination import Destination, read_destination


def forwarding_url(environment: Mapping[str, str]) -> str | None:
    """Return the URL to forward spans to; None if the environment names none, or turns the export off."""
    named = any(environment.get(variable) for variable in ENDPOINT_VARIABLES)
    return traces_endpoint(environment) if named and exports_spans(environment) else None


def destination_from(environment: Mapping[str, str]) -> Destination | None:
    """Return the collector to forward spans to, None if there is none."""
    return None if forwarding_url(environment) is None else read_destination(environment)
