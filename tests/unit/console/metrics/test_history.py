"""Some minutes of what a process counted."""

import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.metrics.exposition import Key
from simulator.console.metrics.history import COARSE_SECONDS, FINE_SECONDS, History

MESSAGES = "simulator_messages_total"


def key(name, **labels):
    return Key(name, tuple(sorted(labels.items())))


def messages(forwarded, **others):
    return {key(MESSAGES, outcome=outcome): count for outcome, count in {"forwarded": forwarded, **others}.items()}


def counted(values, start=100.0, step=1.0):
    """Give the history of one counter that was read each second."""
    history = History()
    for number, value in enumerate(values):
        history.record(start + number * step, messages(value))
    return history


def test_at_first_nothing_is_known():
    """Before the first reading there are no values, no rates and no points, and nothing bad is said of the process."""
    history = History()
    assert math.isnan(history.last(MESSAGES)) and math.isnan(history.rate(MESSAGES, 5.0))
    assert math.isnan(history.increase(MESSAGES, 5.0)) and math.isnan(history.quantile("x_seconds", 0.5, 5.0))
    assert history.rates(MESSAGES) == history.values(MESSAGES) == history.label_values(MESSAGES, "outcome") == []
    assert history.age_seconds(7.0) == math.inf
    assert history.is_up


def test_one_reading_has_a_value_and_no_rate():
    """A counter's value says nothing about its speed."""
    history = counted([500])
    assert history.last(MESSAGES) == 500
    assert math.isnan(history.rate(MESSAGES, 5.0))


def test_the_rate_is_that_of_the_window():
    """What was counted in the window, by its length, and nothing of before."""
    history = counted([0, 1000, 2000, 2010, 2020, 2030])
    assert history.rate(MESSAGES, 3.0) == 10
    assert history.increase(MESSAGES, 3.0) == 30
    assert history.rate(MESSAGES, 5.0) == pytest.approx(2030 / 5)


def test_readings_that_are_farther_apart_than_the_window_still_give_a_rate():
    """Where a process is read every fifteen seconds a window of five reaches back to the reading before."""
    assert counted([0, 30, 90], step=15.0).rate(MESSAGES, 5.0) == 4


def test_a_long_window_reaches_into_the_coarse_readings():
    """A rate over more than the fine readings' minute is made of those that are kept for longer."""
    history = counted([10 * number for number in range(400)])
    assert history.rate(MESSAGES, 300.0) == pytest.approx(10)
    assert history.increase(MESSAGES, 300.0) == pytest.approx(3000, abs=50)


def test_labels_choose_the_series():
    """A rate is that of all series with the labels asked for, added up."""
    history = History()
    history.record(0.0, messages(0, failed=0, rejected=0))
    history.record(2.0, messages(20, failed=4, rejected=2))
    assert history.rate(MESSAGES, 5.0) == 13
    assert history.rate(MESSAGES, 5.0, outcome="failed") == 2
    assert history.rate(MESSAGES, 5.0, outcome="nothing") == 0
    assert (history.last(MESSAGES), history.last(MESSAGES, outcome="failed")) == (26, 4)
    assert history.label_values(MESSAGES, "outcome") == ["forwarded", "failed", "rejected"]
    assert history.keys(MESSAGES, outcome="failed") == [key(MESSAGES, outcome="failed")]


def test_a_series_that_appears_counts_from_its_first_event():
    """What comes into being with its first failure shows that failure in the rate."""
    history = counted([0, 10])
    history.record(102.0, messages(20, failed=3))
    assert history.rate(MESSAGES, 5.0, outcome="failed") == 1.5


def test_a_process_that_began_anew_counts_on():
    """Where a counter is smaller than before, its process began at 0 again, and the rate is that of what it counted."""
    history = counted([100, 110, 4, 14])
    assert history.increase(MESSAGES, 5.0) == 24


def test_a_process_that_does_not_answer_is_down_until_it_does():
    """The reason is kept while it is down, the last values stay, and the next reading makes it up again."""
    history = counted([5])
    history.mark_down("nothing listens there")
    assert (history.is_up, history.reason, history.last(MESSAGES)) == (False, "nothing listens there", 5)
    assert history.age_seconds(110.0) == 10
    history.record(111.0, messages(6))
    assert (history.is_up, history.reason, history.age_seconds(111.0)) == (True, "", 0)


