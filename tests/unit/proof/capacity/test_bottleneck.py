"""What a bottleneck is called, by the figures of a probe."""

from __future__ import annotations

import pytest

from simulator.proof.capacity.bottleneck import BottleneckKind, MachineLoad, bottleneck, machine_limit, overhead_limit
from simulator.proof.capacity.figures import ProbeFigures, StageWork
from tests.support.virtual import topology_of

TOPOLOGY = topology_of(
    {
        "users": {"role": "injector", "load": {"rate": "10/s"}, "calls": ["front"]},
        "front": {"workers": 10, "calls": ["db"]},
        "db": {"workers": 4, "queue": 7, "rate_limit": "30/s"},
    }
)
FREE = MachineLoad(cores=2, busy_ratio=0.5)


def figures(messages=1000, late=0, **loads):
    """Return figures of 1,000 messages; each load is {field: sum}, with as many visits if nothing else is said."""
    made = ProbeFigures(TOPOLOGY, 0.0, 10.0)
    made.messages, made.late = messages, late
    for name, load in loads.items():
        made.loads[name] = StageWork(**{"visits": messages, **load})
    return made


def test_workers_are_the_bottleneck_of_a_stage_that_has_none_left():
    """4 workers with 40 ms for each of 100 messages per second are all busy."""
    found = bottleneck(TOPOLOGY, figures(db={"held_seconds": 40.0}, front={"held_seconds": 5.0}), 100.0)
    assert (found.limit, found.stage) == (BottleneckKind.WORKERS, "db")
    assert found.why == "its 4 workers are 100% busy, 40.0ms with each message"


def test_the_part_of_the_machine_in_what_a_message_takes_is_told():
    """Of 40 ms with each message 0.8 ms is overhead, without which the rate would be 2 % higher."""
    found = bottleneck(TOPOLOGY, figures(db={"held_seconds": 40.0, "overhead_seconds": 0.8}), 100.0)
    assert found.why.endswith("40.0ms with each message, of which 800µs is overhead of this machine")


def test_a_stage_that_waits_for_another_is_not_the_bottleneck():
    """The front's workers are all taken by messages that wait for the database; by themselves they would be free."""
    loads = figures(db={"held_seconds": 40.0}, front={"held_seconds": 400.0})
    assert bottleneck(TOPOLOGY, loads, 100.0, {"db": 0.04, "front": 0.05}).stage == "db"
    assert bottleneck(TOPOLOGY, loads, 100.0, {"db": 0.04, "front": 0.099}).stage == "db"


def test_a_stage_that_is_busy_by_itself_is_the_bottleneck_although_what_it_calls_is_busy_too():
    """Where nothing waited yet, the front took 11 % more of its workers than it has, the database 96 % of its own."""
    loads = figures(db={"held_seconds": 38.4}, front={"held_seconds": 400.0})
    assert bottleneck(TOPOLOGY, loads, 100.0, {"db": 0.0384, "front": 0.111}).stage == "front"


@pytest.mark.parametrize(
    ("loads", "limit", "stage", "said"),
    [
        (
            {"db": {"rejected": 50, "rate_limited": 50, "held_seconds": 5.0}},
            BottleneckKind.RATE_LIMIT,
            "db",
            "30/s refuses 5.0%",
        ),
        (
            {"db": {"rejected": 50, "held_seconds": 20.0}},
            BottleneckKind.QUEUE,
            "db",
            "queue of 7 is full for 5.0% of its messages",
        ),
        (
            {"db": {"held_seconds": 20.0, "waited_seconds": 10.0}},
            BottleneckKind.WORKERS,
            "db",
            "wait 10.0ms on average",
        ),
        ({"db": {"held_seconds": 20.0}}, BottleneckKind.DELAYS, "", "nothing waits"),
        ({"users": {"rejected": 20}}, BottleneckKind.INJECTOR, "users", "2.0% of its messages can't be sent"),
    ],
)
def test_every_kind_of_limit_is_named_with_its_evidence(loads, limit, stage, said):
    found = bottleneck(TOPOLOGY, figures(**loads), 100.0)
    assert (found.limit, found.stage) == (limit, stage)
    assert said in found.why


def test_a_breaker_is_named_if_no_stage_is_busy():
    made = figures(front={"held_seconds": 5.0})
    made.loads["front"].calls["db"], made.loads["front"].stopped_by_breaker["db"] = 1000, 100
    found = bottleneck(TOPOLOGY, made, 100.0)
    assert (found.limit, found.stage) == (BottleneckKind.BREAKER, "front")
    assert found.why == "the breaker of its calls to db stops 10.0% of them"


@pytest.mark.parametrize(
    ("made", "machine", "said"),
    [
        (figures(), MachineLoad(cores=2, busy_ratio=0.97), "its 2 cores were 97% busy"),
        (figures(), MachineLoad(cores=1, busy_ratio=0.95), "its only core was 95% busy"),
        (figures(), MachineLoad(cores=2, busy_ratio=0.97, waited_ratio=0.03), "its 2 cores were 97% busy"),
        (
            figures(),
            MachineLoad(cores=2, busy_ratio=0.5, waited_ratio=0.15),
            "a stage waited 15% of the time for a core",
        ),
        (figures(late=11), FREE, "the injector sent 1.1% of the messages at least 50.0ms late"),
    ],
)
def test_a_limit_of_the_machine_is_not_one_of_the_system(made, machine, said):
    """It says so, and that the system's own limit is not known."""
    found = machine_limit(made, machine)
    assert (found.limit, found.stage) == (BottleneckKind.MACHINE, "")
    assert said in found.why and "the system's own limit is not known" in found.why


@pytest.mark.parametrize(("busy_ratio", "waited_ratio"), [(0.94, None), (0.94, 0.14), (1.0, 0.02), (None, None)])
def test_a_machine_with_room_is_not_to_blame(busy_ratio, waited_ratio):
    """Nor is one whose other programs give way at once, or of which nothing is known if the injector is in time."""
    machine = MachineLoad(cores=2, busy_ratio=busy_ratio, waited_ratio=waited_ratio)
    assert machine_limit(figures(late=10), machine) is None


def test_the_overhead_of_a_stage_is_the_machine_s():
    """Workers that are busy with more than a tenth of overhead would be free on a faster machine."""
    made = figures(db={"held_seconds": 40.0, "overhead_seconds": 4.1})
    assert overhead_limit(made, "db").limit is BottleneckKind.MACHINE
    assert overhead_limit(figures(db={"held_seconds": 40.0, "overhead_seconds": 4.0}), "db") is None
