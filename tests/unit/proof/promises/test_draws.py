"""Steps by the positions that the truth has of them."""

from __future__ import annotations

import pytest

from simulator.proof.promises.draws import step_at, without_times
from tests.support.virtual import topology_of

CALLS = [
    "a",
    {"parallel": ["a", {"choose": {"a": 1, "b": 2}}], "times": 2, "on_error": ["b"]},
    {"steps": ["a", {"to": "b", "times": 3, "fallback": ["a", "b"]}], "probability": "10%"},
    {"to": "a", "fallback": "b"},
]
OPERATION = topology_of({"shop": {"calls": CALLS}, "a": {}, "b": {}}).stages["shop"]


@pytest.mark.parametrize(
    ("position", "to"),
    [
        ("0", "a"),
        ("1#2.parallel.0", "a"),
        ("1#1.parallel.1.choose.1", "b"),
        ("1.on_error.0", "b"),
        ("2.0", "a"),
        ("2.1#3", "b"),
        ("2.1#2.fallback.0", "a"),
        ("3.fallback", "b"),
    ],
)
def test_each_position_names_its_step(position: str, to: str) -> None:
    """What a call in a group, a choice, a fallback or after a failure calls is found by its position."""
    step = step_at(OPERATION, position)
    assert step is not None
    assert step.to == to


@pytest.mark.parametrize("position", ["9", "0.0", "1.parallel.7", "nothing"])
def test_a_position_without_a_step_has_none(position: str) -> None:
    """A stage that was changed may have positions of other steps."""
    assert step_at(OPERATION, position) is None


def test_a_place_is_the_position_without_its_times() -> None:
    """The third of five times is a call of the same step as the first."""
    assert without_times("1#3.parallel.2#1") == "1.parallel.2"
