"""Metrics: exact values for given records, and no label from outside a closed set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from simulator.behaviour.delays import parse_delay
from simulator.stage.assembly import _metrics
from simulator.stage.capacity import Capacity
from simulator.telemetry.metrics import Metrics, code_label
from simulator.telemetry.record import (
    Arrival,
    Attempt,
    CallOutcome,
    CallRecord,
    Clock,
    Outcome,
    StageRecord,
    TraceIds,
    Via,
)
from simulator.topology.model import Role, Stage
from simulator.topology.settings import Downstream, StageSettings

ALWAYS = {"stage": "parse", "role": "processor"}
SAMPLED = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "03", True)
UNSAMPLED = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "00", False)

# Every metric of a stage: its name, its kind and, beside stage and role, its labels.
TABLE = """
| http_server_request_duration_seconds          | histogram, exemplars | http_request_method, http_route, http_response_status_code |
| simulator_messages_total                      | counter              | outcome             |
| simulator_messages_per_second                 | histogram            |                     |
| simulator_message_bytes                       | histogram            |                     |
| simulator_queue_wait_seconds                  | histogram            |                     |
| simulator_delay_drawn_seconds                 | histogram, exemplars |                     |
| simulator_processing_seconds                  | histogram, exemplars |                     |
| simulator_downstream_attempt_duration_seconds | histogram, exemplars | downstream, code    |
| simulator_downstream_call_duration_seconds    | histogram            | downstream, outcome |
| simulator_pipeline_duration_seconds           | histogram, exemplars |                     |
| simulator_in_flight                           | gauge                |                     |
| simulator_workers                             | gauge                |                     |
| simulator_workers_busy                        | gauge                |                     |
| simulator_queue_depth                         | gauge                |                     |
| simulator_queue_capacity                      | gauge                |                     |
| simulator_faults_injected_total               | counter              | fault               |
| simulator_injector_due_total                  | counter              |                     |
| simulator_injector_missed_total               | counter              |                     |
| simulator_injector_lag_seconds                | histogram            |                     |
| simulator_client_disconnects_total            | counter              |                     |
| simulator_spans_dropped_total                 | counter              |                     |
| simulator_info                                | gauge                | version, seed, delay |
"""  # noqa: E501


class Time:
    def __init__(self):
        self.now = 50.0

    @property
    def clock(self):
        return Clock(lambda: self.now, lambda: 0)


class Rig:
    """The metrics of a stage `parse` that calls `enrich`, and their samples."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.time = Time()
        self.metrics = Metrics(self.registry, "parse", "processor", "/messages", self.time.clock, ("enrich",))

    def sample(self, name, **labels):
        return self.registry.get_sample_value(name, {**ALWAYS, **labels})

    def buckets(self, name, **labels):
        """Give {upper bound: count} of the buckets that are not empty, each by itself."""
        found, before = {}, 0
        for family in self.registry.collect():
            for sample in family.samples:
                if sample.name == f"{name}_bucket" and {**ALWAYS, **labels}.items() <= sample.labels.items():
                    if sample.value > before:
                        found[sample.labels["le"]] = sample.value - before
                    before = sample.value
        return found

    def series(self, name):
        """Give the labels of every series of that name, those of the stage left out."""
        return [
            {key: value for key, value in sample.labels.items() if key not in ALWAYS}
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name
        ]


def arrival(via=Via.HTTP, body_bytes=100, trace=SAMPLED):
    return Arrival("m-1", "0", "outside", via, "text/plain", body_bytes, 0.0, 0, 0.0, trace)


def record(outcome=Outcome.FORWARDED, code=200, came=None, **changes):
    values = {
        "fault": "",
        "error": "",
        "admission_seconds": 0.0,
        "queue_wait_seconds": 0.002,
        "delay_drawn_seconds": 0.03125,
        "processing_seconds": 0.0625,
        "downstream_seconds": 0.0,
        "duration_seconds": 0.25,
        "pipeline_seconds": None,
        "calls": (),
    }
    return StageRecord(came or arrival(), outcome, code, **{**values, **changes})


def call(*tries, seconds=0.5):
    return CallRecord("enrich", tuple(Attempt(outcome, code, 0.25) for outcome, code in tries), seconds)


