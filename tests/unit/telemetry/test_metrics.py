"""Metrics: exact values for given records, and no label from outside a closed set."""

from __future__ import annotations

import pytest
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.record import CallOutcome, Outcome, TraceIds, Via
from tests.support.measuring import Rig, State, tell
from tests.support.records import arrival, record

UNSAMPLED = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "00", False)


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
    assert rig.series("simulator_pipeline_duration_seconds_count") == []


def test_the_overhead_is_what_did_not_fit_into_the_delay():
    """A stage's own time beyond the drawn delay is observed; where the delay had room for it all that is nothing."""
    rig = Rig()
    rig.metrics.handled(record(delay_drawn_seconds=0.03125))
    rig.metrics.handled(record(delay_drawn_seconds=0.0625))
    rig.metrics.handled(record(delay_drawn_seconds=0.0626))
    assert rig.sample("simulator_overhead_seconds_sum") == 0.03125
    assert rig.buckets("simulator_overhead_seconds") == {"0.0005": 2, "0.05": 1}


def test_a_message_that_is_not_processed_has_overhead_alone():
    """All the time of a message that is rejected is the stage's overhead, but for the waiting."""
    rig = Rig()
    rig.metrics.handled(
        record(Outcome.INVALID, 400, reading_seconds=0.03125, queue_wait_seconds=None, delay_drawn_seconds=None)
    )
    assert rig.sample("simulator_overhead_seconds_sum") == 0.25 - 0.03125 - 0.185546875
    assert rig.sample("simulator_processing_seconds_count") == 0


def test_every_outcome_is_there_from_the_start():
    """All seven outcomes stand at 0 before the first message, so that a rate of them is never missing."""
    rig = Rig()
    assert {labels["outcome"] for labels in rig.series("simulator_messages_total")} == {
        "delivered",
        "forwarded",
        "rejected",
        "invalid",
        "faulted",
        "failed",
        "broken_off",
    }
    for number, outcome in enumerate(Outcome, 1):
        for _ in range(number):
            rig.metrics.handled(record(outcome))
    counts = [rig.sample("simulator_messages_total", outcome=str(outcome)) for outcome in Outcome]
    assert counts == [1, 2, 3, 4, 5, 6, 7]


def test_a_message_that_was_turned_away_has_no_delay():
    """A message that got no worker counts as a message, but adds nothing to waits, delays or processing."""
    rig = Rig()
    rig.metrics.handled(record(Outcome.REJECTED, 503, queue_wait_seconds=None, delay_drawn_seconds=None))
    assert rig.sample("simulator_messages_total", outcome="rejected") == 1
    for name in ("queue_wait", "delay_drawn", "processing"):
        assert rig.sample(f"simulator_{name}_seconds_count") == 0


def began(due_at=-1.25, request="parse", **changes):
    return arrival(due_at=due_at, request=request, **changes)


def test_a_request_from_end_to_end():
    """A message that began here adds what it took since it was due, by its outcome; one that a stage sent does not."""
    rig = Rig(requests={"": Outcome.FORWARDED})
    name = "simulator_pipeline_duration_seconds"
    assert rig.sample(f"{name}_count", outcome="forwarded") == 0
    rig.metrics.handled(record(came=began()))
    rig.metrics.handled(record(Outcome.FAILED, 502, came=began(due_at=-0.75)))
    rig.metrics.handled(record(came=arrival(due_at=-1.25)))
    assert rig.sample(f"{name}_sum", outcome="forwarded") == 1.5
    assert rig.sample(f"{name}_sum", outcome="failed") == 1.0
    assert [rig.sample(f"{name}_count", outcome=outcome) for outcome in ("forwarded", "failed")] == [1, 1]
    assert rig.sample("simulator_implausible_durations_total") == 0


