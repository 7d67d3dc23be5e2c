"""Exponential histograms are those of OpenTelemetry's SDK, bucket for bucket."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from simulator.telemetry.exponential import ExponentialHistogram, since

VALUES = st.lists(st.floats(1e-9, 1e9) | st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 1024.0]), max_size=200)


def of_the_sdk(values):
    reader = InMemoryMetricReader(preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()})
    provider = MeterProvider([reader], shutdown_on_exit=False)
    histogram = provider.get_meter("test").create_histogram("test")
    for value in values:
        histogram.record(value)
    data = reader.get_metrics_data()
    provider.shutdown()
    return data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]


def without_room(counts):
    """Leave out the empty buckets at the end, in which the SDK keeps room."""
    last = max(number for number, count in enumerate(counts) if count)
    return tuple(counts[: last + 1])


def recorded(values):
    histogram = ExponentialHistogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(VALUES.filter(bool))
def test_buckets_are_those_of_the_sdk(values):
    """Scale, offset, counts, zeros and sum are what the SDK has after the same values."""
    mine, theirs = recorded(values).buckets(), of_the_sdk(values)
    assert (mine.count, mine.zero_count) == (theirs.count, theirs.zero_count)
    assert mine.sum == pytest.approx(theirs.sum)
    if any(values):
        assert (mine.scale, mine.offset) == (theirs.scale, theirs.positive.offset)
        assert mine.counts == without_room(theirs.positive.bucket_counts)


@given(VALUES, VALUES)
@example([], [2.0**-24])
def test_a_difference_is_what_came_between(earlier, later):
    """What was counted since an earlier state is what was recorded after it, at the scale that there is now."""
    histogram = recorded(earlier)
    before = histogram.buckets()
    for value in later:
        histogram.record(value)
    found = since(histogram.buckets(), before)
    assert (found.count, found.zero_count) == (len(later), later.count(0.0))
    assert sum(found.counts) + found.zero_count == found.count
    assert min(found.counts, default=0) >= 0
    if any(later):
        alone = [found.offset + number for number, count in enumerate(found.counts) if count]
        positive = [value for value in later if value]
        # A power of the rounded base would be wrong by more, for as many buckets as there are from 1 to small values.
        bounds = [2.0 ** (index * 2.0**-found.scale) for index in (alone[0], alone[-1] + 1)]
        assert bounds[0] <= min(positive) * (1 + 1e-9)
        assert max(positive) <= bounds[1] * (1 + 1e-9)
