"""The table of metrics holds for a whole stage: its names, kinds, labels and exemplars."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from simulator.behaviour.delays import parse_delay
from simulator.engine.capacity import Capacity
from simulator.stage.signals import _metrics
from simulator.telemetry.record import CallOutcome, Outcome
from simulator.topology.model import Role, Stage
from simulator.topology.settings import Downstream, StageSettings
from tests.support.fake_time import FakeTime
from tests.support.measuring import tell
from tests.support.records import arrival, record

# Every metric of a stage: its name, its kind and, beside stage and role, its labels.
TABLE = """
| http_server_request_duration_seconds          | histogram, exemplars | http_request_method, http_route, http_response_status_code |
| simulator_messages_total                      | counter              | outcome             |
| simulator_messages_per_second                 | histogram            |                     |
| simulator_message_bytes                       | histogram            |                     |
| simulator_queue_wait_seconds                  | histogram            |                     |
| simulator_delay_drawn_seconds                 | histogram, exemplars |                     |
| simulator_processing_seconds                  | histogram, exemplars |                     |
| simulator_overhead_seconds                    | histogram            |                     |
| simulator_downstream_attempt_duration_seconds | histogram, exemplars | downstream, code    |
| simulator_downstream_call_duration_seconds    | histogram            | downstream, outcome |
| simulator_pipeline_duration_seconds           | histogram, exemplars |                     |
| simulator_implausible_durations_total         | counter              |                     |
| simulator_in_flight                           | gauge                |                     |
| simulator_workers                             | gauge                |                     |
| simulator_workers_busy                        | gauge                |                     |
| simulator_queue_depth                         | gauge                |                     |
| simulator_queue_capacity                      | gauge                |                     |
| simulator_faults_injected_total               | counter              | fault               |
| simulator_downstream_ejections_total          | counter              | downstream          |
| simulator_downstream_resends_total            | counter              | downstream          |
| simulator_breakers_open                       | gauge                | downstream          |
| simulator_control_requests_total              | counter              | result              |
| simulator_injector_due_total                  | counter              |                     |
| simulator_injector_missed_total               | counter              |                     |
| simulator_injector_lag_seconds                | histogram            |                     |
| simulator_client_disconnects_total            | counter              |                     |
| simulator_spans_dropped_total                 | counter              |                     |
| simulator_info                                | gauge                | version, seed, delay |
"""  # noqa: E501


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
    time = FakeTime()
    metrics = _metrics(registry, settings, Capacity(3, 5, time), time, 7)
    # The breakers are the calls', so their gauge is added where those are put together.
    metrics.add_downstream_gauge("simulator_breakers_open", "Breakers", lambda name: 0, ("enrich",))
    tell(metrics, (CallOutcome.OK, 200))
    metrics.injected(arrival(), "error")
    metrics.record_ejection("enrich")
    metrics.record_resend("enrich")
    metrics.record_control("read")
    metrics.handled(record(Outcome.DELIVERED, faults=("error",), pipeline_seconds=1.0))
    metrics.record_due(0.0)
    time.advance(1.0)
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