def test_a_handled_message():
    """A handled message is counted once in every metric that it belongs to, with its own values."""
    rig = Rig()
    rig.metrics.handled(record())
    assert rig.sample("simulator_messages_total", outcome="forwarded") == 1
    assert rig.buckets("simulator_message_bytes") == {"256.0": 1}
    assert rig.sample("simulator_message_bytes_sum") == 100
    assert rig.buckets("simulator_queue_wait_seconds") == {"0.0025": 1}
    assert rig.sample("simulator_delay_drawn_seconds_sum") == 0.03125
    assert rig.sample("simulator_processing_seconds_sum") == 0.0625
    assert rig.buckets("simulator_processing_seconds") == {"0.075": 1}
    http = {
        "http_request_method": "POST",
        "http_route": "/messages",
        "http_response_status_code": "200",
    }
    assert rig.sample("http_server_request_duration_seconds_sum", **http) == 0.25
    assert rig.sample("http_server_request_duration_seconds_count", **http) == 1
    assert rig.sample("simulator_pipeline_duration_seconds_count") == 0


def test_every_outcome_is_there_from_the_start():
    """All six outcomes stand at 0 before the first message, so that a rate of them is never missing."""
    rig = Rig()
    assert {labels["outcome"] for labels in rig.series("simulator_messages_total")} == {
        "delivered",
        "forwarded",
        "rejected",
        "invalid",
        "faulted",
        "failed",
    }
    for number, outcome in enumerate(Outcome, 1):
        for _ in range(number):
            rig.metrics.handled(record(outcome))
    counts = [rig.sample("simulator_messages_total", outcome=str(outcome)) for outcome in Outcome]
    assert counts == [1, 2, 3, 4, 5, 6]


def test_a_message_that_was_turned_away_has_no_delay():
    """A message that got no worker counts as a message, but adds nothing to waits, delays or processing."""
    rig = Rig()
    rig.metrics.handled(
        record(Outcome.REJECTED, 503, queue_wait_seconds=None, delay_drawn_seconds=None, processing_seconds=0.0)
    )
    assert rig.sample("simulator_messages_total", outcome="rejected") == 1
    for name in ("queue_wait", "delay_drawn", "processing"):
        assert rig.sample(f"simulator_{name}_seconds_count") == 0


def test_the_end_of_the_way():
    """A delivered message adds its whole way, and only such a one does."""
    rig = Rig()
    rig.metrics.handled(record(Outcome.DELIVERED, pipeline_seconds=1.5))
    rig.metrics.handled(record(Outcome.FORWARDED))
    assert rig.sample("simulator_pipeline_duration_seconds_sum") == 1.5
    assert rig.buckets("simulator_pipeline_duration_seconds") == {"2.5": 1}
    rig.metrics.handled(record(Outcome.DELIVERED, pipeline_seconds=0.0))
    assert rig.sample("simulator_pipeline_duration_seconds_count") == 2


@pytest.mark.parametrize("via", [Via.SCHEDULE, Via.INPUT])
def test_a_message_of_the_stage_s_own_is_no_request(via):
    """A message that an injector made itself is counted as a message but not as an HTTP request."""
    rig = Rig()
    rig.metrics.handled(record(came=arrival(via=via)))
    assert rig.sample("simulator_messages_total", outcome="forwarded") == 1
    assert rig.series("http_server_request_duration_seconds_count") == []


def test_a_fault_is_counted_by_its_name():
    """An injected fault is counted under its name; a message without one adds none."""
    rig = Rig()
    rig.metrics.handled(record(Outcome.FAULTED, 503, fault="error"))
    rig.metrics.handled(record(Outcome.FAULTED, 502))
    rig.metrics.handled(record(Outcome.FAILED, 500))
    assert rig.series("simulator_faults_injected_total") == [{"fault": "error"}]
    assert rig.sample("simulator_faults_injected_total", fault="error") == 1


def test_each_try_and_the_call():
    """A call with three tries is three observations by code and one by outcome, as its last try ended."""
    rig = Rig()
    tries = ((CallOutcome.UNREACHABLE, None), (CallOutcome.ERROR_STATUS, 503), (CallOutcome.OK, 200))
    rig.metrics.sent(arrival(), call(*tries, seconds=0.875))
    attempts = "simulator_downstream_attempt_duration_seconds"
    for code in ("unreachable", "503", "200"):
        assert rig.sample(f"{attempts}_count", downstream="enrich", code=code) == 1
        assert rig.sample(f"{attempts}_sum", downstream="enrich", code=code) == 0.25
    calls = "simulator_downstream_call_duration_seconds"
    assert rig.series(f"{calls}_count") == [{"downstream": "enrich", "outcome": "ok"}]
    assert rig.sample(f"{calls}_sum", downstream="enrich", outcome="ok") == 0.875
    rig.metrics.sent(arrival(), call((CallOutcome.TIMEOUT, None), seconds=1.0))
    assert rig.sample(f"{calls}_count", downstream="enrich", outcome="timeout") == 1
    assert rig.sample(f"{attempts}_count", downstream="enrich", code="timeout") == 1


