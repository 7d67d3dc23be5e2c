"""The catalogue of metrics holds for a whole stage: its names, kinds, labels, buckets and exemplars."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from simulator.behaviour.delays import parse_delay
from simulator.engine.capacity import Capacity
from simulator.stage.assembly import Gauged
from simulator.stage.signals import _metrics
from simulator.telemetry.catalogue.metrics import DOWNSTREAM_OPERATION, METRICS, OPERATION
from simulator.telemetry.record import CallOutcome, Outcome
from simulator.topology.addresses import Route
from simulator.topology.kinds import DatabaseOperation
from simulator.topology.model import Role, Stage
from simulator.topology.quantities import Name
from simulator.topology.settings import Downstream, StageSettings
from simulator.topology.steps import Call
from tests.support.fake_time import FakeTime
from tests.support.measuring import tell
from tests.support.records import arrival, record

POSTGRESQL = DatabaseOperation(system="postgresql", operation="SELECT", namespace="orders", collection="carts")
OF_OPERATIONS = {OPERATION, DOWNSTREAM_OPERATION}


@pytest.fixture
def whole_stage():
    """The metrics as a stage process puts them together, each of them having seen something."""
    registry = CollectorRegistry()
    settings = StageSettings(
        name="parse",
        topology="pipeline",
        stage=Stage(role=Role.PROCESSOR, delay=parse_delay("constant(10ms)"), calls=(Call(to=Name("enrich")),)),
        host="127.0.0.1",
        port=0,
        downstreams=(Downstream("enrich", ("http://127.0.0.1:1/messages",), routes={"": Route(database=POSTGRESQL)}),),
        callers=(),
        callers_stopped_before=(),
        circle=(),
        instance=1,
        seed=7,
        log_level="info",
        drain_seconds=1.0,
    )
    time = FakeTime()
    metrics = _metrics(registry, settings, time, 7)
    metrics.watch(Gauged(Capacity(3, 5, time), lambda name: 0))
    tell(metrics, (CallOutcome.OK, 200))
    metrics.injected(arrival(), "error")
    metrics.record_ejection("enrich")
    metrics.record_resend("enrich")
    metrics.record_control("read")
    metrics.record_request("POST", "http://127.0.0.1:1", 200, "", 0.5)
    metrics.handled(record(Outcome.DELIVERED, came=arrival(request="parse"), faults=("error",), answer_seconds=0.125))
    metrics.record_due(0.0)
    time.advance(1.0)
    metrics.roll()
    return registry


def own_families(text):
    process = ("process_", "python_")
    return [family for family in text_string_to_metric_families(text) if not family.name.startswith(process)]


def test_a_stage_has_the_metrics_of_the_catalogue(whole_stage):
    """A stage has exactly the metrics of the catalogue, each of its kind and with its labels and no others."""
    found = {}
    for family in own_families(generate_latest(whole_stage).decode()):
        if family.name.endswith("_created"):
            continue
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = f"{family.name.removesuffix('_total')}_total" if family.type == "counter" else family.name
        found[name] = (family.type, labels, family.documentation)
    wanted = {m.exposed: (m.kind, {"stage", "role", *m.labels} - OF_OPERATIONS, f"{m.help}.") for m in METRICS}
    assert found == wanted


def test_exactly_those_with_exemplars_have_some(whole_stage):
    """Exactly the metrics that the catalogue says so have exemplars."""
    text = generate_openmetrics(whole_stage).decode()
    found = {line.partition("_bucket{")[0] for line in text.splitlines() if " # {" in line}
    assert found == {metric.name for metric in METRICS if metric.has_exemplars}


def test_the_buckets_are_those_of_the_catalogue(whole_stage):
    """A histogram has the catalogue's buckets and the infinite one."""
    for metric in METRICS:
        bounds = {
            float(sample.labels["le"])
            for family in whole_stage.collect()
            for sample in family.samples
            if sample.name == f"{metric.name}_bucket"
        }
        assert bounds == ({*metric.buckets, float("inf")} if metric.buckets else set()), metric.name


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
