"""`find-capacity` in virtual time finds the limits that follow from the topology, and names what they are."""

from __future__ import annotations

import pytest

from simulator.behaviour.thresholds import parse_threshold
from simulator.proof.capacity.bottleneck import BottleneckKind
from simulator.proof.capacity.finding import DEFAULT_THRESHOLDS, CapacitySearch, find_capacity
from simulator.proof.capacity.load import injector_of
from simulator.proof.capacity.virtual_probe import VirtualProber
from tests.support.virtual import topology_of


def find(stages, *thresholds, start=20.0, precision=0.02, max_rate=1e5, **more):
    users = {"role": "injector", "load": {"rate": "20/s", **more.pop("load", {})}, "calls": ["shop"]}
    topology = topology_of({"users": {**users, **more.pop("users", {})}, **stages})
    judged = tuple(map(parse_threshold, thresholds)) or DEFAULT_THRESHOLDS
    asked = CapacitySearch(
        topology=topology,
        thresholds=judged,
        start_rate=start,
        max_rate=max_rate,
        min_rate=None,
        precision=precision,
        probe_seconds=10.0,
        max_messages=20_000,
    )
    prober = VirtualProber(topology, injector_of(topology, "test", False), judged, lambda: None)
    return find_capacity(asked, prober, lambda _: None)


FOUR = {"shop": {"delay": "constant(20ms)", "workers": 4}}


@pytest.mark.parametrize("arrivals", ["poisson", "constant"])
def test_four_workers_with_twenty_milliseconds_are_two_hundred_per_second(arrivals):
    """4 / 20 ms, within 1 %, in four probes."""
    found = find(FOUR, load={"arrivals": arrivals})
    assert found.kept_rate == pytest.approx(200, rel=0.01)
    assert 200 < found.broken_rate < 204
    assert (found.limit.limit, found.limit.stage, found.is_found) == (BottleneckKind.WORKERS, "shop", True)
    assert len(found.probes) <= 4


@pytest.mark.long
def test_a_threshold_of_time_is_a_lower_limit_than_the_workers_are():
    """One worker with 20 ms could do 50/s, but messages would wait longer and longer.

    With Poisson arrivals the mean time is 20 ms (1 + r / (2 (1 - r))) at utilisation r (Pollaczek and Khinchine): 40 ms
    at r = 2/3, 33.3/s. There it varies with the rate by 10 times as much, and of some hundred messages by a tenth.
    """
    found = find({"shop": {"delay": "constant(20ms)", "workers": 1}}, "mean < 40ms", "p99 < 10s", precision=0.05)
    assert found.kept_rate == pytest.approx(100 / 3, rel=0.08)
    assert (found.limit.limit, found.limit.stage) == (BottleneckKind.WORKERS, "shop")


@pytest.mark.long
def test_a_shared_database_is_named_and_not_the_stages_that_wait_for_it():
    """Three visits of 8 ms at 4 workers are 166.7/s; what calls it has room for twice as much by itself.

    5,000 visits vary their mean by 1.4 %, so that twice that, and the precision, are allowed for.
    """
    found = find(
        {
            "shop": {"delay": "uniform(1ms, 5ms)", "workers": 20, "calls": ["cart", "catalog"]},
            "cart": {"delay": "exponential(4ms)", "workers": 12, "calls": [{"to": "db", "times": 2}]},
            "catalog": {"delay": "exponential(3ms)", "workers": 12, "calls": ["db"]},
            "db": {"kind": "database", "system": "postgresql", "delay": "exponential(8ms)", "workers": 4},
        }
    )
    assert found.kept_rate == pytest.approx(500 / 3, rel=0.05)
    assert (found.limit.limit, found.limit.stage) == (BottleneckKind.WORKERS, "db")
    assert 0.01 < found.margin_ratio < 0.05


def test_a_rate_limit_is_named():
    """More than 50/s are refused, by 429: 1 % of errors is 50.5/s."""
    found = find({"shop": {"rate_limit": "limit(50/s, burst=1)"}}, load={"arrivals": "constant"})
    assert found.kept_rate == pytest.approx(50, rel=0.03)
    assert (found.limit.limit, found.limit.stage) == (BottleneckKind.RATE_LIMIT, "shop")


@pytest.mark.long
def test_a_short_queue_is_named_if_workers_are_free_on_average():
    """Of Poisson arrivals the share 1 % finds both workers busy long before these are busy all the time.

    It is Erlang's loss formula for 2 workers: a^2 / 2 / (1 + a + a^2 / 2) = 1 % at a = 0.153 of 20 ms each, 7.64/s.
    """
    found = find({"shop": {"delay": "exponential(20ms)", "workers": 2, "queue": 0}}, start=5.0, precision=0.05)
    assert (found.limit.limit, found.limit.stage) == (BottleneckKind.QUEUE, "shop")
    assert found.kept_rate == pytest.approx(
        7.64, rel=0.25
    )  # ten errors decide: they vary by a third, the rate by half of it


def test_a_delay_that_breaks_the_threshold_at_any_rate_is_no_capacity():
    found = find({"shop": {"delay": "constant(20ms)"}}, "p50 < 10ms", start=2.0)
    assert (found.kept_rate, found.is_found, found.limit.limit) == (None, False, BottleneckKind.DELAYS)


def test_nothing_is_tried_beyond_the_upper_end():
    found = find(FOUR, max_rate=50.0)
    assert (found.kept_rate, found.broken_rate, found.is_found) == (50.0, None, True)


@pytest.mark.long
def test_a_limit_of_the_injector_is_not_one_of_the_system():
    """Its two workers wait 20 ms for each answer: it can't send more than 100/s, of which the system could take all."""
    found = find(
        {"shop": {"delay": "constant(20ms)"}},
        "missed = 0",
        users={"workers": 2, "queue": 0},
        load={"arrivals": "constant"},
        start=70.0,
        max_rate=140.0,
    )
    assert (found.limit.limit, found.is_found) == (BottleneckKind.INJECTOR, False)
    assert found.kept_rate == pytest.approx(100, rel=0.03)