@pytest.mark.parametrize(
    ("code", "outcome", "label"),
    [
        (200, CallOutcome.OK, "200"),
        (418, CallOutcome.ERROR_STATUS, "418"),
        (599, CallOutcome.ERROR_STATUS, "other"),
        (999, CallOutcome.ERROR_STATUS, "other"),
        (None, CallOutcome.TIMEOUT, "timeout"),
        (None, CallOutcome.BROKEN, "broken"),
        (None, CallOutcome.UNREACHABLE, "unreachable"),
    ],
)
def test_the_code_of_a_try(code, outcome, label):
    """The label is the status where HTTP knows it, `other` where it does not, and the way it ended without one."""
    assert code_label(code, outcome) == label


@given(codes=st.lists(st.integers(100, 999), max_size=200))
def test_whatever_is_answered_the_codes_are_a_closed_set(codes):
    """However a downstream answers, the code is one that HTTP knows or `other`: the series can't grow without end."""
    known = {str(code) for code in (*range(100, 104), *range(200, 209), 226, *range(300, 309), *range(400, 512))}
    assert {code_label(code, CallOutcome.ERROR_STATUS) for code in codes} <= known | {"other"}
    assert [code_label(code, CallOutcome.OK) for code in (204, 404, 503)] == ["204", "404", "503"]


@pytest.mark.parametrize(
    ("method", "label"), [("GET", "GET"), ("PATCH", "PATCH"), ("BREW", "_OTHER"), ("", "_OTHER"), ("post", "_OTHER")]
)
def test_a_request_that_was_no_message(method, label):
    """A wrong path or method is a request with its status; a method that nobody knows becomes _OTHER."""
    rig = Rig()
    rig.metrics.record_unrouted_request(method, "", 404, 0.5)
    labels = {"http_request_method": label, "http_route": "", "http_response_status_code": "404"}
    assert rig.series("http_server_request_duration_seconds_count") == [labels]
    assert rig.sample("http_server_request_duration_seconds_sum", **labels) == 0.5
    assert rig.sample("simulator_messages_total", outcome="invalid") == 0


def test_the_schedule_and_the_losses():
    """Due and missed messages, hang-ups and lost spans each have a counter of their own."""
    rig = Rig()
    for lag in (0.25, 0.5):
        rig.metrics.record_due(lag)
    rig.metrics.record_missed()
    for _ in range(3):
        rig.metrics.record_disconnect()
    rig.metrics.record_dropped_spans(40)
    rig.metrics.record_dropped_spans(2)
    assert rig.sample("simulator_injector_due_total") == 2
    assert rig.sample("simulator_injector_lag_seconds_sum") == 0.75
    assert rig.sample("simulator_injector_missed_total") == 1
    assert rig.sample("simulator_client_disconnects_total") == 3
    assert rig.sample("simulator_spans_dropped_total") == 42


def test_idle_seconds_are_part_of_the_throughput():
    """Each second that passed is one observation of messages per second, an idle one of 0."""
    rig = Rig()
    for _ in range(7):
        rig.metrics.handled(record())
    rig.time.now = 54.5
    rig.metrics.handled(record())
    rig.metrics.roll()
    assert rig.sample("simulator_messages_per_second_count") == 4
    assert rig.buckets("simulator_messages_per_second") == {"0.0": 3, "10.0": 1}
    rig.time.now = 55.0
    rig.metrics.roll()
    assert rig.buckets("simulator_messages_per_second") == {"0.0": 3, "1.0": 1, "10.0": 1}
    assert rig.sample("simulator_messages_per_second_sum") == 8


def test_a_gauge_is_read_when_it_is_asked_for():
    """A gauge shows the value of the moment in which the registry is read."""
    rig, value = Rig(), [0]
    rig.metrics.add_gauge("simulator_queue_depth", "Messages waiting", lambda: value[0])
    assert rig.sample("simulator_queue_depth") == 0
    value[0] = 12
    assert rig.sample("simulator_queue_depth") == 12


def test_the_configuration_is_a_metric():
    """`simulator_info` is always 1 and bears the configuration as labels."""
    rig = Rig()
    rig.metrics.add_info(version="1.2.3", seed="7", delay="constant(10ms)")
    assert rig.sample("simulator_info", version="1.2.3", seed="7", delay="constant(10ms)") == 1


