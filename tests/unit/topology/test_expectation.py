"""The key `expect` of a topology: what a sampler keeps of its traces."""

from __future__ import annotations

import pytest

from simulator.behaviour.keep_rules import KeepRule
from simulator.topology.expectation import Expectation
from simulator.topology.reader import write_topology
from tests.support.reading import HEAD, assert_shown, read, refusal_of


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{sampling: 10%}", Expectation(sampling_ratio=0.1)),
        ("{keep: [errors]}", Expectation(keep=(KeepRule(),))),
        (
            "{sampling: 0.5%, keep: [errors, slower than 1s]}",
            Expectation(sampling_ratio=0.005, keep=(KeepRule(), KeepRule(slower_than_seconds=1.0))),
        ),
    ],
)
def test_what_is_expected_is_read_and_written(written, expected):
    """A topology as it was run says what was expected, for a judgement later."""
    topology = read(f"expect: {written}\n{HEAD}")
    assert topology.expect == expected
    assert read(write_topology(topology)) == topology


def test_what_is_wrong_is_shown_at_its_place():
    """A share that is none, a rule that is none, a key that is none."""
    assert_shown(
        refusal_of(f"expect:\n  sampling: 110%\n  keep: [errors, all]\n  head: 1\n{HEAD}"),
        [
            (2, 3, "110%"),
            (3, 18, "errors, or slower than 1s"),
            (4, 3, "head"),
        ],
    )
    assert_shown(refusal_of(f"expect: 10%\n{HEAD}"), [(1, 1, "{sampling: 10%, keep: [errors]}")])
