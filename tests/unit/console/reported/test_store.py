"""The store of reported metrics: what it keeps, refuses and drops."""

from __future__ import annotations

import random
import time
import tracemalloc

import pytest

from simulator.console.otlp.refusals import Refusals
from simulator.console.reported.store import STALE_SECONDS, ReportedMetrics
from simulator.console.turns import Turns
from tests.support.metric_points import counter, exponential, gauge, histogram, metrics_request

MIB = 2**20


def names(store, service="bank", now=0.0):
    return [(metric.name, str(metric.kind), len(series)) for metric, series in store.metrics(service, now)]


def many(count, at=60.0, service="bank", first=0):
    return metrics_request(service, *(counter("c", 1, at, attributes={"id": first + n}) for n in range(count)))


def test_metrics_are_kept_by_service_name_and_series():
    """With kind, unit and description; a series of another instance is another one."""
    store = ReportedMetrics()
    for instance in ("1", "2"):
        store.add(metrics_request("bank", gauge("b", 1, 2), counter("a", 1, 60), instance=instance), 0.0)
    store.add(metrics_request("shop", gauge("s", 1)), 0.0)
    assert names(store) == [("a", "counter", 2), ("b", "gauge", 4)]
    [(metric, _), *_] = store.metrics("bank", 0.0)
    assert (metric.unit, metric.description) == ("{order}", "how many a")
    assert (store.services(0.0), list(store.metrics("nobody", 0.0))) == (["bank", "shop"], [])
    assert (store.status().points_taken, store.status().series, store.status().services) == (7, 7, 2)


def test_the_order_of_attributes_does_not_matter():
    """The same attributes in another order are the same series."""
    store = ReportedMetrics()
    for attributes in ({"a": 1, "b": 2}, {"b": 2, "a": 1}):
        store.add(metrics_request("bank", counter("c", 1, 60 + len(store.services(0)), attributes=attributes)), 0.0)
    assert names(store) == [("c", "counter", 1)]


def test_what_is_not_used_is_counted_and_dropped():
    """Metrics of the run's own stages, summaries, points without a value, and names without end."""
    store = ReportedMetrics(is_ours={"parse"}.__contains__)
    summary = gauge("s")
    summary.summary.data_points.add(count=1)
    no_time = gauge("g", 1, at=0)
    no_time.gauge.data_points[0].time_unix_nano = 0
    for service, metric in (
        ("parse", gauge("g", 1)),
        ("bank", summary),
        ("bank", no_time),
        ("bank", gauge("x" * 300, 1)),
    ):
        assert store.add(metrics_request(service, metric), 0.0) == Refusals()
    assert store.add(metrics_request("x" * 300, gauge("g", 1)), 0.0) == Refusals()
    assert (store.services(0.0), store.status().points_unused) == ([], 5)


def test_a_service_has_a_bound_of_its_own():
    """New series are refused, and told to their sender; those that are here go on, and other services have room."""
    store = ReportedMetrics(max_series_a_service=3)
    assert store.add(many(5), 0.0) == Refusals(2, "2 of series for which there is no room")
    assert store.add(many(5, at=120.0), 60.0).items == 2
    assert store.add(many(1, service="shop"), 60.0) == Refusals()
    status = store.status()
    assert (status.series, status.points_taken, status.points_refused) == (4, 7, 4)
    ((_, series),) = store.metrics("bank", 60.0)
    assert all(one.interval() is not None for one in series)


def test_a_stale_series_makes_room():
    """After five minutes without a reading, as when a service was started again under another instance."""
    store = ReportedMetrics(max_series_a_service=2)
    store.add(many(2), 0.0)
    assert store.add(many(1, first=10, at=200.0), STALE_SECONDS - 1).items == 1
    assert store.add(many(1, first=10, at=400.0), STALE_SECONDS + 1).items == 0
    assert (store.status().series, store.status().series_dropped) == (2, 1)


@pytest.mark.parametrize("bound", [{"max_services": 2}, {"max_series": 2}, {"max_bytes": 4000}])
def test_the_whole_has_a_bound(bound):
    """By services, series and memory; services that fell silent make room."""
    store = ReportedMetrics(**bound)
    refused = [store.add(many(1, service=f"s{n}"), 0.0).items for n in range(4)]
    assert refused[0] == 0 and refused[-1] == 1
    held = store.status().series
    assert store.add(many(1, service="new"), STALE_SECONDS + 1).items == 0
    assert (store.services(STALE_SECONDS + 1), store.status().series_dropped) == (["new"], held)


def test_nothing_stale_is_shown():
    """A service that fell silent has no figures any more."""
    store = ReportedMetrics()
    store.add(metrics_request("bank", gauge("g", 1)), 0.0)
    assert (store.services(STALE_SECONDS), names(store, now=STALE_SECONDS)) == (["bank"], [("g", "gauge", 1)])
    assert (store.services(STALE_SECONDS + 1), names(store, now=STALE_SECONDS + 1)) == ([], [])


@pytest.mark.long
def test_a_flood_of_series_is_refused_quickly():
    """A quarter of a million of them, in requests of ten thousand points; other services are not affected."""
    store = ReportedMetrics()
    store.add(metrics_request("shop", histogram((1, 2, 3), 60)), 0.0)
    request = many(10_000)
    begun, refused = time.process_time(), 0
    for number in range(25):
        for metric in request.resource_metrics[0].scope_metrics[0].metrics:
            metric.sum.data_points[0].attributes[0].value.int_value += 10_000
        refused += store.add(request, float(number)).items
    assert refused == 250_000 - 2000
    assert store.status().bytes < 16 * MIB
    assert time.process_time() - begun < 40, "about 30 microseconds a point, on a machine that is not slow"
    store.add(metrics_request("shop", histogram((2, 3, 4), 120)), 99.0)
    assert names(store, "shop", 99.0) == [("http.server.request.duration", "histogram", 1)]


@pytest.mark.parametrize("kind", ["counter", "histogram", "exponential", "texts"])
@pytest.mark.long
def test_the_bound_is_one_of_real_memory(kind):
    """Full, with every series read several times, all of Python's memory for the store stays within its bound."""
    chance, store = random.Random(7), ReportedMetrics(max_bytes=2 * MIB, max_series=10**9, max_series_a_service=500)

    def metric(number, at):
        attributes = {"id": number, "route": f"/{chance.randbytes(4).hex()}"}
        if kind == "texts":
            return counter("c", 1, at, attributes={"id": number, **{f"k{n}": "x" * 300 for n in range(20)}})
        if kind == "counter":
            return counter("c", int(at), at, attributes={"id": number})
        if kind == "exponential":
            made = exponential([int(at)] * 160, at, scale=3)
            made.exponential_histogram.data_points[0].attributes.add(key="id").value.int_value = number
            return made
        return histogram([int(at) * 1000 + n for n in range(15)], at, bounds=range(14), attributes=attributes)

    tracemalloc.start()
    try:
        base = tracemalloc.get_traced_memory()[0]
        for at in range(1, 4):
            for service in range(10):
                request = metrics_request(f"s{service}", *(metric(number, 60.0 * at) for number in range(300)))
                store.add(request, 0.0)
                del request
        used = tracemalloc.get_traced_memory()[0] - base
    finally:
        tracemalloc.stop()
    assert used < 2.3 * MIB


def test_many_points_are_taken_in_turns():
    """While a large request is read other greenlets get their turn."""
    given_way = []
    ReportedMetrics(turns=Turns(lambda: given_way.append(None))).add(many(1000), 0.0)
    assert len(given_way) >= 5
