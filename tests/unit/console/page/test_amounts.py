"""Values with their units."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.page.amounts import amount_text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3ms"),
        (250, "ms", "250ms"),
        (-0.5, "s", "-500ms"),
        (0, "s", "0"),
        (1536, "By", "1.5 KiB"),
        (12, "By", "12 B"),
        (3, "MiBy", "3.0 MiB"),
        (7, "{request}", "7 requests"),
        (1, "{request}", "1 request"),
        (2, "{orders}", "2 orders"),
        (0.25, "1", "0.25"),
        (1234567, "", "1,234,567"),
        (0.123456, "", "0.1235"),
        (1.5e-7, "", "1.5e-07"),
        (1e300, "", "1e+300"),
        (1e80, "h", "1e+80 h"),
        (36.6, "Cel", "36.6 Cel"),
        (1000.5, "EUR", "1,000.5 EUR"),
        (5, "x" * 100, "5 " + "x" * 20),
        (math.nan, "s", "-"),
        (math.inf, "By", "∞"),
        (-math.inf, "", "-∞"),
    ],
)
def test_an_amount_is_written_as_a_person_reads_it(value, unit, text):
    """Durations and sizes in their own units, counted things with their noun, and any other unit as it is."""
    assert amount_text(value, unit) == text


@given(st.floats(), st.text(max_size=30))
def test_any_amount_is_a_short_text(value, unit):
    """Whatever a service sends."""
    assert 0 < len(amount_text(value, unit)) <= 80
