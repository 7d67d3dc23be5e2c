"""The notation of what a sampler is expected to keep."""

from __future__ import annotations

import pytest

from simulator.errors import ConfigurationError
from simulator.proof.backends.expectation.records import ExpectedTrace
from simulator.proof.backends.sampling_rules import SamplingRules, parse_expectation, sampling_rules


@pytest.mark.parametrize(
    ("texts", "rules"),
    [
        (["sampling: 10%"], SamplingRules(ratio=0.1)),
        (
            ["sampling: 10%, keep: errors, keep: slower than 1s"],
            SamplingRules(ratio=0.1, keeps_errors=True, slower_than_seconds=1.0),
        ),
        (["keep:errors", "sampling:0.5%"], SamplingRules(ratio=0.005, keeps_errors=True)),
        (["keep: slower than 250ms"], SamplingRules(ratio=0.0, slower_than_seconds=0.25)),
        ([], None),
    ],
)
def test_rules_are_read(texts, rules):
    """A share, and rules; a sampler of only rules keeps nothing else."""
    assert sampling_rules(parse_expectation(texts)) == rules


@pytest.mark.parametrize("text", ["", "10%", "sampling: lots", "sampling: 110%", "keep: all", "keep: slower than 1"])
def test_other_texts_are_refused_by_name(text):
    """The error shows the text."""
    with pytest.raises(ConfigurationError, match="--expect"):
        parse_expectation([text])


def trace(seconds, has_error=False):
    return ExpectedTrace(trace_id="1", visits=(), has_error=has_error, duration_seconds=seconds)


def test_a_trace_at_the_limit_is_neither_kept_for_sure_nor_not():
    """A sampler sees its spans' times, rounded as they are."""
    rules = SamplingRules(ratio=0.1, slower_than_seconds=1.0)
    assert rules.must_keep(trace(1.0011)) and not rules.is_uncertain(trace(1.0011))
    assert rules.is_uncertain(trace(1.0009)) and rules.is_uncertain(trace(0.9991))
    assert not rules.must_keep(trace(0.9)) and not rules.is_uncertain(trace(0.9))
    assert SamplingRules(ratio=0.1, keeps_errors=True).must_keep(trace(0.1, has_error=True))
