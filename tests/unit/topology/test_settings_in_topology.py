"""The settings of a stage of a topology: what the file says, and what flags may change of it."""

import pytest

from simulator.behaviour.arrivals import PoissonArrivals
from simulator.behaviour.delays import no_samples
from simulator.behaviour.distributions import Constant, Lognormal
from simulator.behaviour.faults.registry import parse_fault
from simulator.behaviour.retries import Retries
from simulator.topology.graph import calls_of
from simulator.topology.load import Load
from simulator.topology.model import Stage
from simulator.topology.objectives import LatencyObjective, Slo
from simulator.topology.reader import read_topology
from simulator.topology.settings import Downstream, resolve_topology_stage
from simulator.topology.steps import Call
from tests.support.settling import flags, refusal_of, resolve_in, resolve_in_pipeline


def test_a_stage_of_a_topology_is_what_the_file_says():
    """Delay, capacity, downstream, callers and names come from the file; its container's address is its name."""
    settings = resolve_in_pipeline("parse")
    assert settings.stage == Stage(
        delay=Lognormal(0.012, 0.08, 1.0),
        workers=8,
        queue=64,
        slo=Slo(latency=LatencyObjective(0.5, 0.99), errors_ratio=0.01),
        calls=(Call(to="enrich", timeout_seconds=30.0),),
    )
    assert (settings.name, settings.topology, settings.seed) == ("parse", "pipeline", None)
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.downstreams == (Downstream("enrich", ("http://enrich:8080/messages",), is_stage=True),)
    assert settings.instance == 1
    assert settings.callers == ("injector",)


def test_flags_change_a_stage_of_a_topology():
    """What a flag says beats the file, key by key; the rest stays."""
    settings = resolve_in_pipeline(
        "parse",
        DELAY="constant(1s)",
        WORKERS="3",
        PORT="9000",
        TIMEOUT="4s",
        SEED="7",
        DOWNSTREAM="enrich=http://127.0.0.1:9001/messages",
    )
    assert (settings.stage.delay, settings.stage.workers, settings.stage.queue) == (Constant(1.0), 3, 64)
    assert (settings.port, settings.seed) == (9000, 7)
    assert settings.stage.calls == (Call(to="enrich", timeout_seconds=4.0),)
    assert settings.downstreams == (Downstream("enrich", ("http://127.0.0.1:9001/messages",), is_stage=True),)


def test_a_flag_changes_one_key_of_the_load():
    """The rate of a topology's injector can be changed without repeating its other keys."""
    load = resolve_in_pipeline("injector", RATE="50/s", MESSAGES="10").stage.load
    assert load == Load(rate_per_second=50.0, arrivals=PoissonArrivals(), messages=10)


def test_the_topologys_seed_holds_where_none_is_given(tmp_path):
    """A seed in the file is the stage's, and a flag beats it, even with 0."""
    path = tmp_path / "file.yaml"
    path.write_text("seed: 7\nstages: {a: {calls: []}}")
    topology = read_topology(path)
    assert resolve_topology_stage(topology, "a", {}, no_samples).seed == 7
    assert resolve_topology_stage(topology, "a", flags({"SEED": "0"}), no_samples).seed == 0


def test_a_stage_that_is_not_in_the_topology_is_refused():
    """The refusal names the topology and its stages."""
    [problem] = refusal_of(resolve_in_pipeline, "pars")
    assert problem == "there is no stage 'pars' in the topology pipeline; did you mean `parse`?"


def test_wrong_changes_to_a_stage_of_a_topology_are_all_shown():
    """Each wrong flag is named, as for a single stage."""
    found = refusal_of(resolve_in_pipeline, "parse", WORKERS="0", DELAY="oops(1s)", LOG_LEVEL="loud", TIMEOUT="x")
    assert sorted(problem.split(":")[0] for problem in found) == [
        "flag --delay",
        "flag --log_level",
        "flag --timeout",
        "flag --workers",
    ]


@pytest.mark.parametrize(
    ("name", "values", "fragment"),
    [
        ("parse", {"RATE": "5/s"}, "flag --rate: RATE: "),
        ("parse", {"OUTPUT": "file"}, "flag --output: OUTPUT: "),
        ("parse", {"ROLE": "terminator"}, "a terminator is the last stage: it can't call another"),
        ("parse", {"DOWNSTREAM": "http://127.0.0.1:9001/"}, "flag --downstream: DOWNSTREAM: "),
        ("parse", {"DOWNSTREAM": "archive=http://127.0.0.1:9001/"}, "flag --downstream: DOWNSTREAM: "),
        ("archive", {"INPUT": "-"}, "flag --input: INPUT: "),
        ("archive", {"NAME": "other"}, "flag --name: NAME: "),
    ],
)
def test_a_change_that_means_nothing_to_the_stage_is_refused(name, values, fragment):
    """A flag that can have no effect on this stage of the topology is a mistake, not silently ignored."""
    [problem] = refusal_of(resolve_in_pipeline, name, **values)
    assert fragment in problem


