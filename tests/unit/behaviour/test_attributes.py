"""Attributes: constants, draws, and a running number, each as it is written."""

from __future__ import annotations

import pytest

from simulator.behaviour.attributes import Sequence, parse_attribute
from simulator.behaviour.values import Chance, Fixed, Pick, Weighted, Whole


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("eu-central-1", Fixed("eu-central-1")),
        ("München (Süd)", Fixed("München (Süd)")),
        ("17", Fixed("17")),
        ("true", Fixed("true")),
        (17, Fixed(17)),
        (True, Fixed(True)),
        ("90%", Chance(0.9)),
        ({"gold": "5%", "silver": "95%"}, Weighted(("gold", "silver"), (0.05, 0.95))),
        ("uniform(1, 8)", Whole(1, 8)),
        ("pick(10000)", Pick(10000)),
        ("sequence", Sequence()),
    ],
)
def test_what_is_written_is_meant(written, meant):
    """A text is itself, in any script, unless it is a percentage, a distribution or `sequence`; and comes back."""
    read = parse_attribute(written)
    assert read == meant
    assert parse_attribute(read.plain()) == meant


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (1.5, "1.5 has a fraction: write it in quotes"),
        ("", "must be 1 to 200 printable characters"),
        ("a\nb", "must be 1 to 200 printable characters"),
        ("x" * 201, "must be 1 to 200 printable characters"),
        ("unifrom(1, 8)", "there is no 'unifrom'"),
        (["a"], "is not a value"),
        (None, "is not a value"),
    ],
)
def test_what_is_no_attribute(written, said):
    with pytest.raises(ValueError, match=said):
        parse_attribute(written)
