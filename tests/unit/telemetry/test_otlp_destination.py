"""The collector is what the environment says it is: how it is called, reached and trusted."""

from __future__ import annotations

import base64

import pytest

from simulator.telemetry.otlp_destination import Destination, read_destination

BASE, TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


def test_everything_is_read():
    """Headers, timeout, compression and the files for TLS are those of the environment."""
    found = read_destination(
        {
            BASE: "https://c",
            "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20s3cret,x-tenant=a=b",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3000",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "GZIP",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "client.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": "client.key",
        }
    )
    assert found == Destination(
        endpoint="https://c/v1/traces",
        headers={"authorization": "Bearer s3cret", "x-tenant": "a=b"},
        timeout_seconds=3.0,
        compression="gzip",
        certificate="ca.pem",
        client_certificate="client.pem",
        client_key="client.key",
    )
    assert "s3cret" not in repr(found)


def test_those_for_traces_go_first():
    """A variable for traces beats the one for all signals."""
    environment = {
        BASE: "http://c",
        TRACES: "http://d/in",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=1",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "b=2",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1000",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2000",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "deflate",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "a.pem",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": "b.pem",
    }
    assert read_destination(environment) == Destination(
        endpoint="http://d/in", headers={"b": "2"}, timeout_seconds=2.0, compression="deflate", certificate="b.pem"
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 10), ("10000", 10), ("1", 0.001), ("600000", 600), ("0", 600), (" 500 ", 0.5)]
)
def test_the_timeout_is_in_milliseconds(text, seconds):
    """A timeout is milliseconds, as the specification has it; ten seconds where there is none, and 0 is no limit."""
    assert read_destination({"OTEL_EXPORTER_OTLP_TIMEOUT": text}).timeout_seconds == seconds


@pytest.mark.parametrize("text", ["-1", "1.5", "10s", "ten", "nan", "inf", "600001", "9" * 5000, "1e3", "١٠"])
def test_a_timeout_that_is_none(text):
    """What is no time in milliseconds, or more than ten minutes, is refused with what is allowed."""
    with pytest.raises(ValueError, match="must be milliseconds from 0 to 600000"):
        read_destination({"OTEL_EXPORTER_OTLP_TIMEOUT": text})


@pytest.mark.parametrize(
    ("url", "endpoint", "credentials"),
    [
        ("http://ann:s3cret@c:4318", "http://c:4318/v1/traces", "ann:s3cret"),
        ("https://ann:s3%40%3Acret@[::1]:1", "https://[::1]:1/v1/traces", "ann:s3@:cret"),
        ("http://ann@c", "http://c/v1/traces", "ann:"),
    ],
)
def test_a_user_in_the_url_is_sent_as_basic_authentication(url, endpoint, credentials):
    """User and password of an endpoint go into a header, and the URL that is shown and called has none."""
    found = read_destination({BASE: url})
    assert found.endpoint == found.shown_endpoint == endpoint
    assert found.headers == {"authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}


def test_a_header_for_authorization_goes_first():
    """Who sets the header by its variable means it, whatever stands in the URL."""
    found = read_destination({BASE: "http://ann:x@c", "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20y"})
    assert found.headers == {"authorization": "Bearer y"}


@pytest.mark.parametrize("endpoint", ["http://[ann:s3cret@c", "ann:s3cret@c:4318", "junk", "http://c:port"])
def test_an_endpoint_that_is_no_url_is_left_as_it_is(endpoint):
    """What is no URL is read without an error, and shown without a password."""
    found = read_destination({TRACES: endpoint})
    assert found.endpoint == endpoint
    assert "s3cret" not in found.shown_endpoint


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_authorities_of_the_environment_are_trusted(variable):
    """The variables that other programs read name whom to trust, and the one of OpenTelemetry goes first."""
    environment = {BASE: "https://c", variable: "/firm.pem"}
    assert read_destination(environment).certificate == "/firm.pem"
    own = {**environment, "OTEL_EXPORTER_OTLP_CERTIFICATE": "/own.pem"}
    assert read_destination(own).certificate == "/own.pem"


def test_the_proxies_are_those_for_the_endpoint():
    """A remote endpoint is called through the proxy of the environment, one on this machine is not."""
    environment = {"HTTP_PROXY": "http://proxy:3128"}
    assert read_destination({**environment, BASE: "http://c"}).proxies == {"http": "http://proxy:3128"}
    assert read_destination({**environment, BASE: "http://localhost"}).proxies == {}
