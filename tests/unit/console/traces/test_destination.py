"""Where spans are passed on to, as OpenTelemetry's variables say."""

from __future__ import annotations

import pytest

from simulator.console.traces.destination import Destination, destination_from, wants_passing

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
def test_spans_are_passed_on_where_the_user_named_a_collector(environment, endpoint):
    """An endpoint that is named, and only such a one, is passed on to, unless no spans are wanted at all."""
    assert wants_passing(environment) == endpoint
    found = destination_from(environment)
    assert (found and found.endpoint) == endpoint


def test_everything_is_read():
    """Headers, timeout and the files for TLS are those of the environment."""
    found = destination_from(
        {
            BASE: "https://c",
            "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20s3cret,x-tenant=a=b",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "client.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": "client.key",
        }
    )
    assert found == Destination(
        "https://c/v1/traces",
        {"authorization": "Bearer s3cret", "x-tenant": "a=b"},
        3.0,
        "ca.pem",
        "client.pem",
        "client.key",
    )
    assert "s3cret" not in repr(found)


def test_those_for_traces_go_first():
    """A variable for traces beats the one for all signals."""
    names = ("HEADERS", "TIMEOUT", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
    environment = {BASE: "http://c"}
    environment |= {f"OTEL_EXPORTER_OTLP_{name}": "a=1" for name in names}
    environment |= {f"OTEL_EXPORTER_OTLP_TRACES_{name}": "b=2" for name in names}
    found = destination_from(environment)
    assert found == Destination("http://c/v1/traces", {"b": "2"}, 10.0, "b=2", "b=2", "b=2")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 10), ("0.5", 0.5), ("10", 10), ("10000", 10), ("0", 10), ("-1", 10), ("nan", 10), ("inf", 10), ("ten", 10)],
)
def test_the_timeout_is_bounded(text, seconds):
    """A timeout is read as the stages' own exporters read it, and is ten seconds at the most."""
    assert destination_from({BASE: "http://c", "OTEL_EXPORTER_OTLP_TIMEOUT": text}).timeout_seconds == seconds


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("http://c:4318/v1/traces", "http://c:4318/v1/traces"),
        ("https://user:s3cret@c/v1/traces?token=s3cret#s3cret", "https://***@c/v1/traces?***"),
        ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
        ("http://ann:s3cret@[c", "http://***@[c"),
    ],
)
def test_what_is_secret_in_an_endpoint_is_not_shown(endpoint, shown):
    """Neither a password nor a query is shown to anyone."""
    assert Destination(endpoint).shown_endpoint == shown
