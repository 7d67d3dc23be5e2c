"""What a body must be to be a message."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.bodies import check_body, is_json
from simulator.errors import InvalidMessage


@pytest.mark.parametrize(
    ("content_type", "claims"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("application/json ;charset=utf-8", True),
        ("APPLICATION/JSON", True),
        ("application/ld+json", True),
        ("application/vnd.a-b.c+json; version=2", True),
        ("text/json", False),
        ("text/plain", False),
        ("application/jsonl", False),
        ("application/+json", False),
        ("application/json-seq", False),
        ("application/xml+jsonx", False),
        ("x-application/json", False),
        ("text/plain; a=application/json", False),
        ("", False),
    ],
)
def test_what_claims_to_be_json(content_type, claims):
    """JSON is application/json and every type that ends in +json, with or without parameters, in any case."""
    assert is_json(content_type) is claims


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "body", [b'"\\ud83d"', b"1e400", b"9" * 2000, b"[" * 1500 + b"]" * 1500, b'\xef\xbb\xbf{"n": 1}']
)
def test_json_beyond_a_parser_s_limits_is_let_through(body):
    """What is JSON by RFC 8259 passes, whatever a parser makes of it."""
    assert check_body(body, "application/json") is None


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_json_is_let_through(value, indent, ascii_only):
    """Any JSON, in whatever spacing and escaping, passes."""
    assert check_body(json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(), "application/json") is None


@pytest.mark.parametrize("body", [b"{", b"nul", b"[1,]", b'{"a": NaN}', b'"\xff\xfe"', b"{}\xef\xbb\xbf", b" "])
def test_what_is_no_json_is_refused(body):
    """A body that claims to be JSON and is not is refused with 400 and the place of the mistake."""
    with pytest.raises(InvalidMessage, match=r"the body is not JSON: .*char") as refused:
        check_body(body, "application/json")
    assert refused.value.status == 400


@given(st.binary(min_size=1))
def test_other_types_may_hold_anything(body):
    """A body that claims to be something else than JSON passes whatever it holds."""
    assert check_body(body, "text/plain") is None
    assert check_body(body, "application/octet-stream") is None


@pytest.mark.parametrize("content_type", ["text/plain", ""])
def test_an_empty_body_is_a_body(content_type):
    """A message may be empty, as those of a call with `request_bytes: 0` are."""
    assert check_body(b"", content_type) is None


def test_an_empty_body_is_not_json():
    """What claims to be JSON is refused if it is nothing."""
    with pytest.raises(InvalidMessage, match="not JSON: it is empty"):
        check_body(b"", "application/json")


def test_a_long_content_type_is_cut_in_the_refusal():
    """A client can't make the refusal long by a long content type."""
    with pytest.raises(InvalidMessage) as refused:
        check_body(b"{", f"application/json; x={'y' * 5000}")
    assert len(str(refused.value)) < 300
