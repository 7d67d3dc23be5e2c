"""Metrics by OTLP are those of /metrics: same names, labels, figures and exemplars, read from the same registry."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.resources import Resource
from prometheus_client.exposition import generate_latest

from simulator.telemetry.batching import Batching
from simulator.telemetry.catalogue.metrics import METRICS
from simulator.telemetry.data_points import MetricsReader
from simulator.telemetry.exponential import ExponentialHistogram
from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.exporting import ExportQueue, PatientExporter
from simulator.telemetry.logs import make_logger
from simulator.telemetry.metric_encoding import encode_data_points
from simulator.telemetry.metric_export import MetricSchedule, StageMetrics
from simulator.telemetry.metric_settings import (
    ExemplarFilter,
    HistogramAggregation,
    MetricSettings,
    Temporality,
    read_metric_settings,
)
from simulator.telemetry.metrics import exemplar_of
from simulator.telemetry.otlp_batch import CollectorAnswer
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.record import NO_TRACE, CallOutcome, Outcome, TraceIds
from tests.support.measuring import Rig, State, tell
from tests.support.processes import read_samples, wait_for
from tests.support.prometheus_names import samples_of, translated
from tests.support.records import record

RESOURCE = Resource({"service.name": "parse"})
START_NS = 4_000_000_000_000_000_000  # later than any series is created
TRACE = record().arrival.trace
UNSAMPLED = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "00", False)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_prometheus_makes_the_name_of_metrics_from_the_other(metric):
    """What Prometheus' translation makes of a metric's name and unit by OTLP is its name on /metrics."""
    assert translated(metric.otel_name, metric.otel_unit, metric.kind) == metric.exposed


@pytest.mark.parametrize(
    ("name", "otel", "unit"),
    [
        ("http_server_request_duration_seconds", "http.server.request.duration", "s"),
        ("db_client_operation_duration_seconds", "db.client.operation.duration", "s"),
        ("simulator_queue_wait_seconds", "simulator.queue_wait", "s"),
        ("simulator_messages", "simulator.messages", "{message}"),
        ("simulator_messages_per_second", "simulator.messages_per_second", "{message}/s"),
        ("simulator_message_bytes", "simulator.message", "By"),
        ("simulator_info", "simulator.info", ""),
    ],
)
def test_the_names_by_opentelemetry(name, otel, unit):
    """Dots stand between namespaces, and the unit is a field of its own."""
    metric = next(metric for metric in METRICS if metric.name == name)
    assert (metric.otel_name, metric.otel_unit) == (otel, unit)


class Exported(Rig):
    """The metrics of a stage, read as data points at times of the test's own."""

    def __init__(self, is_delta=False, make_exponential=None, start_ns=START_NS, **measured):
        super().__init__(make_exponential=make_exponential, **measured)
        self.metrics.watch(State())
        self.metrics.set_info(version="1", seed="2", delay="none")
        self.now_ns = start_ns
        self.paused = 0
        self.reader = MetricsReader(
            self.registry, RESOURCE, self.metrics.exponentials, is_delta, lambda: self.now_ns, self.pause
        )

    def pause(self):
        self.paused += 1

    def read(self):
        """Return {metric's name: its points}, as they arrive."""
        self.now_ns += 10**9
        request = ExportMetricsServiceRequest.FromString(encode_data_points(list(self.reader.read())))
        (part,) = request.resource_metrics
        return {metric.name: metric for metric in part.scope_metrics[0].metrics}

    def messages(self):
        return {text(point, "outcome"): point.as_int for point in self.read()["simulator.messages"].sum.data_points}


def text(point, key):
    return next((a.value.string_value for a in point.attributes if a.key == key), "")