def test_a_quantile_is_that_of_the_window():
    """A quantile comes from what the buckets counted in the window, those of all series with the labels together."""

    def reading(fast, slow):
        name = "x_seconds_bucket"
        return {
            key(name, code=code, le=bound): float(count)
            for code, share in (("200", 0.5), ("503", 0.5))
            for bound, count in (("0.1", fast * share), ("1.0", (fast + slow) * share), ("+Inf", (fast + slow) * share))
        }

    history = History()
    history.record(0.0, reading(1000, 0))
    history.record(1.0, reading(1000, 100))
    history.record(2.0, reading(1050, 150))
    assert history.bucket_increases("x_seconds", 1.0) == {0.1: 50, 1.0: 100, math.inf: 100}
    assert history.bucket_increases("x_seconds", 1.0, code="503") == {0.1: 25, 1.0: 50, math.inf: 50}
    assert history.quantile("x_seconds", 0.75, 1.0) == pytest.approx(0.55)


def test_rates_over_time_have_a_point_for_each_coarse_step():
    """The points are five seconds apart, the last one is the newest reading, and each has the rate since the last."""
    history = counted([10 * number for number in range(13)])
    assert history.rates(MESSAGES) == [(105.0, 10.0), (110.0, 10.0), (112.0, 10.0)]


def test_a_time_without_answers_is_a_gap():
    """Where the process did not answer in between, no rate is made up; the points after it have theirs."""
    history = counted([10 * number for number in range(6)])
    history.mark_down("gone")
    for second in range(6):
        history.record(200.0 + second, messages(100 + 10 * second))
    points = history.rates(MESSAGES)
    assert [at for at, _ in points] == [105.0, 200.0, 205.0]
    assert math.isnan(points[1][1])
    assert (points[0][1], points[2][1]) == (10, 10)


def test_a_gauge_over_time():
    """The values of gauges are added up at each point, NaN where there was none."""
    history = History()
    history.record(0.0, {key("depth", side="a"): 1.0, key("depth", side="b"): 2.0})
    history.record(5.0, messages(1))
    history.record(6.0, {key("depth", side="a"): 4.0})
    [first, second, third] = history.values("depth")
    assert (first, third) == ((0.0, 3.0), (6.0, 4.0))
    assert second[0] == 5.0 and math.isnan(second[1])


def test_an_info_is_its_labels_of_now():
    """What a configuration is called changes: only the last reading's name counts, and no series is kept for each."""
    history = History(most_keys=1)
    for number in range(5):
        info = key("simulator_info", delay=f"constant({number}s)")
        history.record(float(number), {info: 1.0, **messages(10 * number)})
    assert history.label_values("simulator_info", "delay") == ["constant(4s)"]
    assert history.last("simulator_info") == 1
    assert history.rate(MESSAGES, 5.0) == 10


def test_more_series_than_may_be_are_not_followed():
    """Beyond its bound a history follows no further series; those it has go on."""
    history = History(most_keys=2)
    for second in range(3):
        history.record(float(second), messages(second, failed=second, rejected=second))
    assert history.rate(MESSAGES, 5.0, outcome="failed") == 1
    assert history.keys(MESSAGES, outcome="rejected") == []


def test_what_is_kept_is_bounded():
    """After an hour there are the points of ten minutes, and rates reach no further back."""
    history = counted([10 * number for number in range(3600)])
    points = history.rates(MESSAGES)
    assert len(points) <= COARSE_SECONDS / 5 + 2
    assert points[0][0] >= 100 + 3600 - COARSE_SECONDS - 10
    assert history.increase(MESSAGES, 1e9) == pytest.approx(10 * COARSE_SECONDS, rel=0.02)


def test_sixty_processes_take_some_megabytes():
    """Ten minutes of a process with 150 series, read every three seconds as one of sixty is, take under 400 KiB."""
    keys = [key("some_metric_bucket", le=str(number)) for number in range(150)]
    tracemalloc.start()
    try:
        history = History()
        for number in range(200):
            history.record(3.0 * number, dict.fromkeys(keys, float(number)))
        assert tracemalloc.get_traced_memory()[0] < 400 * 1024
    finally:
        tracemalloc.stop()


@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.sampled_from(["counts", "restarts", "is away"])), min_size=2, max_size=90
    ),
    st.floats(1, FINE_SECONDS),
)
def test_rates_agree_with_what_was_counted(seconds, window):
    """Whatever a process goes through, the growth in the window is what it counted in the seconds that it spans."""
    history, level, grown = History(), 0, []
    for at, (count, fate) in enumerate(seconds):
        if fate == "is away":
            history.mark_down("away")
            continue
        if fate == "restarts" and count < level:
            level = count
        else:
            level += count
        grown.append((float(at), count))
        history.record(float(at), messages(level))
    if len(grown) < 2:
        assert math.isnan(history.increase(MESSAGES, window))
        return
    before = [at for at, _ in grown[:-1] if at <= grown[-1][0] - window]
    since = before[-1] if before else grown[0][0]
    wanted = sum(count for at, count in grown if at > since)
    assert history.increase(MESSAGES, window) == wanted
    assert history.rate(MESSAGES, window) == pytest.approx(wanted / (grown[-1][0] - since))
