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
from simulator.stage.capacity import Capacity
from simulator.stage.signals import _metrics
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
| simulator_downstream_ejections_total          | counter              | downstream          |
| simulator_breakers_open                       | gauge                | downstream          |
| simulator_control_requests_total              | counter              | result              |
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
        "faults": (),
        "error": "",
        "admission_seconds": 0.0,
        "queue_wait_seconds": 0.002,
        "delay_drawn_seconds": 0.03125,
        "delay_spec": "constant(31.25ms)",
        "utilisation": 0.0,
        "processing_seconds": 0.0625,
        "fault_times": (),
        "downstream_seconds": 0.0,
        "duration_seconds": 0.25,
        "answer_seconds": None,
        "pipeline_seconds": None,
        "calls": (),
    }
    return StageRecord(came or arrival(), outcome, code, **{**values, **changes})


def tell(metrics, *tries, seconds=0.5, came=None, downstream="enrich"):
    """Tell of a call with these tries, (outcome, code) each, as a stage does: try by try, and then the call."""
    came = came or arrival()
    attempts = tuple(Attempt(outcome, code, 0.25, number=n) for n, (outcome, code) in enumerate(tries, 1))
    for attempt in attempts:
        metrics.sending(downstream)
        metrics.attempted(came, downstream, attempt, None if attempt is attempts[-1] else 0.125)
    outcome, code = tries[-1]
    metrics.sent(came, CallRecord(downstream, attempts, seconds, outcome, code))


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


def test_each_fault_is_counted_by_its_name():
    """Every fault of a message is counted under its name as it strikes, once each, and not again at the end."""
    rig = Rig()
    came = arrival()
    for fault in ("memory", "hang", "hang", "error"):
        rig.metrics.injected(came, fault)
    counts = {fault: rig.sample("simulator_faults_injected_total", fault=fault) for fault in ("memory", "hang")}
    assert counts == {"memory": 1, "hang": 2}
    rig.metrics.handled(record(Outcome.FAULTED, 503, faults=("memory", "hang", "hang", "error")))
    rig.metrics.handled(record(Outcome.FAULTED, 502))
    assert rig.series("simulator_faults_injected_total") == [{"fault": name} for name in ("memory", "hang", "error")]
    assert rig.sample("simulator_faults_injected_total", fault="error") == 1
    assert rig.sample("simulator_messages_total", outcome="faulted") == 2


HTTP = {"http_request_method": "POST", "http_route": "/messages"}


def test_a_request_without_an_answer_has_no_code():
    """A request whose connection was reset on purpose is a request like another, with an empty status."""
    rig = Rig()
    for _ in range(2):
        rig.metrics.handled(record(Outcome.FAULTED, None, faults=("reset",)))
    labels = HTTP | {"http_response_status_code": ""}
    assert rig.series("http_server_request_duration_seconds_count") == [labels]
    assert rig.sample("http_server_request_duration_seconds_count", **labels) == 2
    assert rig.sample("http_server_request_duration_seconds_sum", **labels) == 0.5


def test_a_message_that_was_accepted_took_as_long_as_its_answer():
    """A request that was answered before the work is one of that time with 202; the work is in the other metrics."""
    rig = Rig()
    rig.metrics.handled(record(Outcome.FAILED, 202, duration_seconds=8.0, answer_seconds=0.0625))
    rig.metrics.handled(record(Outcome.FORWARDED, 202, duration_seconds=8.0, answer_seconds=0.0))
    labels = HTTP | {"http_response_status_code": "202"}
    assert rig.series("http_server_request_duration_seconds_count") == [labels]
    assert rig.sample("http_server_request_duration_seconds_count", **labels) == 2
    assert rig.sample("http_server_request_duration_seconds_sum", **labels) == 0.0625
    assert rig.sample("simulator_messages_total", outcome="failed") == 1
    assert rig.sample("simulator_processing_seconds_sum") == 0.125


def test_each_try_and_the_call():
    """A call with three tries is three observations by code and one by outcome, as its last try ended."""
    rig = Rig()
    tries = ((CallOutcome.UNREACHABLE, None), (CallOutcome.ERROR_STATUS, 503), (CallOutcome.OK, 200))
    tell(rig.metrics, *tries, seconds=0.875)
    attempts = "simulator_downstream_attempt_duration_seconds"
    for code in ("unreachable", "503", "200"):
        assert rig.sample(f"{attempts}_count", downstream="enrich", code=code) == 1
        assert rig.sample(f"{attempts}_sum", downstream="enrich", code=code) == 0.25
    calls = "simulator_downstream_call_duration_seconds"
    assert rig.series(f"{calls}_count") == [{"downstream": "enrich", "outcome": "ok"}]
    assert rig.sample(f"{calls}_sum", downstream="enrich", outcome="ok") == 0.875
    tell(rig.metrics, (CallOutcome.TIMEOUT, None), seconds=1.0)
    assert rig.sample(f"{calls}_count", downstream="enrich", outcome="timeout") == 1
    assert rig.sample(f"{attempts}_count", downstream="enrich", code="timeout") == 1


def test_a_try_is_recorded_as_it_ends():
    """A try is in its metric before the call that it belongs to has ended, whether another one follows or not."""
    rig = Rig()
    for retry_in_seconds in (0.5, None):
        rig.metrics.attempted(
            arrival(), "enrich", Attempt(CallOutcome.ABANDONED, None, 0.25), retry_in_seconds=retry_in_seconds
        )
    name = "simulator_downstream_attempt_duration_seconds_count"
    assert rig.sample(name, downstream="enrich", code="abandoned") == 2
    assert rig.sample("simulator_downstream_call_duration_seconds_count", downstream="enrich", outcome="ok") == 0


