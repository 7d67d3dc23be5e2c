"""Charts."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.delays import parse_delay
from simulator.behaviour.distributions import Constant
from simulator.console.page.charts import chart, delay_chart, latency_chart, outcomes_chart
from simulator.telemetry.record import Outcome

NAN = math.nan
START = 1_700_000_000.0
MAX_POINTS = 200
SHORTEST_SECONDS = 1e-4
DELAYS = [
    "constant(10ms)",
    "uniform(5ms, 40ms)",
    "exponential(8ms)",
    "lognormal(p50=12ms, p99=80ms, max=1s)",
    "percentiles(p50=10ms, p90=40ms, p99=200ms, max=2s)",
    "mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))",
]


def curves(figure):
    return {curve["name"]: curve for curve in figure["data"]}


@pytest.mark.parametrize("text", DELAYS)
def test_the_configured_curve_is_the_delay_s_own(text):
    """Each of its points is a share and the delay's quantile there, from the half hundredth to beyond the p999."""
    delay = parse_delay(text)
    curve = curves(delay_chart(delay, [], []))["configured"]
    assert curve["x"] == [max(SHORTEST_SECONDS, delay.quantile(share)) for share in curve["y"]]
    assert {0.005, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995} <= set(curve["y"])
    assert curve["y"] == sorted(set(curve["y"])) and curve["y"][0] > 0 and 0.999 < curve["y"][-1] < 1
    assert curve["x"] == sorted(curve["x"])
    assert len(curve["x"]) <= 1.2 * MAX_POINTS


def test_without_a_configuration_there_are_two_curves():
    """A delay that can't be read here is left out; the observed ones are shown."""
    assert list(curves(delay_chart(None, [0.01], [0.02]))) == ["injected", "observed"]
    assert list(curves(delay_chart(Constant(0.01), [], []))) == ["configured", "injected", "observed"]


def test_shares_of_a_few():
    """Of a few messages each is a step, in the order of their durations."""
    found = curves(delay_chart(None, [0.03, 0.01, 0.02, 0.02], []))
    assert (found["injected"]["x"], found["injected"]["y"]) == ([0.01, 0.02, 0.02, 0.03], [0.25, 0.5, 0.75, 1.0])
    assert (found["observed"]["x"], found["observed"]["y"]) == ([], [])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=1200))
def test_observed_shares_end_at_one(values):
    """The curve rises to all of them at the longest, and each point is true of the sample."""
    curve = curves(delay_chart(None, values, []))["injected"]
    assert curve["y"][-1] == 1.0
    assert curve["x"][-1] == max(SHORTEST_SECONDS, *values)
    assert curve["y"] == sorted(set(curve["y"])) and curve["x"] == sorted(curve["x"])
    for seconds, share in zip(curve["x"], curve["y"], strict=True):
        exact = sum(max(SHORTEST_SECONDS, value) <= seconds for value in values) / len(values)
        assert share <= exact + 1e-12


def test_the_tail_is_not_thinned_out():
    """Every value of the last hundredth of a large sample is a point."""
    values = [number / 1000 for number in range(1, 2001)]
    assert curves(delay_chart(None, values, []))["injected"]["x"][-20:] == values[-20:]


@pytest.mark.parametrize("count", [1, 100, 200, 400, 1000, 1999, 2000])
def test_a_curve_has_no_more_points_than_can_be_shown(count):
    """However many values there are, the bulk has a bounded number of points, and the tail those of a hundredth."""
    chance = random.Random(count)
    curve = curves(delay_chart(None, [chance.random() for _ in range(count)], []))["injected"]
    assert len(curve["x"]) == len(curve["y"]) <= 1.5 * MAX_POINTS + count // 100


@pytest.mark.parametrize("count", [300, 399, 599])
def test_the_bound_of_points_holds_between_its_multiples(count):
    """The bound is one of all sizes of a sample."""
    curve = curves(delay_chart(None, [number / 1000 for number in range(count)], []))["injected"]
    assert len(curve["x"]) <= MAX_POINTS + count // 100


def test_what_takes_no_time_is_at_the_edge():
    """The axis is logarithmic, so that no point is at 0."""
    found = curves(delay_chart(Constant(0.0), [0.0], [0.0]))
    assert all(x == SHORTEST_SECONDS for curve in found.values() for x in curve["x"])


def test_the_axis_of_delays_is_labelled_with_times():
    """Each decade from 0.1 ms to 1000 s has its name."""
    axis = delay_chart(None, [], [])["layout"]["xaxis"]
    assert axis["type"] == "log"
    assert axis["ticktext"] == ["100µs", "1.00ms", "10.0ms", "100ms", "1.00s", "10.0s", "100s", "1000s"]
    assert axis["tickvals"] == pytest.approx([1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000])


def test_latency_over_time():
    """p50 and p99 are in milliseconds, at their times in UTC, and unknown ones are gaps."""
    found = curves(latency_chart([START, START + 5.5, START + 10], [0.01, NAN, 0.0123456], [NAN, NAN, 1.5]))
    times = ["2023-11-14T22:13:20+00:00", "2023-11-14T22:13:25.500000+00:00", "2023-11-14T22:13:30+00:00"]
    assert (found["p50"]["x"], found["p50"]["y"]) == (times, [10.0, None, 12.346])
    assert (found["p99"]["x"], found["p99"]["y"]) == (times, [None, None, 1500.0])
    assert not any(curve.get("connectgaps") for curve in found.values())


def test_outcomes_over_time():
    """Each outcome has its own stacked area, in a fixed order."""
    per_second = {"failed": (0.0, 1.5), "forwarded": (20.0, 18.5), "rejected": (0.0, 0.0), "faulted": (0.5, 0.0)}
    figure = outcomes_chart([START, START + 5], per_second)
    assert [(curve["name"], curve["y"]) for curve in figure["data"]] == [
        ("forwarded", [20.0, 18.5]),
        ("faulted", [0.5, 0.0]),
        ("failed", [0.0, 1.5]),
    ]
    assert {curve["stackgroup"] for curve in figure["data"]} == {"all"}


def test_every_outcome_can_be_shown():
    """No outcome is left out, and good and bad ones have different colours."""
    figure = outcomes_chart([START], {str(outcome): (1.0,) for outcome in Outcome})
    assert {curve["name"] for curve in figure["data"]} == {str(outcome) for outcome in Outcome}
    colours = {curve["name"]: curve["line"]["color"] for curve in figure["data"]}
    assert len({colours[bad] for bad in ("rejected", "invalid", "faulted", "failed")} | {colours["delivered"]}) == 5


@pytest.mark.parametrize(
    "figure",
    [
        delay_chart(None, [], []),
        delay_chart(Constant(1.0), [0.5], [NAN]),
        latency_chart([], [], []),
        outcomes_chart([], {}),
    ],
)
def test_a_chart_is_plain(figure):
    """With or without values a chart is a description that goes into JSON, keeps what was zoomed, and has a legend."""
    json.dumps(figure, allow_nan=True)
    assert figure["layout"]["uirevision"] and figure["layout"]["showlegend"]
    assert figure["layout"]["paper_bgcolor"] == figure["layout"]["plot_bgcolor"] == "rgba(0,0,0,0)"


def test_the_place_of_a_chart():
    """It has its height before its figure has come, so that nothing moves then."""
    place = chart("chart-latency")
    assert (place.id, place.style) == ("chart-latency", {"height": "260px"})
    assert place.config["displayModeBar"] is False