SHOP = """\
stages:
  front:
    port: 9000
    instances: 3
    calls:
      - {to: stock, timeout: 1s, fallback: cache}
      - parallel:
          - [price, {to: tax, optional: true}]
          - choose: {stock: 90%, canary: 10%}
  stock: {port: 9100, instances: 2, calls: []}
  price: {calls: []}
  tax: {host: 10.0.0.7, calls: []}
  canary: {calls: []}
  cache: {calls: []}
"""


def test_every_stage_that_is_called_somewhere_is_a_downstream():
    """Calls in groups and fallbacks need an address too, and each stage has one list of its instances."""
    assert resolve_in(SHOP, "front").downstreams == (
        Downstream("stock", ("http://stock:9100/messages", "http://stock:9101/messages"), is_stage=True),
        Downstream("cache", ("http://cache:8080/messages",), is_stage=True),
        Downstream("price", ("http://price:8080/messages",), is_stage=True),
        Downstream("tax", ("http://10.0.0.7:8080/messages",), is_stage=True),
        Downstream("canary", ("http://canary:8080/messages",), is_stage=True),
    )


def test_the_addresses_of_a_downstream_in_a_group_can_be_given():
    """A stage called only in a group or as a fallback is found by its name, with as many instances as are given."""
    settings = resolve_in(SHOP, "front", DOWNSTREAM="cache=http://c1/,canary=http://k/,cache=http://c2/")
    urls = {downstream.name: downstream.urls for downstream in settings.downstreams}
    assert (urls["cache"], urls["canary"]) == (("http://c1/", "http://c2/"), ("http://k/",))
    assert urls["price"] == ("http://price:8080/messages",)


def test_a_key_of_the_calls_reaches_every_call_of_a_topologys_stage():
    """A flag changes calls in groups, in choices and as fallbacks; what it does not say stays as it is in the file."""
    settings = resolve_in(SHOP, "front", TIMEOUT="4s", RETRIES="1")
    calls = [call for _, call in calls_of(settings.stage)]
    assert [call.to for call in calls] == ["stock", "cache", "price", "tax", "stock", "canary"]
    assert {(call.timeout_seconds, call.retries) for call in calls} == {(4.0, Retries(1))}
    assert [call.to for call in calls if call.optional] == ["tax"]


@pytest.mark.parametrize(("instance", "port"), [(None, 9000), ("1", 9000), ("2", 9001), (3, 9002)])
def test_an_instance_listens_on_a_port_of_its_own(instance, port):
    """The first instance has the stage's port, each other one the next."""
    settings = resolve_in(SHOP, "front", **({} if instance is None else {"INSTANCE": instance}))
    assert (settings.port, settings.instance) == (port, int(instance or 1))


def test_the_instances_of_a_stage_without_a_port_all_listen_on_one():
    """In a container each instance has the same port, and with port 0 each has any free one."""
    text = "stages: {a: {instances: 2, calls: []}, b: {instances: 2, port: 0, calls: []}}"
    assert resolve_in(text, "a", INSTANCE="2").port == 8080
    assert resolve_in(text, "b", INSTANCE="2").port == 0


def test_an_instance_that_does_not_exist_is_refused():
    """A stage of a topology has as many instances as the file says."""
    assert refusal_of(resolve_in, SHOP, "front", INSTANCE="4") == ["flag --instance: INSTANCE: must be between 1 and 3"]


def test_a_fault_waits_for_no_decision_that_nobody_draws():
    """A flag's condition is checked against what is decided before a message gets there, as the file's own are."""
    text = """
    stages:
      a: {role: injector, decide: {hit: 90%}, calls: [b]}
      b: {operations: {x: {calls: []}}}
    """
    settings = resolve_in(text, "b", FAULTS="error(503, 5%, when=hit)")
    assert list(settings.decisions["x"]) == ["hit"]
    [problem] = refusal_of(resolve_in, text, "b", FAULTS="error(503, 5%, when=hitt)")
    assert problem.startswith("flag --faults: FAULTS: no stage decides 'hitt' before a message gets here")
    assert "did you mean `hit`?" in problem


def test_a_fault_of_an_instance_that_does_not_exist_is_refused():
    """A flag's fault is checked against the file's instances as the file's own faults are."""
    assert refusal_of(resolve_in, SHOP, "front", FAULTS="reset(1%, instance=4)") == [
        "flag --faults: FAULTS: there is no instance 4; there are 3"
    ]
    fault = parse_fault("reset(1%, instance=3)")
    assert resolve_in(SHOP, "front", FAULTS="reset(1%, instance=3)").stage.faults == (fault,)