def test_exemplars_lead_to_the_trace():
    """In OpenMetrics an observation names the trace and the span that it was made in."""
    rig = Rig()
    rig.metrics.handled(record())
    text = generate_openmetrics(rig.registry).decode()
    (line,) = [line for line in text.splitlines() if 'simulator_processing_seconds_bucket{le="0.075"' in line]
    exemplar, value = line.partition(" # {")[2].split("} ")
    assert set(exemplar.split(",")) == {
        'trace_id="4bf92f3577b34da6a3ce929d0e0e4736"',
        'span_id="00f067aa0ba902b7"',
    }
    assert float(value.split()[0]) == 0.0625


def test_no_exemplar_without_a_trace_to_lead_to():
    """A message that was not sampled has no exemplar, because there is no trace to be found under its id."""
    rig = Rig()
    rig.metrics.handled(record(Outcome.DELIVERED, came=arrival(trace=UNSAMPLED), pipeline_seconds=1.0))
    rig.metrics.sent(arrival(trace=UNSAMPLED), call((CallOutcome.OK, 200)))
    assert " # {" not in generate_openmetrics(rig.registry).decode()


def test_no_exemplars_in_the_plain_format():
    """A scraper that does not ask for OpenMetrics gets no exemplars, which its format does not know."""
    rig = Rig()
    rig.metrics.handled(record())
    encode, _ = choose_encoder("text/plain")
    assert "trace_id" not in encode(rig.registry).decode()
    assert "trace_id" not in generate_latest(rig.registry).decode()


def table_rows():
    for line in TABLE.strip().splitlines():
        name, kind, labels = (cell.strip() for cell in line.strip("|").split("|"))
        yield name, kind, {label.strip() for label in labels.split(",") if label.strip()}


@pytest.fixture
def whole_stage():
    """The metrics as a stage process puts them together, each of them having seen something."""
    registry = CollectorRegistry()
    settings = StageSettings(
        name="parse",
        topology="pipeline",
        stage=Stage(role=Role.PROCESSOR, delay=parse_delay("constant(10ms)")),
        host="127.0.0.1",
        port=0,
        downstreams=(Downstream("enrich", "http://127.0.0.1:1/messages", 1.0),),
        callers=(),
        seed=7,
        log_level="info",
        drain_seconds=1.0,
    )
    time = Time()
    metrics = _metrics(registry, settings, Capacity(3, 5, time.clock.monotonic), time.clock, 7)
    metrics.sent(arrival(), call((CallOutcome.OK, 200)))
    metrics.handled(record(Outcome.DELIVERED, fault="error", pipeline_seconds=1.0))
    metrics.record_due(0.0)
    time.now += 1
    metrics.roll()
    return registry


def own_families(text):
    process = ("process_", "python_")
    return [family for family in text_string_to_metric_families(text) if not family.name.startswith(process)]


def test_the_table_of_metrics_holds(whole_stage):
    """A stage has exactly the metrics of the table, each of its kind and with its labels and no others."""
    found = {}
    for family in own_families(generate_latest(whole_stage).decode()):
        if family.name.endswith("_created"):
            continue
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert {"stage", "role"} <= labels
        name = f"{family.name.removesuffix('_total')}_total" if family.type == "counter" else family.name
        found[name] = (family.type, labels - {"stage", "role"})
    assert found == {name: (kind.split(",")[0], labels) for name, kind, labels in table_rows()}


def test_the_table_s_exemplars_hold(whole_stage):
    """Exactly the metrics that the table says so have exemplars."""
    text = generate_openmetrics(whole_stage).decode()
    found = {line.partition("_bucket{")[0] for line in text.splitlines() if " # {" in line}
    assert found == {name for name, kind, _ in table_rows() if "exemplars" in kind}


def test_the_gauges_of_a_stage_say_what_it_has(whole_stage):
    """The gauges of capacity show the workers and the room to wait that the stage was given."""
    values = {
        sample.name: sample.value
        for family in whole_stage.collect()
        for sample in family.samples
        if family.type == "gauge" and sample.name.startswith("simulator_")
    }
    assert values == {
        "simulator_in_flight": 0,
        "simulator_workers": 3,
        "simulator_workers_busy": 0,
        "simulator_queue_depth": 0,
        "simulator_queue_capacity": 5,
        "simulator_info": 1,
    }


def test_the_process_is_measured_too(whole_stage):
    """Memory, CPU and descriptors of the process stand beside the stage's own metrics."""
    assert whole_stage.get_sample_value("process_resident_memory_bytes") > 1e6
    assert whole_stage.get_sample_value("process_open_fds") > 0
    assert whole_stage.get_sample_value("process_cpu_seconds_total") > 0
