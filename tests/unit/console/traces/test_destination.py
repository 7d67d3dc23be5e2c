"""Where spans are forwarded, by OpenTelemetry's variables."""

from __future__ import annotations

import pytest

from simulator.console.traces.destination import destination_from, forwarding_url

BASE, TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [
        ({}, None),
        ({BASE: ""}, None),
        ({BASE: "http://c:4318"}, "http://c:4318/v1/traces"),
        ({BASE: "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({TRACES: "http://c/in"}, "http://c/in"),
        ({BASE: "http://c:4318", TRACES: "http://d/in"}, "http://d/in"),
        ({BASE: "http://c:4318", TRACES: ""}, "http://c:4318/v1/traces"),
        ({BASE: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({BASE: "http://c:4318", "OTEL_SDK_DISABLED": "true"}, None),
    ],
)
def test_spans_are_forwarded_if_the_user_named_a_collector(environment, endpoint):
    """Spans are forwarded only to an endpoint that is named, and only if their export is not turned off."""
    assert forwarding_url(environment) == endpoint
    found = destination_from(environment)
    assert (found and found.endpoint) == endpoint
