"""What a service says of itself."""

from __future__ import annotations

import math

import pytest

from simulator.console.reported.figures import metric_rows, own_figures
from simulator.console.reported.store import ReportedMetrics
from tests.support.metric_points import DELTA, REQUESTS, counter, exponential, gauge, histogram, metrics_request


def reported(*requests, now=0.0):
    store = ReportedMetrics()
    for request in requests:
        store.add(request, now)
    return store


def own(*metrics, now=0.0):
    return own_figures(reported(metrics_request("bank", *metrics)), "bank", now)


def test_requests_are_those_of_the_server_s_duration():
    """Rate, percentiles from the buckets, errors by their attributes, and over how long."""
    good = histogram((50, 40, 0), 60, total=9.0, attributes={"http.response.status_code": 200})
    bad = histogram((0, 10, 0), 60, total=3.0, attributes={"http.response.status_code": 503, "error.type": "503"})
    figures = own(good, bad)
    assert figures.rate_per_second == pytest.approx(100 / 60)
    assert (figures.p50.value, figures.error_ratio) == (pytest.approx(0.1), pytest.approx(0.1))
    assert figures.p99.value == pytest.approx(0.1 + 0.2 * 49 / 50)
    assert figures.mean_seconds == pytest.approx(0.12)
    assert (figures.over_seconds, figures.metrics) == (60, (REQUESTS,))


@pytest.mark.parametrize(
    ("attributes", "ratio"),
    [
        ({}, 0.0),
        ({"http.response.status_code": 404}, 0.0),
        ({"http.response.status_code": 500}, 1.0),
        ({"http.status_code": 502}, 1.0),
        ({"error.type": "TimeoutError"}, 1.0),
        ({"error.type": ""}, 0.0),
        ({"rpc.grpc.status_code": 0}, 0.0),
        ({"rpc.grpc.status_code": 5}, 0.0),
        ({"rpc.grpc.status_code": 14}, 1.0),
    ],
)
def test_what_counts_as_an_error(attributes, ratio):
    """An error type, a status of 5xx, and the codes of gRPC that are the server's fault."""
    assert own(histogram((1, 0, 0), 60, attributes=attributes)).error_ratio == ratio


def test_an_older_name_counts_in_milliseconds_unless_the_newer_one_is_there():
    """A service that changes from one convention to the other sends both, and its requests count once."""
    old = histogram((0, 60, 0), 60, bounds=(100.0, 300.0), name="http.server.duration", unit="ms")
    assert own(old).p50.value == pytest.approx(0.2)
    both = own(old, histogram((60, 0, 0), 60))
    assert (both.rate_per_second, both.metrics) == (1.0, (REQUESTS,))
    without_unit = histogram((0, 60, 0), 60, bounds=(100.0, 300.0), name="rpc.server.duration", unit="")
    assert own(without_unit).p50.value == pytest.approx(0.2)
    messages = histogram((0, 60, 0), 60, bounds=(0.1, 0.3), name="messaging.process.duration", unit="")
    assert own(messages).p50.value == pytest.approx(0.2)
    rpc = own(old, without_unit)
    assert (rpc.rate_per_second, rpc.metrics) == (2.0, ("http.server.duration", "rpc.server.duration"))


def test_instances_with_other_intervals_are_added_per_second():
    """A rate is a rate, however often an instance sends; its weight in a percentile is its rate, too."""
    store = reported(
        metrics_request("bank", histogram((60, 0, 0), 60), instance="1"),
        metrics_request("bank", histogram((0, 0, 10), 10, temporality=DELTA, longest=0.9), instance="2"),
    )
    figures = own_figures(store, "bank", 0.0)
    assert (figures.rate_per_second, figures.p50.value) == (2.0, pytest.approx(0.1))
    assert figures.p99.value == pytest.approx(0.3 + 0.6 * 0.98)


def test_exponential_histograms_are_used_as_well():
    """Between 1 and 2 seconds at scale 0."""
    figures = own(exponential((30, 30), 60))
    assert (figures.rate_per_second, figures.p50.value) == (1.0, pytest.approx(2.0))


def test_a_service_without_requests_has_no_figures_of_them():
    """Other metrics are no requests; a histogram of which nothing is known yet has a name and no figures."""
    assert own(gauge("cpu", 1)) is None
    assert own(counter(REQUESTS, 1, 60)) is None
    assert own_figures(ReportedMetrics(), "nobody", 0.0) is None
    unknown = own(histogram((1, 0, 0), 60, start=None))
    assert (unknown.metrics, math.isnan(unknown.rate_per_second)) == ((REQUESTS,), True)
    assert own(histogram((1, 0, 0), 60), now=200.0) is None, "it has fallen silent"


def test_no_requests_are_a_rate_of_zero():
    """And nothing is known of how long they take."""
    store = reported(
        metrics_request("bank", histogram((5, 0, 0), 60)), metrics_request("bank", histogram((5, 0, 0), 120))
    )
    figures = own_figures(store, "bank", 0.0)
    assert (figures.rate_per_second, math.isnan(figures.p99.value), math.isnan(figures.error_ratio)) == (
        0,
        True,
        True,
    )


def test_every_metric_has_a_row():
    """The level of a gauge, the count and rate of a counter, the spread of a histogram, with their series."""
    rows = metric_rows(
        reported(
            metrics_request(
                "bank",
                gauge("cpu", 0.5),
                gauge("temperature", 20, 30),
                counter("orders", 30, 60, attributes={"kind": "new"}),
                counter("orders", 60, 60, attributes={"kind": "old"}),
                counter("connections", 7, 60, is_monotonic=False),
                histogram((30, 30, 0), 60, total=12.0),
            )
        ),
        "bank",
        0.0,
    )
    found = {row.metric.name: row for row in rows}
    assert list(found) == sorted(found)
    assert found["cpu"].figures.value == 0.5
    assert (found["temperature"].figures.low, found["temperature"].figures.high) == (20, 30)
    orders = found["orders"]
    assert (orders.figures.value, orders.figures.rate_per_second, orders.series) == (90, 1.5, 2)
    assert [(attributes, one.value) for attributes, one in orders.shown] == [
        ((("kind", "new"),), 30),
        ((("kind", "old"),), 60),
    ]
    assert found["connections"].figures.value == 7
    assert math.isnan(found["connections"].figures.rate_per_second)
    requests = found[REQUESTS].figures
    assert (requests.rate_per_second, requests.p50.value, requests.mean) == (
        1.0,
        pytest.approx(0.1),
        pytest.approx(0.2),
    )


def test_many_series_are_shown_in_part():
    """All of them count, and the first are shown."""
    metrics = [counter("c", 1, 60, attributes={"n": f"{n:03}"}) for n in range(50)]
    [row] = metric_rows(reported(metrics_request("bank", *metrics)), "bank", 0.0)
    assert (row.series, row.figures.value, len(row.shown)) == (50, 50, 20)
