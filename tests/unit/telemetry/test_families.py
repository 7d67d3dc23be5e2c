"""A histogram counts as Prometheus' own does, bucket by bucket and exemplar by exemplar."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.openmetrics.exposition import generate_latest

from simulator.telemetry.catalogue import metrics as catalogue
from simulator.telemetry.families import Families, Measured

EXEMPLAR = {"trace_id": "a" * 32, "span_id": "b" * 16}
METRIC = catalogue.QUEUE_WAIT
values = st.lists(
    st.tuples(
        st.one_of(st.floats(allow_nan=False), st.sampled_from([*METRIC.buckets, math.inf, 0.0, -0.0])),
        st.sampled_from([None, EXEMPLAR]),
    ),
    max_size=20,
)


@pytest.fixture(autouse=True)
def one_moment(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.25)


def shown(observed, registry, series):
    for value, exemplar in observed:
        series.observe(value, exemplar)
    return [line for line in generate_latest(registry).decode().splitlines() if METRIC.name in line]


@given(values)
def test_a_histogram_counts_as_prometheus_own(observed):
    """Whatever is observed, the sum, the buckets and the exemplars on /metrics are the same."""
    registry, other = CollectorRegistry(), CollectorRegistry()
    families = Families(registry, Measured(stage="parse", role="processor"))
    own = shown(observed, registry, families.series(METRIC))
    labels = ["stage", "role"]
    histogram = Histogram(METRIC.name, f"{METRIC.help}.", labels, registry=other, buckets=METRIC.buckets)
    assert own == shown(observed, other, histogram.labels(stage="parse", role="processor"))
