"""Where spans go, by OpenTelemetry's own variables of the environment."""

from __future__ import annotations

import pytest

from simulator.telemetry.otlp import exports_spans, traces_endpoint


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [
        ({}, "http://127.0.0.1:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318"}, "http://jaeger:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318/"}, "http://jaeger:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://host/otlp"}, "https://host/otlp/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://host:1/exactly/this"}, "http://host:1/exactly/this"),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://general:4318",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces:4318/x",
            },
            "http://traces:4318/x",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://general:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ""},
            "http://general:4318/v1/traces",
        ),
    ],
)
def test_the_endpoint(environment, endpoint):
    """The variable for traces is taken as it is, the general one gets the path of traces, and both have a default."""
    assert traces_endpoint(environment) == endpoint


def test_an_empty_endpoint_is_no_endpoint():
    """A variable that is set but empty means the same as one that is not set."""
    assert traces_endpoint({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}) == "http://127.0.0.1:4318/v1/traces"


@pytest.mark.parametrize(
    ("environment", "exported"),
    [
        ({}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": ""}, True),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_SDK_DISABLED": "false"}, True),
        ({"OTEL_SDK_DISABLED": ""}, True),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_whether_spans_leave(environment, exported):
    """Spans leave the process unless the exporter is none or the SDK is disabled."""
    assert exports_spans(environment) is exported
