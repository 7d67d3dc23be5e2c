"""Gaps in time, told from what is missing by chance."""

from __future__ import annotations

import random

from simulator.proof.backends.judging.gaps import Timed, find_gaps

SECOND = 10**9


def timed(count, is_there, per_second=50):
    return [Timed(index * SECOND // per_second, is_there(index), str(index)) for index in range(count)]


def test_three_seconds_without_anything_are_a_gap():
    """It reaches from the last before it to the first after it, and has the services in which something is missing."""
    [gap] = find_gaps({"a": timed(500, lambda i: not 100 <= i < 250), "b": timed(500, lambda i: not 110 <= i < 260)})
    assert (gap.start_unix_ns, gap.end_unix_ns) == (99 * SECOND // 50 + 1, 260 * SECOND // 50 - 1)
    assert gap.services == ("a", "b")
    assert gap.shown() == "for 3.2 s from 00:00:01.980 to 00:00:05.200"
    assert (
        gap.has("a", SECOND, 3 * SECOND) and not gap.has("a", 0, SECOND // 2) and not gap.has("c", SECOND, 3 * SECOND)
    )


def test_half_the_run_is_a_gap_that_does_not_end():
    """A backend that stopped taking, or started too late."""
    [gap] = find_gaps({"a": timed(500, lambda i: i < 250)})
    assert gap.is_open_end and gap.shown() == "from 00:00:04.980 on"
    [gap] = find_gaps({"a": timed(500, lambda i: i >= 250)})
    assert gap.is_open_start and gap.shown() == "until 00:00:05.000"


def test_a_service_that_is_missing_altogether_has_no_gap():
    """That is a dropped service; so is nothing missing at all."""
    assert not find_gaps({"a": timed(500, lambda i: False), "b": timed(500, lambda i: True)})


def test_what_a_sampler_leaves_out_is_no_gap():
    """Of a thousand runs with 100 to 1,000 traces none has one, however few are kept: the bound is one in a million."""
    rng = random.Random(1)
    for _ in range(1000):
        count, ratio = rng.choice([100, 300, 1000]), rng.choice([0.01, 0.1, 0.5])
        assert not find_gaps({"a": timed(count, lambda _, ratio=ratio: rng.random() < ratio)})


def test_spans_of_a_trace_are_missing_together():
    """Twenty spans of each trace of a 10% sampler are one thing that is missing."""
    rng = random.Random(1)
    for _ in range(100):
        kept = [rng.random() < 0.1 for _ in range(300)]
        events = [
            Timed(index * SECOND // 50 + number, is_there, str(index))
            for index, is_there in enumerate(kept)
            for number in range(20)
        ]
        assert not find_gaps({"a": events})


def test_a_gap_is_found_beside_a_sampler_of_a_half():
    """Half of everything is missing, and in 3 seconds all of it: 150 in a row have a chance of 2 to the -150."""
    rng = random.Random(1)
    [gap] = find_gaps({"a": timed(1000, lambda i: not 300 <= i < 450 and rng.random() < 0.5)})
    assert 2.9 < gap.seconds < 3.6


def test_a_short_burst_of_loss_is_no_gap():
    """A single batch, of less than half a second, is what is incomplete."""
    assert not find_gaps({"a": timed(500, lambda i: not 100 <= i < 120)})
