"""What the System view shows."""

import math

import pytest

from simulator.console.metrics.figures import CallFigures, StageFigures
from simulator.console.system.foreign import Foreign, ForeignFigures
from simulator.console.system.picture import Edge, State, picture, state_of
from simulator.topology.model import Call, Parallel, Role, Stage, Topology

WELL = {"rate_per_second": 20.0, "error_ratio": 0.0, "queue_capacity": 64.0, "workers": 8.0}

GONE = "nothing listens there"


def figures(**changes):
    return StageFigures(**{**WELL, **changes})


def topology(**calls):
    """Make a topology of injector -> parse -> archive, or of the calls given."""
    wanted = calls or {"injector": ("parse",), "parse": ("archive",), "archive": ()}
    roles = {"injector": Role.INJECTOR, "archive": Role.TERMINATOR}
    stages = {
        name: Stage(role=roles.get(name, Role.PROCESSOR), calls=tuple(Call(to=to) for to in called))
        for name, called in wanted.items()
    }
    return Topology(name="test", stages=stages)


def calling(called, rate, error_ratio=0.0):
    return figures(calls={called: CallFigures(rate, error_ratio)})


def test_every_stage_is_there_in_the_order_of_the_topology():
    """Each stage is a node with its role, its figures and its state."""
    found = picture(topology(), {"parse": figures()})
    assert [(node.name, node.role, node.is_foreign) for node in found.nodes] == [
        ("injector", "injector", False),
        ("parse", "processor", False),
        ("archive", "terminator", False),
    ]
    assert found.nodes[1].figures == figures()
    assert [node.state for node in found.nodes] == [State.IDLE, State.OK, State.IDLE]


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, State.OK, ""),
        ({"rate_per_second": 0.0}, State.IDLE, "no messages"),
        ({"rate_per_second": math.nan, "error_ratio": math.nan}, State.IDLE, "no messages"),
        ({"rate_per_second": 0.0, "in_flight": 2.0}, State.OK, ""),  # they hang, and have not come to their end
        ({"up": 0}, State.DEAD, "it does not answer"),
        ({"up": 0, "instances": 3}, State.DEAD, "no instance answers"),
        ({"up": 0, "why_down": GONE}, State.DEAD, "it does not answer (nothing listens there)"),
        ({"up": 0, "instances": 3, "why_down": GONE}, State.DEAD, "no instance answers (nothing listens there)"),
        ({"up": 0, "is_awaited": True, "why_down": GONE}, State.IDLE, "not up yet"),
        ({"up": 1, "instances": 2}, State.DEGRADED, "1 of 2 instances gone"),
        ({"up": 1, "instances": 2, "why_down": GONE}, State.DEGRADED, "1 of 2 instances gone"),
        ({"error_ratio": 0.12}, State.DEGRADED, "12 % errors"),
        ({"error_ratio": 0.05}, State.DEGRADED, "5 % errors"),
        ({"error_ratio": 0.049}, State.OK, ""),
        ({"queue_depth": 64.0}, State.DEGRADED, "queue full"),
        ({"queue_depth": 52.0}, State.DEGRADED, "queue 81 % full"),
        ({"queue_depth": 51.0}, State.OK, ""),
        ({"queue_capacity": 0.0}, State.OK, ""),  # there is no room to wait in, and none that is full
        ({"missed_per_second": 2.5}, State.DEGRADED, "2.5 messages/s missed"),
        ({"up": 1, "instances": 2, "error_ratio": 0.5}, State.DEGRADED, "1 of 2 instances gone; 50 % errors"),
        ({"up": 1, "instances": 2, "rate_per_second": 0.0}, State.DEGRADED, "1 of 2 instances gone"),
    ],
)
def test_how_a_stage_is_and_why(changes, state, reason):
    """A stage is dead, hurt, idle or well, and all that is wrong is said in words."""
    assert state_of(figures(**changes)) == (state, reason)


def test_every_call_is_an_edge_once():
    """A stage that is called twice, also within a group, has one edge, with what its caller counts of it."""
    stages = topology().stages
    twice = (Call(to="archive"), Parallel(parallel=(Call(to="archive"),)))
    system = Topology(name="test", stages={**stages, "parse": Stage(calls=twice)})
    found = picture(system, {"injector": calling("parse", 20.0), "parse": calling("archive", 40.0, 0.25)})
    assert [(edge.caller, edge.called) for edge in found.edges] == [("injector", "parse"), ("parse", "archive")]
    assert found.edges[1] == Edge("parse", "archive", 40.0, 0.25, 1.0, False)


def test_edges_are_as_thick_as_their_traffic():
    """The busiest call has 1, one without traffic or of which nothing is known has 0, and thickness grows slowly."""
    system = topology(a=("b",), b=("c",), c=("d",), d=("e",), e=())
    rates = {"a": calling("b", 1000.0), "b": calling("c", 100.0), "c": calling("d", 0.0)}
    edges = picture(system, rates).edges
    assert [round(edge.weight, 2) for edge in edges] == [1.0, 0.67, 0.0, 0.0]
    assert math.isnan(edges[3].rate_per_second)


def test_without_any_traffic_all_edges_are_thin():
    """Nothing is divided by nothing."""
    assert [edge.weight for edge in picture(topology(), {}).edges] == [0.0, 0.0]


def test_foreign_services_and_calls_stand_behind_the_systems_own():
    """A service that is no stage is a node by its name, hurt where it fails, with the calls to and from it."""
    foreign = Foreign(
        {
            "web": ForeignFigures(2.0, 0.1, 0.2, 0.0),
            "bank": ForeignFigures(1.0, 0.1, 0.2, 0.3),
            "quiet": ForeignFigures(math.nan, 0.1, 0.2, 0.0),
        },
        {("web", "parse"): CallFigures(2.0, 0.0), ("parse", "archive"): CallFigures(9.0, 0.0)},
    )
    found = picture(topology(), {"parse": calling("archive", 20.0)}, foreign)
    assert [(node.name, node.role, node.is_foreign, node.state, node.reason) for node in found.nodes[3:]] == [
        ("bank", "foreign", True, State.DEGRADED, "30 % errors"),
        ("quiet", "foreign", True, State.IDLE, "no messages"),
        ("web", "foreign", True, State.OK, ""),
    ]
    assert [(edge.caller, edge.called, edge.rate_per_second, edge.is_foreign) for edge in found.edges[1:]] == [
        ("parse", "archive", 20.0, False),
        ("web", "parse", 2.0, True),
    ]


def test_a_stage_that_was_never_heard_of_is_awaited_and_not_dead():
    """While a run starts, a stage that has not answered yet is idle, and says so."""
    assert state_of(StageFigures(instances=2, up=0, is_awaited=True)) == (State.IDLE, "not up yet")
    assert state_of(StageFigures(instances=2, up=0)) == (State.DEAD, "no instance answers")
