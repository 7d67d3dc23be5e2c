"""Judging: what each measure counts, over the whole and over windows, and when a threshold can't hold any more."""

from __future__ import annotations

import math
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.threshold_sums import new_sum
from simulator.behaviour.thresholds import parse_threshold
from simulator.behaviour.verdicts import Judge, all_kept
from simulator.behaviour.visit_figures import VisitFigures


def visit(seconds=0.0, at=0.0, **others):
    """Return the visit of a request that began and succeeded at the injector, if nothing else is said."""
    values = {
        "stage": "injector",
        "operation": "",
        "begins": True,
        "at": at,
        "succeeded": True,
        "rejected": False,
        "duration_seconds": seconds,
        "end_to_end_seconds": seconds,
    }
    return VisitFigures(**{**values, **others})


def judge(*texts, subjects=None, **others):
    thresholds = [parse_threshold(text) for text in texts]
    return Judge(thresholds, subjects or [("", "")] * len(texts), 0.0, **others)


def only(texts, visits, ended_at=None, **others):
    made = judge(texts, **others)
    for one in visits:
        made.add(one)
    [verdict] = made.verdicts(ended_at)
    return verdict


@pytest.mark.parametrize(
    ("text", "observed"),
    [
        # Of 1 to 100 ms the nth percentile by nearest rank is n ms.
        ("p50 < 1s", 0.050),
        ("p99 < 1s", 0.099),
        ("p99.9 < 1s", 0.100),
        ("p7 < 1s", 0.007),
        ("mean < 1s", 0.0505),
        ("max < 1s", 0.100),
    ],
)
def test_times_are_judged_exactly(text, observed):
    """A percentile is the value of its rank, not an estimate."""
    times = [number / 1000 for number in range(1, 101)]
    random.Random(1).shuffle(times)
    assert only(text, map(visit, times)).observed == pytest.approx(observed, abs=1e-12)


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), min_size=1, max_size=60),
    st.sampled_from(["p1", "p50", "p90", "p99.9", "mean", "max"]),
    st.sampled_from(["<", "<=", ">", ">=", "="]),
    st.integers(0, 60),
)
def test_what_can_not_hold_any_more_is_broken_in_the_end(times, statistic, operator, added):
    """Once a threshold is given up, no times of that many further messages can mend it; and at the end it is exact."""
    threshold = parse_threshold(f"{statistic} {operator} 300ms")
    first, rest = times[: len(times) - added], times[len(times) - added :] if added else []
    first = first if added < len(times) else []
    rest = times[len(first) :]
    judged = new_sum(threshold)
    for seconds in first:
        judged.add(visit(seconds))
    given_up = judged.cannot_hold(len(rest))
    for seconds in rest:
        judged.add(visit(seconds))
    observed = judged.observed()
    if given_up:
        assert not threshold.holds(observed)
    assert judged.cannot_hold(0) == (not threshold.holds(observed))


def test_a_percentile_is_given_up_at_the_first_moment_and_not_before():
    """Of 1,000 messages ten may be slow for p99; the eleventh decides, even if all others are fast."""
    made = judge("p99 < 300ms")
    for number in range(1, 12):
        assert made.broken_for_good(0.0, 0, 1000 - number + 1) is None
        made.add(visit(0.3))
    assert str(made.broken_for_good(0.0, 0, 1000 - 11)) == "p99 < 300ms"


def test_without_an_end_only_a_count_can_be_given_up():
    """Any share and any percentile can be mended by enough further messages."""
    made = judge("p99 < 300ms", "errors < 1%", "missed = 0")
    made.add(visit(1.0, succeeded=False))
    assert made.broken_for_good(0.0, 0) is None
    made.add_due(0.0, 2, 1)
    assert str(made.broken_for_good(0.0, 0)) == "missed = 0"


@pytest.mark.parametrize(
    ("text", "observed"),
    [("errors < 5%", 0.04), ("missed = 0", 1), ("missed < 2%", 0.01), ("rate > 9/s", 9.6)],
)
def test_shares_counts_and_rates(text, observed):
    """Of 100 messages at 10/s four fail, and one is not sent in time."""
    made = judge(text)
    for n in range(1, 101):
        made.add(visit(at=0.1 * n, succeeded=n % 25 != 0))
        made.add_due(0.1 * n, 1, int(n == 50))
    assert made.verdicts(None)[0].observed == pytest.approx(observed)


def test_a_stage_may_be_visited_any_number_of_times():
    """What is still to come of its visits is not known, so a share is not given up; a maximum is, at once."""
    made = judge("shop errors < 1%", "shop max < 1s", subjects=[("shop", "")] * 2)
    for _ in range(20):
        made.add(visit(0.5, stage="shop", begins=False, succeeded=False))
    assert made.broken_for_good(0.0, 0, 10) is None
    made.add(visit(1.5, stage="shop", begins=False))
    assert str(made.broken_for_good(0.0, 0, 10)) == "shop max < 1s"