def test_a_request_whose_due_time_is_not_credible_is_counted():
    """It is observed nowhere; of a message that a stage sent nobody asks when it was due."""
    rig = Rig()
    rig.metrics.handled(record(came=began(due_at=None)))
    rig.metrics.handled(record(came=arrival(due_at=None)))
    assert rig.series("simulator_pipeline_duration_seconds_count") == []
    assert rig.sample("simulator_implausible_durations_total") == 1


def test_a_request_is_of_an_operation():
    """Of the stage's own or, at an injector, of what it calls, which it has no operations for itself."""
    name = "simulator_pipeline_duration_seconds_count"
    rig = Rig(operations=("read", "add"), requests={"read": Outcome.DELIVERED, "add": Outcome.DELIVERED})
    rig.metrics.handled(record(Outcome.DELIVERED, came=began(request="parse.read", operation="read")))
    assert rig.sample(name, operation="read", outcome="delivered") == 1
    assert rig.sample(name, operation="add", outcome="delivered") == 0
    rig = Rig(injects=True, requests={"cart.read": Outcome.FORWARDED})
    rig.metrics.handled(record(came=began(request="cart.read")))
    assert rig.sample(name, operation="cart.read", outcome="forwarded") == 1


def test_accepted_work():
    """A request took until its answer; the work that went on is told apart, whoever sent the message."""
    rig = Rig(accepting={"": Outcome.FORWARDED})
    assert rig.sample("simulator_accepted_work_duration_seconds_count", outcome="forwarded") == 0
    rig.metrics.handled(record(code=202, came=began(), answer_seconds=0.125))
    rig.metrics.handled(record(code=202, came=arrival(due_at=-1.25), answer_seconds=0.125))
    rig.metrics.handled(record(code=202, came=arrival(due_at=None), answer_seconds=0.125))
    assert rig.sample("simulator_pipeline_duration_seconds_sum", outcome="forwarded") == 1.375
    assert rig.sample("simulator_accepted_work_duration_seconds_sum", outcome="forwarded") == 3.0
    assert rig.sample("simulator_implausible_durations_total") == 1


@pytest.mark.parametrize("via", [Via.SCHEDULE, Via.INPUT])
def test_a_message_of_the_stage_s_own_is_no_request(via):
    """A message that an injector made itself is counted as a message but not as an HTTP request."""
    rig = Rig()
    rig.metrics.handled(record(came=arrival(via=via)))
    assert rig.sample("simulator_messages_total", outcome="forwarded") == 1
    assert rig.series("http_server_request_duration_seconds_count") == []


def test_each_fault_is_counted_by_its_name():
    """Every fault of a message is counted under its name as it is injected, once each, and not again at the end."""
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
    """A request whose connection was reset by an injected fault is a request like another, with an empty status."""
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
    long = {"duration_seconds": 8.0, "downstream_seconds": 7.935546875}
    rig.metrics.handled(record(Outcome.FAILED, 202, answer_seconds=0.0625, **long))
    rig.metrics.handled(record(Outcome.FORWARDED, 202, answer_seconds=0.0, **long))
    labels = HTTP | {"http_response_status_code": "202"}
    assert rig.series("http_server_request_duration_seconds_count") == [labels]
    assert rig.sample("http_server_request_duration_seconds_count", **labels) == 2
    assert rig.sample("http_server_request_duration_seconds_sum", **labels) == 0.0625
    assert rig.sample("simulator_messages_total", outcome="failed") == 1
    assert rig.sample("simulator_processing_seconds_sum") == 0.125


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
    rig.metrics.record_dropped(Signal.TRACES, 40)
    rig.metrics.record_dropped(Signal.TRACES, 2)
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
    rig.time.advance(4.5)
    rig.metrics.handled(record())
    rig.metrics.roll()
    assert rig.sample("simulator_messages_per_second_count") == 4
    assert rig.buckets("simulator_messages_per_second") == {"0.0": 3, "10.0": 1}
    rig.time.advance(0.5)
    rig.metrics.roll()
    assert rig.buckets("simulator_messages_per_second") == {"0.0": 3, "1.0": 1, "10.0": 1}
    assert rig.sample("simulator_messages_per_second_sum") == 8


