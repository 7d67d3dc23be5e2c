"""What is this machine itself."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.net.loopback import host_of, is_loopback


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("localhost:8090", "localhost"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::1]:8090", "::1"),
        ("shop.example:443", "shop.example"),
        ("", ""),
        (":80", ""),
        ("[", ""),
        ("LOCALHOST:8090", "LOCALHOST"),
        ("localhost.:80", "localhost."),
        ("[::1].evil.com", ""),
        ("[::1]:80.evil.com", ""),
        ("[::1]evil.com", ""),
        ("[::1", ""),
        ("::1", ""),
        ("[localhost]", ""),
        ("[]", ""),
        ("127.0.0.1:80@evil.com", ""),
        ("127.0.0.1@evil.com", ""),
        ("evil.com@127.0.0.1", ""),
        ("localhost:80.evil", ""),
        ("localhost:80:80", ""),
        ("localhost:http", ""),
        ("localhost:+80", ""),
        ("localhost:-1", ""),
        ("localhost:65536", ""),
        ("localhost:\u0668\u0660", ""),
        ("localhost:", ""),
        ("localhost/", ""),
        ("localhost#:80", ""),
        ("localhost?", ""),
        ("127.0.0.1 evil.com", ""),
        (" localhost", ""),
        ("localhost\n", ""),
        ("localhost,evil.com:80", "localhost,evil.com"),
    ],
)
def test_the_host_of_a_header(header, host):
    """A Host header's port and brackets are left out; one that is not of its form names no host."""
    assert host_of(header) == host


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"]
)
def test_this_machine(host):
    """All of 127.0.0.0/8, ::1 and its mapped form are this machine, and so is its usual name."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "::ffff:10.0.0.1",
        "2001:db8::1",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.evil.example",
        "127.0.0.01",
        "0x7f000001",
        "2130706433",
        "127.0.0.1 ",
        "127.0.0.1.",
        "localhost..",
        "localhost,evil.example",
        "%6cocalhost",
    ],
)
def test_another_machine(host):
    """Whatever may lead elsewhere, or is no address as it is written, is not this machine."""
    assert not is_loopback(host)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_every_address_is_told_from_its_header(address, port):
    """Of any address with a port, bracketed where it has to be, it is told rightly whether it is this machine."""
    written = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    assert host_of(written) == str(address)
    plain = getattr(address, "ipv4_mapped", None) or address
    expected = plain in ipaddress.ip_network("127.0.0.0/8" if plain.version == 4 else "::1/128")
    assert is_loopback(host_of(written)) == expected


@given(st.text())
def test_no_header_hurts(header):
    """Whatever a client calls the host, the answer is yes or no."""
    assert is_loopback(host_of(header)) in (True, False)