def test_what_fails_has_no_duration():
    """End to end and at a stage, a duration is that of successes: a fast refusal makes nothing faster."""
    visits = [visit(1.0), visit(0.001, succeeded=False)]
    assert only("max < 2s", visits).messages == 1
    assert only("mean < 2s", visits).observed == 1.0


def test_a_stage_is_judged_by_its_own_visits():
    """A threshold of a stage counts all of its operations, that of an operation only its own."""
    made = judge(
        "cart p99 < 1s",
        "cart.read p99 < 1s",
        "cart rejected < 1%",
        subjects=[("cart", ""), ("cart", "read"), ("cart", "")],
    )
    made.add(visit(9.0))
    for operation, seconds in (("read", 0.1), ("write", 0.2)):
        made.add(visit(seconds, stage="cart", operation=operation, begins=False))
    made.add(visit(0.0, stage="cart", operation="read", begins=False, succeeded=False, rejected=True))
    of_stage, of_operation, rejected = made.verdicts(None)
    assert (of_stage.observed, of_stage.messages) == (0.2, 2)
    assert (of_operation.observed, of_operation.messages) == (0.1, 1)
    assert rejected.observed == pytest.approx(1 / 3)


def test_the_warm_up_is_left_out():
    """What was due before its end does not count, whenever it ended; the first message after it does."""
    visits = [visit(5.0, at=9.999), visit(0.1, at=10.0)]
    assert only("max < 1s", visits, warm_up_seconds=10.0).observed == 0.1


def test_what_was_not_judged_is_broken():
    """No message is no proof, and the verdict says so."""
    verdict = only("p99 < 1s", [visit(0.1, at=1.0)], warm_up_seconds=10.0)
    assert not verdict.kept
    assert verdict.reason == "there was no message to judge after the warm-up of 10s"
    assert verdict.as_dict()["observed"] == f"not judged: {verdict.reason}"


def test_each_whole_window_must_hold():
    """A window that breaks it breaks the whole; one that has not ended, and one without messages, say nothing."""
    visits = [visit(0.1, at=0.5), visit(0.5, at=11.0), visit(0.1, at=12.0), visit(0.2, at=30.0), visit(9.0, at=41.0)]
    verdict = only("max < 300ms over 10s", visits, ended_at=45.0)
    assert (verdict.kept, verdict.observed) == (False, 0.5)
    assert (verdict.windows, verdict.broken_windows, verdict.first_broken_seconds) == (3, 1, 10.0)
    assert verdict.as_dict()["observed"] == "max = 500ms in the worst of 3 windows"


def test_windows_begin_after_the_warm_up():
    """The time of a broken window is told since the load began."""
    verdict = only("max < 300ms over 10s", [visit(0.5, at=16.0)], ended_at=25.0, warm_up_seconds=5.0)
    assert (verdict.windows, verdict.first_broken_seconds) == (1, 15.0)


def test_a_rate_counts_windows_without_messages():
    """Nothing in ten seconds is a rate of 0; a load that has ended with its last message leaves no such window."""
    visits = [visit(at=0.1 * n) for n in range(1, 101)]
    assert not only("rate > 5/s over 10s", visits, ended_at=20.0).kept
    assert only("rate > 5/s over 10s", visits).kept


def test_a_run_without_a_whole_window_is_not_judged():
    verdict = only("p99 < 1s over 10s", [visit(0.1, at=1.0)], ended_at=9.0)
    assert (verdict.kept, verdict.reason) == (False, "there was no whole window of 10s")


def test_a_window_is_given_up_once_it_has_ended():
    """Before its end, and while messages of it may still mend it, it is not."""
    made = judge("errors < 50% over 10s")
    for _ in range(10):
        made.add(visit(at=5.0, succeeded=False))
    assert made.broken_for_good(9.9, 0) is None
    assert made.broken_for_good(10.0, 11) is None
    assert str(made.broken_for_good(10.0, 10)) == "errors < 50% over 10s"


@pytest.mark.parametrize(
    ("text", "ended_at"),
    [("p99 < 1s", None), ("p99 < 1s over 10s", 1000.0), ("mean < 1s", None), ("errors < 1%", None)],
)
def test_a_message_takes_eight_bytes_at_most(text, ended_at):
    """The bound of memory that the documents state: 8 bytes for each message and threshold, an eighth more to grow."""
    made = new_sum(parse_threshold(text))
    before = _bytes_of(made)
    for number in range(10_000):
        made.add(visit(number / 1e4))
    assert _bytes_of(made) - before <= 8 * 10_000 * 9 / 8 + 64


def _bytes_of(made):
    return sum(map(sys.getsizeof, vars(made).values()))


def test_all_are_kept_only_if_each_is():
    made = judge("max < 1s", "errors < 1%")
    made.add(visit(0.5))
    assert all_kept(made.verdicts(None))
    made.add(visit(1.5))
    assert [verdict.kept for verdict in made.verdicts(None)] == [False, True]
    assert not all_kept(made.verdicts(None))
    assert math.isclose(made.verdicts(None)[0].observed, 1.5)
