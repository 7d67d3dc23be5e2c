"""Whether spans are passed on, and where to, by OpenTelemetry's own variables of the environment."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.telemetry.otlp import ENDPOINT_VARIABLES, exports_spans, traces_endpoint
from simulator.telemetry.otlp_destination import Destination, read_destination


def wants_passing(environment: Mapping[str, str]) -> str | None:
    """Return the URL that the user wants spans sent to; None where the environment names none, or wants none sent."""
    named = any(environment.get(variable) for variable in ENDPOINT_VARIABLES)
    return traces_endpoint(environment) if named and exports_spans(environment) else None


def destination_from(environment: Mapping[str, str]) -> Destination | None:
    """Return the collector that spans are passed on to. None where `wants_passing` gives None."""
    return None if wants_passing(environment) is None else read_destination(environment)
