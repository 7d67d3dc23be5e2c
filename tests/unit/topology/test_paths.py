"""Paths of operations: what can be one, what is filled in, what matches, and which can be the same."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.net.request_line import parse_request_line
from simulator.topology.paths import filled, matches, overlap, parameters, parse_path

SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}"])
TEMPLATES = st.lists(SEGMENTS, min_size=1, max_size=3, unique=True).map(lambda segments: "/" + "/".join(segments))


@pytest.mark.parametrize("path", ["/", "/carts", "/carts/", "/carts/{id}", "/{a}/x/{b}", "/v1.5/a~b/c:d"])
def test_a_path(path):
    """A path is segments, of which some may be names in braces."""
    assert parse_path(path) == path


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("carts/{id}", "must be a path like /messages or /carts/{id}"),
        ("/carts/{}", "must have a name in braces for a whole segment"),
        ("/carts/{id", "must have a name in braces for a whole segment"),
        ("/carts/a{id}", "must have a name in braces for a whole segment"),
        ("/carts/{1d}", "must have a name in braces for a whole segment"),
        ("/carts/{int:id}", "must have a name in braces for a whole segment"),
        ("/{id}/x/{id}", "has a name in braces twice"),
        ("/carts/<id>", "must be a path like"),
        ("/metrics", "is reserved"),
        ("/a/../{id}", "must have no empty segments, and none that is . or .."),
    ],
)
def test_what_no_path_is(path, message):
    """What a server could not tell apart, or a client would change, is refused."""
    with pytest.raises(ValueError, match=message):
        parse_path(path)


@given(st.text(min_size=1, max_size=20))
def test_whatever_is_filled_in_is_one_segment_that_arrives(text):
    """A value of any characters is one segment of the path, from which the server reads it again."""
    path = filled("/carts/{id}/x", lambda name: text)
    assert path.count("/") == 3
    arrived = parse_request_line(f"GET {path} HTTP/1.1\r\n".encode()).path
    assert matches("/carts/{id}/x", arrived)
    if text not in (".", ".."):
        assert unquote(path.split("/")[2]) == text


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_what_would_not_arrive_is_replaced(text):
    """A segment that is empty, or that clients resolve, is replaced by a dash."""
    assert filled("/carts/{id}", lambda name: text) == "/carts/-"


@given(TEMPLATES, TEMPLATES)
def test_templates_overlap_if_some_path_matches_both(one, other):
    """Two templates overlap exactly if there is a path that both stand for."""
    paths = [f"/{'/'.join(parts)}" for parts in _products(["a", "b", "c"], one.count("/"))]
    assert overlap(one, other) == any(matches(one, path) and matches(other, path) for path in paths)
    assert overlap(one, other) == overlap(other, one)


def _products(letters, length):
    if not length:
        return [[]]
    return [[letter, *rest] for letter in letters for rest in _products(letters, length - 1)]


def test_the_names_in_braces():
    """They are in the order of the path."""
    assert parameters("/{b}/x/{a}") == ["b", "a"]
