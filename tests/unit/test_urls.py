"""A URL is shown without what may be secret in it, whatever it looks like."""

from __future__ import annotations

import time

import pytest
import requests

from simulator.urls import redacted, redacted_in


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318/v1/traces"),
        ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
        ("http://host/@scope/package", "http://host/@scope/package"),
        ("https://ann:s3cret@host:4318/v1/traces", "https://***@host:4318/v1/traces"),
        ("https://s3cret@host", "https://***@host"),
        ("https://:s3cret@host/", "https://***@host/"),
        ("https://ann:s3@cret@host/", "https://***@host/"),
        ("https://host/path?token=s3cret", "https://host/path?***"),
        ("https://host?token=s3cret#s3cret", "https://host?***"),
        ("https://host/path#s3cret", "https://host/path#***"),
        ("https://ann:s3cret@host/path?user=a@b", "https://***@host/path?***"),
        ("//ann:s3cret@host/", "//***@host/"),
        ("", ""),
        ("junk", "junk"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, shown):
    """User, password, query and fragment give way to three stars; all else is as it was."""
    assert redacted(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "ann:s3cret@host:4318",
        "http:/ann:s3cret@host",
        "http:ann:s3cret@host",
        "https://ann:s3cret/s3cret@host/path",
        "https://ann:s3cret?s3cret@host/path",
        "https://ann:s3cret#s3cret@host",
        "https://ann:s3cret@s3cret/s3cret@host",
        "http://[s3cret@host",
        "ht tp://ann:s3cret@host",
    ],
)
def test_a_url_that_is_not_valid_keeps_its_secrets_too(url):
    """A password with characters that should have been escaped, and a scheme that is missing, show nothing."""
    assert "s3cret" not in redacted(url)
    assert "host" in redacted(url)


def test_a_text_with_urls_in_it_is_redacted():
    """What a library says of a URL is said without its secrets."""
    text = "no route to https://ann:s3cret@host:1/v1?key=s3cret (from http://bob:s3cret@other/)"
    assert redacted_in(text) == "no route to https://***@host:1/v1?*** (from http://***@other/)"


@pytest.mark.parametrize("url", ["ann:s3cret@host:4318", "http://ann:s3cret@host:port/", "http://ann:s3cret@[x/"])
def test_the_errors_of_requests_are_redacted(url):
    """A URL that requests refuses is in its error, and in that one it bears no secret."""
    with pytest.raises((requests.RequestException, ValueError)) as refused:
        requests.post(url, timeout=1)
    assert "s3cret" not in redacted_in(str(refused.value), url)


@pytest.mark.parametrize("text", ["//" * 100_000, "//a@" * 50_000, "//" + "a" * 200_000, "@" * 200_000, "?" * 200_000])
def test_a_long_text_takes_no_long_time(text):
    """No text makes redacting slow: 200,000 characters take nowhere near the minutes of a quadratic pattern."""
    began = time.process_time()
    redacted(text)
    redacted_in(text)
    assert time.process_time() - began < 5