def test_every_figure_is_that_of_metrics():
    """Every sample of /metrics is there, with its labels and its value, and there is nothing else."""
    rig = Exported()
    tell(rig.metrics, (CallOutcome.OK, 200))
    rig.metrics.handled(record())
    rig.metrics.handled(record(outcome=Outcome.FAILED, code=502))
    exposed = read_samples(generate_latest(rig.registry).decode())
    exposed = {key: value for key, value in exposed.items() if not key[0].endswith("_created")}
    request = ExportMetricsServiceRequest.FromString(encode_data_points(list(rig.reader.read())))
    without_empty = {
        (name, frozenset((label, of) for label, of in labels if of)): value for (name, labels), value in exposed.items()
    }
    assert samples_of(request) == {"parse": without_empty}
    assert rig.paused >= len(METRICS)


def test_times_and_kinds():
    """A counter and a histogram say when they began and that they add up; a gauge has only its time."""
    rig = Exported()
    rig.metrics.handled(record())
    found = rig.read()
    counter, gauge = found["simulator.messages"].sum, found["simulator.workers"].gauge
    assert (counter.is_monotonic, counter.aggregation_temporality) == (True, 2)
    assert found["simulator.queue_wait"].histogram.aggregation_temporality == 2
    assert {point.time_unix_nano for point in (*counter.data_points, *gauge.data_points)} == {START_NS + 10**9}
    assert all(point.start_time_unix_nano > 0 for point in counter.data_points)
    assert [point.start_time_unix_nano for point in gauge.data_points] == [0]
    assert [point.WhichOneof("value") for point in gauge.data_points] == ["as_int"]


def test_a_status_is_a_number():
    """Attributes of OpenTelemetry's conventions have their names and types."""
    rig = Exported()
    rig.metrics.handled(record())
    (point,) = rig.read()["http.server.request.duration"].histogram.data_points
    found = {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in point.attributes}
    assert found["http.response.status_code"] == 200
    assert (found["http.request.method"], found["stage"]) == ("POST", "parse")


def test_exemplars_have_the_ids_of_their_message():
    """An exemplar has its value and its message's ids, and is exported once."""
    rig = Exported(start_ns=0)  # an exemplar's time is that of this machine's clock
    rig.metrics.handled(record())
    (point,) = rig.read()["simulator.processing"].histogram.data_points
    (exemplar,) = point.exemplars
    assert (exemplar.trace_id.hex(), exemplar.span_id.hex()) == (TRACE.trace_id, TRACE.span_id)
    assert exemplar.as_double == pytest.approx(record().processing_seconds)
    rig.now_ns = START_NS
    rig.read()
    (point,) = rig.read()["simulator.processing"].histogram.data_points
    assert list(point.exemplars) == []


def test_delta_counts_since_the_last_reading():
    """With delta each reading has what is new, from the last one on, and an unchanged series has nought."""
    rig = Exported(is_delta=True)
    rig.metrics.handled(record())
    assert rig.messages()["forwarded"] == 1
    rig.metrics.handled(record())
    rig.metrics.handled(record())
    found = rig.read()
    (point,) = [p for p in found["simulator.messages"].sum.data_points if text(p, "outcome") == "forwarded"]
    assert (point.as_int, point.start_time_unix_nano, point.time_unix_nano) == (
        2,
        START_NS + 10**9,
        START_NS + 2 * 10**9,
    )
    assert found["simulator.messages"].sum.aggregation_temporality == 1
    (histogram,) = found["simulator.processing"].histogram.data_points
    assert (histogram.count, sum(histogram.bucket_counts)) == (2, 2)
    assert histogram.sum == pytest.approx(2 * record().processing_seconds)
    assert rig.messages()["forwarded"] == 0


def test_exponential_histograms_where_asked():
    """Every histogram is exponential then, with the same counts and sums as on /metrics, which keeps its buckets."""
    rig = Exported(make_exponential=ExponentialHistogram)
    for _ in range(3):
        rig.metrics.handled(record())
    found = rig.read()
    assert not any(metric.WhichOneof("data") == "histogram" for metric in found.values())
    (point,) = found["simulator.processing"].exponential_histogram.data_points
    assert (point.count, sum(point.positive.bucket_counts)) == (3, 3)
    assert point.sum == pytest.approx(rig.sample("simulator_processing_seconds_sum"))
    assert rig.sample("simulator_processing_seconds_count") == 3


