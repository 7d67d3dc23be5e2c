"""The contents of the System view."""

import math

import pytest

from simulator.console.metrics.figures import CallFigures, StageFigures
from simulator.console.reported.figures import OwnFigures
from simulator.console.reported.percentiles import Percentile
from simulator.console.system.external import ExternalFigures, ExternalServices
from simulator.console.system.picture import Edge, NodeState, picture, state_of
from simulator.topology.kinds import Kind
from simulator.topology.model import Role, Stage, Topology
from simulator.topology.steps import Call, Parallel

WELL = {"rate_per_second": 20.0, "error_ratio": 0.0, "queue_capacity": 64.0, "workers": 8.0}

GONE = "nothing is listening there"


def figures(**changes):
    return StageFigures(**{**WELL, **changes})


def topology(**calls):
    """Return a topology of injector -> parse -> archive, or of the given calls."""
    wanted = calls or {"injector": ("parse",), "parse": ("archive",), "archive": ()}
    roles = {"injector": Role.INJECTOR, "archive": Role.TERMINATOR}
    stages = {
        name: Stage(role=roles.get(name, Role.PROCESSOR), calls=tuple(Call(to=to) for to in called))
        for name, called in wanted.items()
    }
    return Topology(name="test", stages=stages)


def calling(called, rate, error_ratio=0.0):
    return figures(calls={called: CallFigures(rate, error_ratio)})


def test_services_that_report_about_themselves_are_there_too():
    """With their own figures where there are no spans to count their requests, and in words what is known of them."""
    traced = ExternalServices(services={"bank": ExternalFigures(2.0, 0.1, 0.2, 0.0)})
    own = OwnFigures(3.0, 0.3, Percentile(0.3), Percentile(0.4), 0.5, 60.0)
    found = picture(topology(), {}, traced, {"bank": own, "shop": own, "logger": None, "idle": OwnFigures()})
    nodes = {node.name: node for node in found.nodes if node.is_external}
    assert list(nodes) == ["bank", "idle", "logger", "shop"]
    assert (nodes["bank"].figures, nodes["bank"].own, nodes["bank"].has_spans) == (traced.services["bank"], own, True)
    assert nodes["shop"].figures == ExternalFigures(3.0, 0.3, 0.4, 0.5)
    assert (nodes["shop"].has_spans, nodes["shop"].state, nodes["shop"].reason) == (
        False,
        NodeState.DEGRADED,
        "50 % errors",
    )
    assert [(nodes[name].state, nodes[name].reason) for name in ("idle", "logger")] == [
        (NodeState.IDLE, "no messages"),
        (NodeState.IDLE, "no spans"),
    ]


def test_the_number_of_external_services_has_a_bound():
    """Those with spans first; a picture with more would be unreadable."""
    traced = ExternalServices(services={f"t{n}": ExternalFigures(2.0, 0.1, 0.2, 0.0) for n in range(48)})
    found = picture(topology(), {}, traced, {f"r{n}": None for n in range(20)})
    names = [node.name for node in found.nodes if node.is_external]
    assert len(names) == 50
    assert {f"t{n}" for n in range(48)} < set(names)


def test_every_stage_is_there_in_the_order_of_the_topology():
    """Each stage is a node with its role, its figures and its state."""
    found = picture(topology(), {"parse": figures()})
    assert [(node.name, node.role, node.is_external) for node in found.nodes] == [
        ("injector", "injector", False),
        ("parse", "processor", False),
        ("archive", "terminator", False),
    ]
    assert found.nodes[1].figures == figures()
    assert [node.state for node in found.nodes] == [NodeState.IDLE, NodeState.OK, NodeState.IDLE]


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, NodeState.OK, ""),
        ({"rate_per_second": 0.0}, NodeState.IDLE, "no messages"),
        ({"rate_per_second": math.nan, "error_ratio": math.nan}, NodeState.IDLE, "no messages"),
        ({"rate_per_second": 0.0, "in_flight": 2.0}, NodeState.OK, ""),  # they hang, and are not handled yet
        ({"up": 0}, NodeState.DEAD, "it does not answer"),
        ({"up": 0, "instances": 3}, NodeState.DEAD, "no instance answers"),
        ({"up": 0, "why_down": GONE}, NodeState.DEAD, "it does not answer (nothing is listening there)"),
        (
            {"up": 0, "instances": 3, "why_down": GONE},
            NodeState.DEAD,
            "no instance answers (nothing is listening there)",
        ),
        ({"up": 0, "is_awaited": True, "why_down": GONE}, NodeState.IDLE, "not up yet"),
        ({"up": 1, "instances": 2}, NodeState.DEGRADED, "1 of 2 instances down"),
        ({"up": 1, "instances": 2, "why_down": GONE}, NodeState.DEGRADED, "1 of 2 instances down"),
        ({"error_ratio": 0.12}, NodeState.DEGRADED, "12 % errors"),
        ({"error_ratio": 0.05}, NodeState.DEGRADED, "5 % errors"),
        ({"error_ratio": 0.049}, NodeState.OK, ""),
        ({"queue_depth": 64.0}, NodeState.DEGRADED, "queue full"),
        ({"queue_depth": 52.0}, NodeState.DEGRADED, "queue 81 % full"),
        ({"queue_depth": 51.0}, NodeState.OK, ""),
        ({"queue_capacity": 0.0}, NodeState.OK, ""),  # there is no queue, so it is not full
        ({"missed_per_second": 2.5}, NodeState.DEGRADED, "2.5 messages/s missed"),
        ({"up": 1, "instances": 2, "error_ratio": 0.5}, NodeState.DEGRADED, "1 of 2 instances down; 50 % errors"),
        ({"up": 1, "instances": 2, "rate_per_second": 0.0}, NodeState.DEGRADED, "1 of 2 instances down"),
    ],
)
def test_the_state_of_a_stage_and_its_reason(changes, state, reason):
    """A stage is dead, degraded, idle or healthy, and the reason says everything that is wrong."""
    assert state_of(figures(**changes)) == (state, reason)