def test_a_gauge_is_read_when_it_is_asked_for():
    """A gauge shows the value of the moment in which the registry is read."""
    rig, state = Rig(), State()
    rig.metrics.watch(state)
    assert rig.sample("simulator_queue_depth") == 0
    state.capacity.waiting = 12
    assert rig.sample("simulator_queue_depth") == 12


def test_a_gauge_for_each_downstream():
    """Such a gauge has a series for each stage that is called, each read by its own name when it is asked for."""
    rig, state = Rig(("enrich", "price")), State(breakers={"enrich": 1, "price": 0})
    rig.metrics.watch(state)
    name = "simulator_breakers_open"
    assert rig.series(name) == [{"downstream": "enrich"}, {"downstream": "price"}]
    assert [rig.sample(name, downstream=downstream) for downstream in state.breakers] == [1, 0]
    state.breakers["price"] = 3
    assert [rig.sample(name, downstream=downstream) for downstream in state.breakers] == [1, 3]


def test_a_stage_that_calls_nobody_has_no_such_series():
    """Where no stage is called the gauge is there without a series."""
    rig = Rig(downstreams=())
    rig.metrics.watch(State())
    assert rig.series("simulator_breakers_open") == []


def test_instances_that_are_passed_over():
    """Each time that an instance is ejected is counted under the stage that it is one of."""
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
    """`simulator_info` is always 1 and has the configuration as labels."""
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
    rig.metrics.handled(record(Outcome.DELIVERED, came=began(trace=UNSAMPLED)))
    tell(rig.metrics, (CallOutcome.OK, 200), came=arrival(trace=UNSAMPLED))
    assert " # {" not in generate_openmetrics(rig.registry).decode()


def test_no_exemplars_in_the_plain_format():
    """A scraper that does not ask for OpenMetrics gets no exemplars, which its format does not know."""
    rig = Rig()
    rig.metrics.handled(record())
    encode, _ = choose_encoder("text/plain")
    assert "trace_id" not in encode(rig.registry).decode()
    assert "trace_id" not in generate_latest(rig.registry).decode()


OPERATIONS = {"operations": ("read", "add"), "calls": (("db", "find"), ("audit", "")), "names_called": True}


def test_each_operation_has_series_of_its_own():
    """What is recorded of a message is recorded under its operation, each of which stands at 0 from the start."""
    rig = Rig(**OPERATIONS)
    rig.metrics.expect_faults(["error"], "read")
    for operation, count in (("read", 2), ("add", 1)):
        for _ in range(count):
            rig.metrics.handled(record(came=arrival(operation=operation, method="GET", route=f"/{operation}/{{id}}")))
    rig.metrics.injected(arrival(operation="add"), "hang")
    assert {(s["operation"], s["outcome"]) for s in rig.series("simulator_messages_total")} == {
        (operation, str(outcome)) for operation in ("read", "add") for outcome in Outcome
    }
    for name in (
        "message_bytes",
        "queue_wait_seconds",
        "delay_drawn_seconds",
        "processing_seconds",
        "overhead_seconds",
    ):
        counts = {o: rig.sample(f"simulator_{name}_count", operation=o) for o in ("read", "add")}
        assert counts == {"read": 2, "add": 1}, name
    assert rig.series("simulator_faults_injected_total") == [
        {"operation": "read", "fault": "error"},
        {"operation": "add", "fault": "hang"},
    ]
    labels = {"http_request_method": "GET", "http_route": "/read/{id}", "http_response_status_code": "200"}
    assert rig.sample("http_server_request_duration_seconds_count", **labels) == 2


