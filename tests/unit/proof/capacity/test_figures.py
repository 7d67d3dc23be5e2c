"""The figures of a probe, by rows whose times are known."""

from __future__ import annotations

import math

import pytest

from simulator.proof.capacity.figures import ProbeFigures
from tests.support.virtual import topology_of

TOPOLOGY = topology_of(
    {
        "users": {"role": "injector", "load": {"rate": "10/s"}, "calls": ["shop"]},
        "shop": {"workers": 4, "instances": 2, "calls": ["db"]},
        "db": {"workers": 2, "rate_limit": "30/s"},
    }
)


def row(stage="shop", at=0.0, duration=0.05, wait=0.01, **others):
    return {
        "kind": "visit",
        "stage": stage,
        "due_at": at,
        "received_at": at,
        "outcome": "forwarded",
        "duration_seconds": duration,
        "queue_wait_seconds": wait,
        "delay_drawn_seconds": 0.03,
        **others,
    }


def request(at=0.0, seconds=0.1, **others):
    return row("users", at, request="shop", end_to_end_seconds=seconds, wait=0.0, **others)


def figures(*rows, from_at=0.0, until_at=10.0):
    made = ProbeFigures(TOPOLOGY, from_at, until_at)
    for one in rows:
        made.add(one)
    return made


def test_the_utilisation_is_the_time_with_a_worker():
    """Of 8 workers, 10 messages per second with 40 ms each keep 5 % busy; waiting keeps none."""
    made = figures(request(), row(duration=0.05, wait=0.01), request(), row(duration=0.14, wait=0.1))
    assert made.demands()["shop"] == pytest.approx(0.04)
    assert made.utilisations(10.0)["shop"] == pytest.approx(0.05)
    assert "users" not in made.utilisations(10.0)


def test_the_limit_is_predicted_of_the_first_stage_without_a_worker_or_beyond_its_rate_limit():
    """8 workers / 40 ms are 200/s; 2 workers of the database / 50 ms are 40/s; its rate limit / 2 visits is 15/s."""
    rows = (request(), row(duration=0.04, wait=0.0))
    assert figures(*rows).predicted_rate() == pytest.approx(200.0)
    calls = [row("db", duration=0.025, wait=0.0), row("db", duration=0.025, wait=0.0)]
    assert figures(*rows, *calls).predicted_rate() == pytest.approx(15.0)
    assert figures(request()).predicted_rate() is None


def test_the_warm_up_and_the_seconds_of_a_schedule_are_left_out():
    made = figures(request(at=0.9), request(at=1.0), {"kind": "second", "stage": "users", "due": 2}, from_at=1.0)
    assert made.messages == 1


def test_a_backlog_grows_if_more_wait_than_arrivals_vary_by():
    """Of 1,000 messages due in each half, 126 more at the end are within four standard deviations, and 127 are not."""
    half = [request(at=0.005 * n, seconds=0.0) for n in range(1, 2001)]
    assert 4 * math.sqrt(1000) == pytest.approx(126.5, abs=0.1)

    def with_late(count):
        return [*half[: 2000 - count], *(request(at=10 - 0.001 * n, seconds=1.0) for n in range(count))]

    assert not figures(*with_late(126)).backlog_grows(0.02)
    assert figures(*with_late(127)).backlog_grows(0.02)
    assert not figures(*with_late(127)).backlog_grows(0.2)


def test_refusals_and_stopped_calls_are_counted_by_their_reason():
    """A full queue is 503, a rate limit 429; a breaker stops a call before it is made."""
    refused = {"outcome": "rejected", "wait": None, "delay_drawn_seconds": None}
    calls = [{"downstream": "db", "outcome": "breaker_open"}, {"downstream": "db", "outcome": "ok"}]
    made = figures(row(**refused, code=503), row(**refused, code=429), row(calls=calls)).loads["shop"]
    assert (made.visits, made.rejected, made.rate_limited) == (3, 2, 1)
    assert (made.calls["db"], made.stopped_by_breaker["db"]) == (2, 1)


def test_the_error_of_a_demand_is_that_of_a_mean():
    """Of times of 1 and 3 in turns the standard deviation is half the mean: among 100 it is 5 %."""
    made = figures(*(row(duration=1.0 + 2 * (n % 2), wait=0.0) for n in range(100)))
    assert made.demand_error("shop") == pytest.approx(0.05)
    assert figures().demand_error("shop") == 0.0
