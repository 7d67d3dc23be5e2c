"""Figures as a person reads them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.page.words import aria, rate_text, share_text, short, time_text


@pytest.mark.parametrize(
    ("per_second", "text"),
    [
        (math.nan, "-"),
        (0.0, "0.0/s"),
        (0.4, "0.4/s"),
        (20.12, "20.1/s"),
        (99.94, "99.9/s"),
        (100.0, "100/s"),
        (1234.4, "1,234/s"),
        (1e6, "1,000,000/s"),
    ],
)
def test_a_rate(per_second, text):
    """Small rates have a decimal, large ones their thousands, and an unknown one is a dash."""
    assert rate_text(per_second) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(math.nan, "-"), (0.0, "0 %"), (0.004, "0.4 %"), (0.05, "5.0 %"), (0.1, "10 %"), (0.123, "12 %"), (1.0, "100 %")],
)
def test_a_share(ratio, text):
    """A share is in percent, with a decimal where it is small, and an unknown one is a dash."""
    assert share_text(ratio) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0"), (math.nan, "-"), (0.00084, "840µs"), (0.0123, "12.3ms"), (1.25, "1.25s"), (340.0, "340s")],
)
def test_a_time(seconds, text):
    """A duration has three digits and its unit; 0 has no unit, and an unknown one is a dash."""
    assert time_text(seconds) == text


def test_attributes_for_screen_readers():
    """Attributes of ARIA have their own names."""
    assert aria(label="Views", hidden="true") == {"aria-label": "Views", "aria-hidden": "true"}
    assert aria() == {}


@given(st.text(), st.integers(1, 50))
def test_a_text_is_cut(text, most):
    """Text from outside stays as it is if it is short, and otherwise is cut and ends in an ellipsis."""
    found = short(text, most)
    assert len(found) <= most
    assert found == text or (found.endswith("…") and text.startswith(found[:-1]) and len(found) == most)
    assert found == text if len(text) <= most else found != text


def test_a_text_has_a_bound_where_none_is_given():
    """A megabyte becomes a line."""
    assert len(short("x" * 10**6)) == 300