def test_the_calls_of_an_operation_are_apart():
    """A call is recorded under the operation that is called, which is empty for a stage that has only itself."""
    rig = Rig(**OPERATIONS)
    tell(rig.metrics, (CallOutcome.OK, 200), downstream="db", operation="find")
    tell(rig.metrics, (CallOutcome.OK, 200), downstream="db", operation="set")
    found = [(s["downstream"], s["downstream_operation"]) for s in rig.series(f"{CALL}_count")]
    assert found == [("db", "find"), ("audit", ""), ("db", "set")]
    assert [rig.sample(f"{CALL}_count", outcome="ok", **named(*at)) for at in found] == [1, 0, 1]
    assert rig.sample(f"{ATTEMPT}_count", code="200", **named("db", "set")) == 1
    assert rig.series("simulator_downstream_ejections_total") == [{"downstream": "db"}, {"downstream": "audit"}]


CALL, ATTEMPT = "simulator_downstream_call_duration_seconds", "simulator_downstream_attempt_duration_seconds"


def named(downstream, operation):
    return {"downstream": downstream, "downstream_operation": operation}


def test_where_there_are_no_operations_there_is_no_label():
    """A stage without operations, which calls such stages, has series without these labels, not with empty ones."""
    rig = Rig()
    rig.metrics.handled(record())
    rig.metrics.injected(arrival(), "error")
    tell(rig.metrics, (CallOutcome.OK, 200))
    assert b'operation="' not in generate_latest(rig.registry)


def test_messages_and_requests_have_the_labels_that_the_stage_asks_for():
    """A decision or an attribute of the stage, which wins, as text; one that a message lacks is empty."""
    rig = Rig(labels=("tenant", "app.plan", "hit"))
    for decisions, attributes in (
        ({"tenant": "gold", "hit": True}, {"app.plan": "free"}),
        ({"tenant": "gold", "hit": True}, {"app.plan": "free"}),
        ({"tenant": "gold", "hit": True}, {"app.plan": "free", "tenant": "own"}),
        ({}, {}),
    ):
        rig.metrics.handled(record(came=arrival(decisions=decisions, attributes=attributes)))
    http = {"http_request_method": "POST", "http_route": "/messages", "http_response_status_code": "200"}
    for labels, count in (
        ({"tenant": "gold", "app_plan": "free", "hit": "true"}, 2),
        ({"tenant": "own", "app_plan": "free", "hit": "true"}, 1),
        ({"tenant": "", "app_plan": "", "hit": ""}, 1),
    ):
        assert rig.sample("simulator_messages_total", outcome="forwarded", **labels) == count
        assert rig.sample("simulator_messages_total", outcome="failed", **labels) == 0
        assert rig.sample("http_server_request_duration_seconds_count", **http, **labels) == count
    rig.metrics.record_unrouted_request("POST", "", 404, 0.5)
    assert len(rig.series("http_server_request_duration_seconds_count")) == 4
    assert rig.sample("simulator_processing_seconds_count") == 4


def test_the_version_of_the_user_s_service_is_a_label_of_its_own():
    """Where it is given; `version` is the simulator's."""
    for version, labels in (("v2", {"service_version": "v2"}), ("", {})):
        rig = Rig(service_version=version)
        rig.metrics.set_info(version="0.1", seed="7", delay="constant(0s)")
        assert rig.series("simulator_info") == [{"version": "0.1", "seed": "7", "delay": "constant(0s)", **labels}]


def test_no_client_makes_series_without_end(monkeypatch):
    """Decisions that a client invents count under one value when there are more than a topology can make."""
    monkeypatch.setattr("simulator.telemetry.metrics.MAX_COMBINATIONS", 3)
    rig = Rig(labels=("tenant",))
    for number in range(10):
        rig.metrics.handled(record(came=arrival(decisions={"tenant": f"t{number % 8}"})))
    counts = {
        labels["tenant"]: rig.sample("simulator_messages_total", **labels)
        for labels in rig.series("simulator_messages_total")
        if labels["outcome"] == "forwarded"
    }
    assert counts == {"t0": 2, "t1": 2, "t2": 1, "_OTHER": 5}
