"""What is JSON by RFC 8259, also where a parser has narrower limits."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.engine.json_text import _is_json, json_flaw

ORDINARY = b'{"n": [1, -2.5e+3, true, false, null, "\\u00e9\\n \xc3\xa9"], "": {}} '


@pytest.mark.parametrize(
    "text",
    [
        ORDINARY,
        b'"\\ud83d"',
        b'{"\\udc00": "\\ud83d\\ud83d"}',
        b"1e400",
        b"[-1e400, 0.5E-400]",
        b"9" * 2000,
        b"[-%b.%be%b]" % (b"1" * 5000, b"2" * 5000, b"3" * 5000),
        b"[" * 1500 + b"]" * 1500,
        b'{"a":' * 1500 + b"null" + b"}" * 1500,
        b'[ {"a": ' * 3000 + b"[]" + b"} , {} ]" * 3000,
        b"\xef\xbb\xbf" + ORDINARY,
        b'\xef\xbb\xbf"\\ud83d"',
        b'"\xef\xbb\xbf"',
    ],
)
def test_json_is_json_whatever_a_parser_makes_of_it(text):
    """Halves of surrogate pairs, huge numbers, deep nesting and a byte order mark in front are JSON."""
    assert json_flaw(text) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b"{}\xef\xbb\xbf",
        b"NaN",
        b"[Infinity, 1e400]",
        b"[-Infinity]",
        b"[1e400",
        b"1e400 1",
        b"1e400,",
        b"[1e400,]",
        b"[,1e400]",
        b"[01, 1e400]",
        b"[--1, 1e400]",
        b"[1.5.5, 1e400]",
        b"[1., 1e400]",
        b"[.5, 1e400]",
        b"[1e400e1]",
        b"[1-1, 1e400]",
        b"[+1, 1e400]",
        b"[- 1, 1e400]",
        b"[1 1, 1e400]",
        b"[tr ue, 1e400]",
        b"[truetrue, 1e400]",
        b"[true1e400]",
        b"[0x1, 1e400]",
        b'["\\ud83d]',
        b'["\\ud83d", "]',
        b'["\\ud83d" "a"]',
        b'["\\ud83d", "\\x"]',
        b'["\\ud83d", "\\u12"]',
        b'["\\ud83d", "\n"]',
        b'["\\ud83d", "\x00"]',
        b'["\\ud83d", \x00]',
        b'["\\ud83d", \x01]',
        b'["\\ud83d", "\xff"]',
        b'["\\ud83d", "\xed\xa0\xbd"]',
        b"{'a': 1e400}",
        b'{"a" 1e400}',
        b'{"a": 1e400,}',
        b'{"a": 1e400, 1: 2}',
        b'{"a": 1e400, "b"}',
        b'{"a": {"b": 1e400, []}}',
        b'[1e400, "a": 1]',
        b"[1e400}",
        b'{"a": 1e400]',
        b"[" * 1500 + b"]" * 1499,
        b"[" * 1500 + b"]" * 1501,
        b"[" * 1500,
        b"]1e400[",
        b'["\\ud83d\\"]',
    ],
)
def test_what_is_no_json_is_refused_with_a_reason(text):
    """A flaw is found also in a text that has a value beyond a parser's limits before it."""
    assert json_flaw(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40)
@given(VALUES, st.sampled_from([None, 1, "\t"]))
def test_every_json_is_json_without_a_parser(value, indent):
    """What the standard library writes, halves of pairs among it, is JSON."""
    assert _is_json(json.dumps(value, indent=indent).encode())


def standard_says(text):
    def refuse(name):
        raise ValueError(name)

    try:
        json.loads(text.decode(), parse_constant=refuse)
    except ValueError:
        return False
    return True


@given(st.text('[]{},:"\\ue0 1.-ntrual', max_size=12) | st.lists(st.sampled_from(
    ["[", "]", "{", "}", ",", ":", '"a"', '"', "0", "1e5", "-", ".", "true", "null", " ", "\\", "\n"]
), max_size=10).map("".join))  # fmt: skip
@example('{"":0,"":[]}')
def test_it_agrees_with_the_standard_library(text):
    """Of any short text it says what a parser without limits says."""
    assert _is_json(text.encode()) is standard_says(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        b'["\\ud83d", ' + b"[" * 500_000,
        b"1" * 500_000 + b"x",
        b"-" * 500_000,
        b"1." * 250_000,
        b"1e" * 250_000,
        b'"' * 500_001,
        b'"\\' * 250_000,
        b'"\\u' * 160_000,
        b"\xef\xbb\xbf" + b"[" * 500_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_no_text_takes_long(text):
    """What was made to take long is refused in a time that grows with its length alone."""
    begin = time.process_time()
    assert json_flaw(text)
    assert time.process_time() - begin < 5  # a quadratic search would take many minutes
