"""How long a probe takes, and what it needs for its verdict."""

from __future__ import annotations

import pytest

from simulator.behaviour.thresholds import parse_threshold
from simulator.proof.capacity.probe import messages_needed, plan_probe


@pytest.mark.parametrize(
    ("thresholds", "messages"),
    [
        ([], 200),
        (["missed = 0"], 200),
        (["p50 < 1s"], 200),
        (["p99 < 1s"], 1000),
        (["p99.9 < 1s"], 10_000),
        (["p99.9999 < 1s"], 20_000),
        (["errors < 1%", "p95 < 1s"], 1000),
        (["errors = 0"], 200),
    ],
)
def test_ten_messages_decide_a_verdict(thresholds, messages):
    """Ten of them are beyond the percentile, or are the share that is allowed, within bounds."""
    assert messages_needed([parse_threshold(text) for text in thresholds]) == messages


def test_a_probe_is_as_long_as_asked_for_and_as_needed():
    """At 20/s 1,000 messages take 50 s; at 1,000/s ten seconds are enough; a window needs two of its length."""
    p99 = [parse_threshold("p99 < 1s")]
    assert plan_probe(20.0, p99, 10.0).seconds == 50.0
    assert plan_probe(1000.0, p99, 10.0).seconds == 10.0
    assert plan_probe(1000.0, [parse_threshold("p99 < 1s over 30s")], 10.0).seconds == 60.0


def test_no_more_messages_than_needed_are_sent_for_a_long_time():
    """At 10,000/s ten seconds have 100,000 messages, of which 20,000 are enough."""
    p99 = [parse_threshold("p99 < 1s")]
    assert plan_probe(10_000.0, p99, 10.0, max_messages=20_000).seconds == 2.0
    assert plan_probe(10_000.0, p99, 10.0, max_messages=500).seconds == 0.1


def test_the_warm_up_is_beside_the_probe():
    """A tenth of it, or as given."""
    assert plan_probe(1000.0, [], 10.0).total_seconds == 11.0
    assert plan_probe(1000.0, [], 10.0, warm_up_seconds=3.0).total_seconds == 13.0