def test_every_call_is_an_edge_once():
    """A stage that is called twice, even within a group, has one edge, with its caller's counters."""
    stages = topology().stages
    twice = (Call(to="archive"), Parallel(parallel=(Call(to="archive"),)))
    system = Topology(name="test", stages={**stages, "parse": Stage(calls=twice)})
    found = picture(system, {"injector": calling("parse", 20.0), "parse": calling("archive", 40.0, 0.25)})
    assert [(edge.caller, edge.called) for edge in found.edges] == [("injector", "parse"), ("parse", "archive")]
    assert found.edges[1] == Edge("parse", "archive", 40.0, 0.25, 1.0, False)


def test_edges_are_as_thick_as_their_traffic():
    """The busiest call has 1, one without traffic or with unknown traffic has 0, and thickness grows slowly."""
    system = topology(a=("b",), b=("c",), c=("d",), d=("e",), e=())
    rates = {"a": calling("b", 1000.0), "b": calling("c", 100.0), "c": calling("d", 0.0)}
    edges = picture(system, rates).edges
    assert [round(edge.weight, 2) for edge in edges] == [1.0, 0.67, 0.0, 0.0]
    assert math.isnan(edges[3].rate_per_second)


def test_without_any_traffic_all_edges_are_thin():
    """Zero is not divided by zero."""
    assert [edge.weight for edge in picture(topology(), {}).edges] == [0.0, 0.0]


def test_external_services_and_calls_come_after_the_systems_own():
    """An external service is a node by its name, degraded if it fails, with the calls to and from it."""
    external = ExternalServices(
        {
            "web": ExternalFigures(2.0, 0.1, 0.2, 0.0),
            "bank": ExternalFigures(1.0, 0.1, 0.2, 0.3),
            "quiet": ExternalFigures(math.nan, 0.1, 0.2, 0.0),
        },
        {("web", "parse"): CallFigures(2.0, 0.0), ("parse", "archive"): CallFigures(9.0, 0.0)},
    )
    found = picture(topology(), {"parse": calling("archive", 20.0)}, external)
    assert [(node.name, node.role, node.is_external, node.state, node.reason) for node in found.nodes[3:]] == [
        ("bank", "external", True, NodeState.DEGRADED, "30 % errors"),
        ("quiet", "external", True, NodeState.IDLE, "no messages"),
        ("web", "external", True, NodeState.OK, ""),
    ]
    assert [(edge.caller, edge.called, edge.rate_per_second, edge.is_external) for edge in found.edges[1:]] == [
        ("parse", "archive", 20.0, False),
        ("web", "parse", 2.0, True),
    ]


SHOP = Topology(
    name="shop",
    stages={
        "cart": Stage(calls=(Call(to="orders"), Call(to="bank"))),
        "till": Stage(calls=(Call(to="bank"),)),
        "orders": Stage(kind=Kind.DATABASE, system="postgresql"),
        "bank": Stage(kind=Kind.EXTERNAL, url="http://127.0.0.1:9000"),
    },
)


def test_a_node_is_of_its_stage_s_kind():
    """A service is called by its role, and anything else by its kind; a database has its product."""
    nodes = picture(SHOP, {}).nodes
    assert [(node.name, node.noun, node.kind, node.product, node.is_external) for node in nodes] == [
        ("cart", "processor", Kind.SERVICE, "", False),
        ("till", "processor", Kind.SERVICE, "", False),
        ("orders", "database", Kind.DATABASE, "postgresql", False),
        ("bank", "external", Kind.EXTERNAL, "", True),
    ]


def test_a_service_at_a_url_is_shown_by_what_its_callers_count():
    """Without any spans: its rate and errors are those of the calls to it, and its durations are unknown."""
    calling_it = {"cart": calling("bank", 3.0, 0.0), "till": calling("bank", 1.0, 0.4)}
    found = picture(SHOP, calling_it)
    bank = found.nodes[-1]
    assert (bank.name, bank.state, bank.reason) == ("bank", NodeState.DEGRADED, "10 % errors")
    assert bank.figures.rate_per_second == 4.0
    assert math.isnan(bank.figures.p50_seconds)
    assert [(edge.caller, edge.called, edge.is_external) for edge in found.edges] == [
        ("cart", "orders", False),
        ("cart", "bank", True),
        ("till", "bank", True),
    ]
    traced = ExternalServices({"bank": ExternalFigures(9.0, 0.1, 0.2, 0.0)})
    seen = picture(SHOP, calling_it, traced).nodes[-1].figures
    assert seen == ExternalFigures(4.0, 0.1, 0.2, bank.figures.error_ratio)
    assert picture(SHOP, {}).nodes[-1].state is NodeState.IDLE


def test_a_stage_that_has_never_answered_is_awaited_and_not_dead():
    """While a run starts, a stage that has not answered yet is idle, and says so."""
    assert state_of(StageFigures(instances=2, up=0, is_awaited=True)) == (NodeState.IDLE, "not up yet")
    assert state_of(StageFigures(instances=2, up=0)) == (NodeState.DEAD, "no instance answers")