@pytest.mark.parametrize(
    ("wanted", "sampled", "unsampled"),
    [("trace_based", True, False), ("always_on", True, True), ("always_off", False, False)],
)
def test_the_exemplar_filter(wanted, sampled, unsampled):
    """Which messages may be exemplars is as the variable says; one without a trace never is."""
    exemplar = exemplar_of(ExemplarFilter(wanted))
    assert (exemplar(TRACE) is not None, exemplar(UNSAMPLED) is not None) == (sampled, unsampled)
    assert exemplar(NO_TRACE) is None


PREFIX = "OTEL_EXPORTER_OTLP_METRICS_"


def test_settings():
    """Values count in any case, and what is empty is not set."""
    assert read_metric_settings({"OTEL_METRIC_EXPORT_INTERVAL": " "}) == MetricSettings()
    environment = {
        "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        "OTEL_METRIC_EXPORT_TIMEOUT": "250",
        "OTEL_METRICS_EXEMPLAR_FILTER": "Always_Off",
        f"{PREFIX}TEMPORALITY_PREFERENCE": "Delta",
        f"{PREFIX}DEFAULT_HISTOGRAM_AGGREGATION": "BASE2_EXPONENTIAL_BUCKET_HISTOGRAM",
    }
    assert read_metric_settings(environment) == MetricSettings(
        interval_seconds=5.0,
        timeout_seconds=0.25,
        exemplars=ExemplarFilter.ALWAYS_OFF,
        temporality=Temporality.DELTA,
        histograms=HistogramAggregation.EXPONENTIAL,
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "60s"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "-1"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "some"),
        (f"{PREFIX}TEMPORALITY_PREFERENCE", "sometimes"),
        (f"{PREFIX}DEFAULT_HISTOGRAM_AGGREGATION", "summary" * 100),
    ],
)
def test_nonsense_is_named(variable, value):
    """A value that is none is refused in one short line with its variable and what is allowed."""
    with pytest.raises(ValueError, match=f"^{variable}=.* must be ") as refusal:
        read_metric_settings({variable: value})
    assert len(str(refusal.value)) < 200


class Collector:
    def __init__(self):
        self.batches = []

    def send(self, points, timeout_seconds=None):
        self.batches.append(list(points))
        return CollectorAnswer(True)

    def close(self):
        pass


def exported_stage(rig, collector, every_millis=1, **batching):
    queue = ExportQueue(PatientExporter(collector, lambda: 0.0), Batching(every_millis=every_millis, **batching))
    account = ExportAccount(make_logger([].append, "info"), lambda count: None, "", Signal.METRICS)
    return StageMetrics(queue, RESOURCE, account, rig.reader, rig.metrics.roll), account


def test_the_last_state_is_exported_at_the_end():
    """The end of a stage exports what it has counted by then, in batches of the size that is asked for."""
    rig, collector = Exported(), Collector()
    stage, account = exported_stage(rig, collector, every_millis=600_000, batch_items=16)
    rig.metrics.handled(record())
    stage.close(20.0)
    points = [point for batch in collector.batches for point in batch]
    assert {len(batch) for batch in collector.batches[:-1]} == {16}
    (handled,) = [p for p in points if p.metric.name == "simulator.messages" and p.attributes["outcome"] == "forwarded"]
    assert (handled.value, account.dropped) == (1.0, 0)
    stage.export()
    assert len([p for batch in collector.batches for p in batch]) == len(points)


def test_metrics_are_exported_at_intervals():
    """All stages of a process are read again and again."""
    rig, collector = Exported(), Collector()
    stage, _ = exported_stage(rig, collector)
    MetricSchedule(0.01).add(stage)
    wait_for(lambda: len(collector.batches) > 3, "a fourth export")
    stage.close(20.0)
