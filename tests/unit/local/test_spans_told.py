"""A run says where its spans go, and is right about it."""

from __future__ import annotations

import socket

import pytest

from simulator.local.spans_told import collector_answers, where_spans_go
from tests.support import wire

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def listening():
    """The URL of something that listens, with a password in it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://ann:s3cret@127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def nobody():
    """A URL where nothing listens."""
    with wire.nobody() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, "no spans are made: OTEL_SDK_DISABLED=true"),
        ({"OTEL_TRACES_EXPORTER": "none"}, "no spans are sent: OTEL_TRACES_EXPORTER=none"),
        ({ENDPOINT: ""}, "spans go to the console; set"),
    ],
)
def test_without_a_collector_of_ones_own(environment, told):
    """What the environment wants is recorded as it is."""
    assert where_spans_go(environment, to_console=True).startswith(told)


def test_a_collector_that_is_there(listening):
    """A collector that listens is named, without its password."""
    shown = listening.replace("ann:s3cret", "***") + "/v1/traces"
    assert where_spans_go({ENDPOINT: listening}, to_console=False) == f"spans go to {shown}"
    assert where_spans_go({ENDPOINT: listening}, to_console=True) == f"spans go to the console and on to {shown}"


def test_a_collector_that_is_away(nobody):
    """Where nothing listens, that is said, and what becomes of the spans."""
    assert where_spans_go({ENDPOINT: nobody}, to_console=True).endswith("spans go only to the console")
    assert "spans are dropped" in where_spans_go({ENDPOINT: nobody}, to_console=False)


def test_a_collector_behind_a_proxy():
    """Whether a remote collector answers behind a proxy is not asked, and nothing false is said of it."""
    environment = {ENDPOINT: "http://collector.invalid:4318", "HTTP_PROXY": "http://ann:s3cret@proxy:3128"}
    told = where_spans_go(environment, to_console=False)
    assert told == "spans go to http://collector.invalid:4318/v1/traces through the proxy of the environment"


@pytest.mark.parametrize("to_console", [True, False])
@pytest.mark.parametrize(
    ("endpoint", "wrong"),
    [
        ("junk", "must begin with a scheme, http:// or https://"),
        ("127.0.0.1:4318", "must begin with a scheme"),
        ("collector:4318", "must begin with a scheme"),
        ("ann:s3cret@collector:4318", "must begin with a scheme"),
        ("http:/collector", "must begin with a scheme"),
        ("ftp://collector", "must begin with a scheme, http:// or https://"),
        ("http://", "is not a URL with a host"),
        ("http://:4318", "is not a URL with a host"),
        ("http://collector:0", "a port from 1 to 65535"),
        ("http://collector:99999", "a port from 1 to 65535"),
        ("http://collector:port", "a port from 1 to 65535"),
        ("http://[", "is not a URL"),
        ("http://ann:s3cret@[", "is not a URL"),
        ("http://a b", "is not a URL with a host"),
    ],
)
@pytest.mark.parametrize("variable", [ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_an_endpoint_that_is_no_url(variable, endpoint, wrong, to_console):
    """An endpoint that nothing can be sent to is reported as such, by its variable and without its password."""
    told = where_spans_go({variable: endpoint}, to_console)
    assert told.startswith(f"{variable}=")
    assert wrong in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    "url", ["", "junk", "http://", "http://[", "http://c:port", "http://" + "a" * 300, "http://\ud800"]
)
def test_asking_what_is_no_url(url):
    """Nothing listens at what is no URL, and asking raises nothing."""

    def refuse(address, timeout):
        raise ConnectionRefusedError

    assert not collector_answers(url, refuse)
    assert not collector_answers("http://" + "a" * 300)
