"""Reading the metrics that a run wrote to files."""

from __future__ import annotations

import json

from simulator.proof.promises.signal_files import read_points
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.telemetry_files import telemetry_file

CUMULATIVE, DELTA = 2, 1


def write(folder, *metrics):
    """Write a request for each of the metrics, in order."""
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    parts = [[{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}] for metric in metrics]
    telemetry_file(folder, Signal.METRICS).write_text(
        "".join(json.dumps({"resourceMetrics": part}) + "\n" for part in parts)
    )


def counter(value, temporality):
    return {"name": "messages", "sum": {"dataPoints": [{"asInt": str(value)}], "aggregationTemporality": temporality}}


def histogram(counts, total, temporality):
    point = {"count": sum(counts), "sum": total, "explicitBounds": [1, 2], "bucketCounts": list(map(str, counts))}
    return {"name": "waits", "histogram": {"dataPoints": [point], "aggregationTemporality": temporality}}


def test_of_cumulative_points_the_last_one_counts(tmp_path):
    """Each says what was counted since the start."""
    write(tmp_path, counter(3, CUMULATIVE), counter(5, CUMULATIVE), histogram((1, 2, 0), 3.5, CUMULATIVE))
    found = {point.name: point for point in read_points(tmp_path)}
    assert (found["messages"].value, found["messages"].service) == (5, "shop")
    assert (found["waits"].bucket_counts, found["waits"].count, found["waits"].sum) == ((1, 2, 0), 3, 3.5)


def test_delta_points_are_added_up(tmp_path):
    """Each says what was counted since the one before."""
    write(tmp_path, counter(3, DELTA), counter(5, DELTA), *[histogram((1, 2, 4), 3.5, DELTA)] * 2)
    found = {point.name: point for point in read_points(tmp_path)}
    assert found["messages"].value == 8
    assert (found["waits"].bucket_counts, found["waits"].count, found["waits"].sum) == ((2, 4, 8), 14, 7.0)


def test_an_exponential_histogram_has_a_count_and_a_sum(tmp_path):
    """Its buckets are not those of the truth."""
    point = {"count": "4", "sum": 2.5, "scale": 3, "positive": {"offset": 1, "bucketCounts": ["4"]}}
    exponential = {"dataPoints": [point], "aggregationTemporality": CUMULATIVE}
    write(tmp_path, {"name": "waits", "exponentialHistogram": exponential})
    [found] = read_points(tmp_path)
    assert (found.is_exponential, found.count, found.sum, found.bucket_counts) == (True, 4, 2.5, ())
