"""The last minute of a process's counters."""

import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.metrics.history import KEPT_SECONDS, History
from tests.support.series import key

MESSAGES = "simulator_messages_total"


def messages(forwarded, **others):
    return {key(MESSAGES, outcome=outcome): count for outcome, count in {"forwarded": forwarded, **others}.items()}


def counted(values, start=100.0, step=1.0):
    """Return the history of one counter that was read each second."""
    history = History()
    for number, value in enumerate(values):
        history.record(start + number * step, messages(value))
    return history


def test_at_first_nothing_is_known():
    """Before the first reading there are no values and no rates, and the process does not count as down."""
    history = History()
    assert math.isnan(history.last(MESSAGES)) and math.isnan(history.rate(MESSAGES, 5.0))
    assert history.label_values(MESSAGES, "outcome") == []
    assert history.is_up and not history.has_been_read


def test_one_reading_has_a_value_and_no_rate():
    """A single value of a counter gives no rate."""
    history = counted([500])
    assert history.last(MESSAGES) == 500
    assert math.isnan(history.rate(MESSAGES, 5.0))


def test_the_rate_is_that_of_the_window():
    """The increase within the window, divided by its length, and nothing from before."""
    history = counted([0, 1000, 2000, 2010, 2020, 2030])
    assert history.rate(MESSAGES, 3.0) == 10
    assert history.rate(MESSAGES, 5.0) == pytest.approx(2030 / 5)


def test_readings_that_are_farther_apart_than_the_window_still_give_a_rate():
    """If a process is read every fifteen seconds, a window of five reaches back to the reading before."""
    assert counted([0, 30, 90], step=15.0).rate(MESSAGES, 5.0) == 4


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


def test_a_process_that_restarted_counts_on():
    """If a counter is smaller than before, its process restarted, and the rate has what it counted since."""
    history = counted([100, 110, 4, 14])
    assert history.rate(MESSAGES, 5.0) == 24 / 3


def test_a_process_that_does_not_answer_is_down_until_it_does():
    """The reason and the last values are kept while it is down, and the next reading brings it up again."""
    history = counted([5])
    history.mark_down("nothing is listening there")
    assert (history.is_up, history.reason, history.last(MESSAGES)) == (False, "nothing is listening there", 5)
    history.record(111.0, messages(6))
    assert (history.is_up, history.reason, history.last(MESSAGES)) == (True, "", 6)


def test_an_info_is_its_labels_of_now():
    """A configuration's labels change: only the last reading's count, and no series is kept for each of them."""
    history = History(max_keys=1)
    for number in range(5):
        info = key("simulator_info", delay=f"constant({number}s)")
        history.record(float(number), {info: 1.0, **messages(10 * number)})
    assert history.label_values("simulator_info", "delay") == ["constant(4s)"]
    assert history.last("simulator_info") == 1
    assert history.rate(MESSAGES, 5.0) == 10


def test_series_beyond_the_bound_are_not_recorded():
    """Beyond its bound a history records no further series; the ones it has continue."""
    history = History(max_keys=2)
    for second in range(3):
        history.record(float(second), messages(second, failed=second, rejected=second))
    assert history.rate(MESSAGES, 5.0, outcome="failed") == 1
    assert history.keys(MESSAGES, outcome="rejected") == []


def test_what_is_kept_is_bounded():
    """A rate reaches back at most a minute, and includes nothing counted before."""
    history = counted([*range(0, 10**6, 1000), *(10**6 + 10 * number for number in range(int(KEPT_SECONDS) + 1))])
    assert history.rate(MESSAGES, 1e9) == 10


def test_sixty_processes_take_some_megabytes():
    """A process with 150 series, read every second for ten minutes, takes under 120 KiB."""
    keys = [key("some_metric_bucket", le=str(number)) for number in range(150)]
    tracemalloc.start()
    try:
        history = History()
        for number in range(600):
            history.record(float(number), dict.fromkeys(keys, float(number)))
        assert tracemalloc.get_traced_memory()[0] < 120 * 1024
    finally:
        tracemalloc.stop()


@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.sampled_from(["counts", "restarts", "is away"])), min_size=2, max_size=90
    ),
    st.floats(1, KEPT_SECONDS),
)
def test_rates_agree_with_what_was_counted(seconds, window):
    """Whatever happens to a process, the rate is its count within the window, divided by the window's seconds."""
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
        assert math.isnan(history.rate(MESSAGES, window))
        return
    before = [at for at, _ in grown[:-1] if at <= grown[-1][0] - window]
    since = before[-1] if before else grown[0][0]
    wanted = sum(count for at, count in grown if at > since)
    assert history.rate(MESSAGES, window) == pytest.approx(wanted / (grown[-1][0] - since))
