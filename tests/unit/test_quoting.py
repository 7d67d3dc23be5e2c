"""Text from outside, as it is shown: bounded, and nothing in it that a terminal obeys."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.quoting import listed, printable, quoted, shortened


class Unwilling:
    """A value that can't even be shown."""

    def __repr__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize("value", ["x", "it's", 5, -1, 0.5, math.inf, None, True, [1, "a"], {"a": 1}, (1,), b"x", {1}])
def test_a_short_value_is_its_repr(value):
    """What is short is shown as Python writes it."""
    assert quoted(value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(10**5000, id="huge"),
        pytest.param(-(10**5000), id="huge and negative"),
        "1" * 10**6,
        "\x1b" * 10**6,
        b"x" * 10**6,
        list(range(10**5)),
        {"a": "x" * 10**6},
        [[[[[[["deep"] * 9] * 9] * 9] * 9] * 9] * 9] * 9,
        Unwilling(),
    ],
)
def test_any_value_is_shown_in_bounded_length(value):
    """A megabyte, a number of 5,000 digits and an object that refuses are shown all the same."""
    assert 0 < len(quoted(value)) < 1000


@given(st.text() | st.binary() | st.lists(st.text()))
def test_nothing_that_is_quoted_is_obeyed(value):
    """Escape sequences and line breaks are shown as such."""
    assert quoted(value).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [red] text", "plain [red] text"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x9b31m\x00", "\\x9b31m\\x00"),
        ("\u202eright to left", "\\u202eright to left"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("日本", "日本"),
    ],
)
def test_what_is_not_printable_is_escaped(text, shown):
    """Letters of any language stay, control characters and marks that turn the writing around do not."""
    assert printable(text) == shown


def test_line_breaks_may_be_kept():
    """A message of several lines keeps them."""
    assert printable("a\n\x1bb", keep="\n") == "a\n\\x1bb"


def test_the_middle_is_left_out():
    """The beginning and the end of a name tell most."""
    assert shortened("abcdefghij", 7) == "ab...ij"
    assert shortened("abcdefg", 7) == "abcdefg"


def test_many_names_are_counted():
    """The first twenty are named."""
    assert listed(["a", "b"]) == "a, b"
    assert listed([]) == ""
    assert listed(map(str, range(1000)), max_listed=2) == "0, 1 and 998 more"
    assert len(listed(["x" * 10**6] * 30)) < 5000
