"""What one message multiplies to, in words."""

from __future__ import annotations

from simulator.local.multiplication import multiplication
from simulator.topology.outlook import Multiplied
from simulator.topology.worst_case import MAX_COUNT


def one(name, most, mean, entry="start"):
    return Multiplied(entry=(entry, ""), called=(name, ""), max_calls=most, mean_calls=mean)


def test_the_worst_come_first():
    """What is called at most once is not worth a line."""
    lines = list(multiplication([one("a", 1, 1.0), one("b", 4, 0.123456), one("c", 64, 1.0)]))
    assert lines[1:] == ["    up to 64 calls of c (1)", "    up to 4 calls of b (0.1235)"]
    assert list(multiplication([one("a", 1, 1.0)])) == []
    assert list(multiplication([])) == []


def test_what_is_not_known_is_left_out():
    """Of too many stages, only one of the figures may be known; and some are too large to be written."""
    lines = list(multiplication([one("a", None, 3.0), one("b", 10**12, None), one("c", MAX_COUNT, 1.0)]))
    assert lines[1:] == ["    more than 1e+18 calls of c (1)", "    up to 1.0e+12 calls of b", "    calls of a (3)"]


def test_no_more_than_ten_are_shown():
    """How many there are besides is said, and of several entries which one it is."""
    lines = list(multiplication([one(f"s{n}", 2 + n, 1.0, f"e{n % 2}") for n in range(13)]))
    assert lines[1] == "    up to 14 calls of s12 (1), for one at e0"
    assert len(lines) == 12
    assert lines[-1] == "    and 3 more that are called several times"