@pytest.mark.parametrize("outcome", [CallOutcome.BREAKER_OPEN, CallOutcome.EXPIRED])
def test_a_call_without_a_try(outcome):
    """A call that was given up before its first try is a call by its outcome, and adds no try."""
    rig = Rig()
    rig.metrics.sent(arrival(), CallRecord("enrich", (), 0.0, outcome, None))
    calls = "simulator_downstream_call_duration_seconds_count"
    assert rig.sample(calls, downstream="enrich", outcome=str(outcome)) == 1
    assert rig.series("simulator_downstream_attempt_duration_seconds_count") == []


def test_a_call_counts_as_it_ended_itself():
    """A call is told by its own outcome, which may be another than that of its last try."""
    rig = Rig()
    broken = Attempt(CallOutcome.BROKEN, None, 0.25)
    rig.metrics.attempted(arrival(), "enrich", broken, 0.5)
    rig.metrics.sent(arrival(), CallRecord("enrich", (broken,), 1.0, CallOutcome.EXPIRED, None))
    calls = "simulator_downstream_call_duration_seconds_count"
    assert rig.sample(calls, downstream="enrich", outcome="expired") == 1
    assert rig.sample(calls, downstream="enrich", outcome="broken") is None


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
        (None, CallOutcome.ABANDONED, "abandoned"),
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


def test_a_gauge_for_each_downstream():
    """Such a gauge has a series for each stage that is called, each read by its own name when it is asked for."""
    rig, values = Rig(), {"enrich": 1, "price": 0}
    rig.metrics.add_downstream_gauge(
        "simulator_breakers_open", "Breakers", lambda name: values[name], ("enrich", "price")
    )
    name = "simulator_breakers_open"
    assert rig.series(name) == [{"downstream": "enrich"}, {"downstream": "price"}]
    assert [rig.sample(name, downstream=downstream) for downstream in values] == [1, 0]
    values["price"] = 3
    assert [rig.sample(name, downstream=downstream) for downstream in values] == [1, 3]


def test_a_stage_that_calls_nobody_has_no_such_series():
    """Where no stage is called the gauge is there without a series."""
    rig = Rig()
    rig.metrics.add_downstream_gauge("simulator_breakers_open", "Breakers", lambda name: 1, ())
    assert rig.series("simulator_breakers_open") == []


def test_instances_that_are_passed_over():
    """Each time that an instance is passed over is counted under the stage that it is one of."""
    rig = Rig()
    for downstream in ("enrich", "price", "enrich"):
        rig.metrics.record_ejection(downstream)
    name = "simulator_downstream_ejections_total"
    assert [rig.sample(name, downstream=downstream) for downstream in ("enrich", "price")] == [2, 1]


def test_requests_to_the_control():
    """Each request to the live control is counted by its result."""
    rig = Rig()
    for result in ("read", "changed", "read", "invalid", "refused", "read"):
        rig.metrics.record_control(result)
    counts = {result: rig.sample("simulator_control_requests_total", result=result) for result in ("read", "changed")}
    assert counts == {"read": 3, "changed": 1}
    assert len(rig.series("simulator_control_requests_total")) == 4


def test_the_configuration_is_a_metric():
    """`simulator_info` is always 1 and bears the configuration as labels."""
    rig = Rig()
    rig.metrics.set_info(version="1.2.3", seed="7", delay="constant(10ms)")
    assert rig.sample("simulator_info", version="1.2.3", seed="7", delay="constant(10ms)") == 1


def test_a_configuration_that_is_changed_replaces_the_one_before():
    """After a change `simulator_info` has one series, that of what holds now, and none of what held before."""
    rig = Rig()
    for delay in ("constant(10ms)", "exponential(1s)", "exponential(1s)", "constant(10ms)", "uniform(1ms, 2ms)"):
        rig.metrics.set_info(version="1.2.3", seed="7", delay=delay)
        assert rig.series("simulator_info") == [{"version": "1.2.3", "seed": "7", "delay": delay}]
        assert rig.sample("simulator_info", version="1.2.3", seed="7", delay=delay) == 1


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
    tell(rig.metrics, (CallOutcome.OK, 200), came=arrival(trace=UNSAMPLED))
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
        downstreams=(Downstream("enrich", ("http://127.0.0.1:1/messages",)),),
        callers=(),
        instance=1,
        seed=7,
        log_level="info",
        drain_seconds=1.0,
    )
    time = Time()
    metrics = _metrics(registry, settings, Capacity(3, 5, time.clock.monotonic), time.clock, 7)
    # The breakers are the calls', so their gauge is added where those are put together.
    metrics.add_downstream_gauge("simulator_breakers_open", "Breakers", lambda name: 0, ("enrich",))
    tell(metrics, (CallOutcome.OK, 200))
    metrics.injected(arrival(), "error")
    metrics.record_ejection("enrich")
    metrics.record_control("read")
    metrics.handled(record(Outcome.DELIVERED, faults=("error",), pipeline_seconds=1.0))
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
        "simulator_breakers_open": 0,
        "simulator_info": 1,
    }


def test_the_process_is_measured_too(whole_stage):
    """Memory, CPU and descriptors of the process stand beside the stage's own metrics."""
    assert whole_stage.get_sample_value("process_resident_memory_bytes") > 1e6
    assert whole_stage.get_sample_value("process_open_fds") > 0
    assert whole_stage.get_sample_value("process_cpu_seconds_total") > 0
