"""The notation of what a tail sampler keeps."""

from __future__ import annotations

import pytest

from simulator.behaviour.keep_rules import KeepRule, parse_keep_rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("errors", KeepRule()),
        ("slower than 1s", KeepRule(slower_than_seconds=1.0)),
        ("slower than 250ms", KeepRule(slower_than_seconds=0.25)),
    ],
)
def test_a_rule_is_read_and_written_alike(text, rule):
    """What is read is written as it was."""
    assert parse_keep_rule(text) == rule
    assert str(rule) == text


@pytest.mark.parametrize("text", ["", "all", "slower than", "slower than 1", "faster than 1s", 7, None, ["errors"]])
def test_anything_else_is_refused(text):
    """A rule that is not known is an error, not a rule that keeps nothing."""
    with pytest.raises(ValueError):
        parse_keep_rule(text)
