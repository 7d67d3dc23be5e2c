"""Where a stage listens and where its callers find it."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.topology.addresses import Address, parse_address, stage_urls, url_of, with_address
from simulator.topology.model import Stage, Topology


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8081/messages"),
        ("parse", "http://parse:8081/messages"),
        ("::1", "http://[::1]:8081/messages"),
    ],
)
def test_a_url_is_made_of_host_port_and_path(host, url):
    """An IPv6 address gets the brackets that it needs in a URL."""
    assert url_of(host, 8081, "/messages") == url


@pytest.mark.parametrize(
    ("stage", "urls"),
    [
        (Stage(), ["http://parse:8080/messages"]),
        (Stage(host="10.0.0.7"), ["http://10.0.0.7:8080/messages"]),
        (Stage(port=9000), ["http://parse:9000/messages"]),
        (Stage(host="::1", port=9000, path="/orders"), ["http://[::1]:9000/orders"]),
        (Stage(port=9000, instances=2), ["http://parse:9000/messages", "http://parse:9001/messages"]),
        (Stage(instances=3), ["http://parse:8080/messages"]),
        (Stage(port=0, instances=3), ["http://parse:8080/messages"]),
    ],
)
def test_callers_find_a_stage_at_its_own_address_or_by_its_name(stage, urls):
    """Without a port a stage is found by its name at port 8080, all its instances as one, as in a container."""
    assert stage_urls(Topology(name="t", stages={"parse": stage}), "parse") == tuple(urls)


@pytest.mark.parametrize(
    ("name", "host"), [("product_catalog", "product-catalog"), ("Cart.v2", "cart-v2"), ("2nd", "stage-2nd")]
)
def test_without_an_address_a_stage_is_found_by_the_host_name_made_of_its_name(name, host):
    """Not every name can be a host's."""
    topology = Topology(name="t", stages={name: Stage()})
    assert stage_urls(topology, name) == (f"http://{host}:8080/messages",)


@given(st.integers(1, 65_000), st.integers(1, 100))
def test_each_instance_has_a_port_of_its_own(port, instances):
    """The instances of a stage with a port listen on that one and the next ones, in their order."""
    stage = Stage(host="127.0.0.1", port=port, instances=instances)
    expected = [f"http://127.0.0.1:{port + number}/messages" for number in range(instances)]
    assert stage_urls(Topology(name="t", stages={"parse": stage}), "parse") == tuple(expected)


def test_an_assigned_address_changes_nothing_else():
    """Only the stage's host and port change, and its callers find it there."""
    stage = with_address(Stage(workers=3, path="/orders"), "127.0.0.1", 40001)
    assert stage == Stage(workers=3, path="/orders", host="127.0.0.1", port=40001)
    assert stage_urls(Topology(name="t", stages={"a": stage}), "a") == ("http://127.0.0.1:40001/orders",)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:8081/messages", Address("downstream", "http://127.0.0.1:8081/messages")),
        ("https://example.org/in", Address("downstream", "https://example.org/in")),
        ("http://[::1]:8081/messages", Address("downstream", "http://[::1]:8081/messages")),
        ("parse=http://127.0.0.1:8081/messages", Address("parse", "http://127.0.0.1:8081/messages")),
        ("parse=http://host/in?key=value", Address("parse", "http://host/in?key=value")),
        ("http://host/in?key=value", Address("downstream", "http://host/in?key=value")),
    ],
)
def test_an_address_is_a_url_with_or_without_a_name(text, address):
    """An equals sign in the URL's own query does not make a name."""
    assert parse_address(text, "downstream") == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "parse",
        "127.0.0.1:8081",
        "ftp://host/",
        "http://",
        "http:///messages",
        "parse=",
        "parse=host",
        "http://host:0/",
        "http://host:99999/",
        "http://host:port/",
        "http://[::1/",
    ],
)
def test_text_that_is_not_a_url_is_refused(text):
    """The refusal shows what was written and what would do."""
    with pytest.raises(ValueError) as refusal:
        parse_address(text, "downstream")
    assert str(refusal.value).startswith(f"{text!r} is not a URL")


@pytest.mark.parametrize(
    ("url", "user_and_password", "without"),
    [
        ("http://ann:s3cret@host:81/in?key=a@b", "ann:s3cret", "http://host:81/in?key=a@b"),
        ("https://ann@host/in", "ann:", "https://host/in"),
        ("http://a%40b:p%3Aq%2F@host/", "a@b:p:q/", "http://host/"),
        ("http://ann:p@ss@host/", "ann:p@ss", "http://host/"),
        ("http://:s3cret@[::1]:81/", ":s3cret", "http://[::1]:81/"),
        ("http://%C3%A4nn:%E2%82%AC@host/", "\xe4nn:\u20ac", "http://host/"),
    ],
)
def test_a_user_and_a_password_become_a_header(url, user_and_password, without):
    """User and password are sent as RFC 7617 says, and removed from the URL."""
    address = parse_address(f"in={url}", "downstream")
    assert address.url == without
    kind, _, text = address.authorization.partition(" ")
    assert (kind, base64.b64decode(text).decode()) == ("Basic", user_and_password)
    assert "Basic" not in repr(address)


@pytest.mark.parametrize(
    "text",
    [
        "http://ann:s3cret@host:port/",
        "http://ann:s3cret@/",
        "http://ann:s3/cret@host/",
        "ftp://ann:s3cret@host/",
        "in=http://ann:s3cret@ho st/",
        "http://a%3An:s3cret@host/",
        "http://ann:s3cret@host:99999/?token=s3cret",
    ],
)
def test_a_refusal_shows_no_password(text):
    """The error about an address leaves out what may be secret in it."""
    with pytest.raises(ValueError) as refusal:
        parse_address(text, "downstream")
    assert "cret" not in str(refusal.value)
    assert "ann" not in str(refusal.value)


@given(st.text())
def test_no_text_raises_anything_but_a_value_error(text):
    """Whatever is written, the answer is a web address or a ValueError."""
    try:
        address = parse_address(text, "downstream")
    except ValueError:
        return
    assert address.url.lower().startswith(("http:", "https:"))


@pytest.mark.parametrize("text", ["http://two words/", "http://host /in", "a=http://<host>:8080/"])
def test_a_host_that_can_not_be_one_is_refused(text):
    """An address that no request can ever reach is refused before the first message fails on it."""
    with pytest.raises(ValueError):
        parse_address(text, "downstream")
