"""The view of a stage."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from simulator.behaviour.values import Fixed
from simulator.console.metrics.figures import OperationFigures, StageFigures
from simulator.console.page.news import News
from simulator.console.page.operations_panel import operations_text, span_name
from simulator.console.page.paths import controls_path, stage_path
from simulator.console.page.stage_view import (
    CHARTS,
    agreement_text,
    figures_text,
    no_spans_text,
    stage_picker,
    stage_view,
    update_stage,
)
from simulator.console.system.external import ExternalFigures
from simulator.console.system.picture import Node, NodeState
from simulator.topology.kinds import Kind
from simulator.topology.model import Method, Operation, Stage
from tests.support.components import addresses, assert_harmless, ids, of_class, text_of, texts

NAMES = ["injector", "parse", "archive"]
STAGES = dict.fromkeys(NAMES, Kind.SERVICE)
PLAIN = Stage()
WELL = StageFigures(
    rate_per_second=20.0,
    p50_seconds=0.0123,
    p99_seconds=1.25,
    error_ratio=0.123,
    workers=8.0,
    workers_busy=2.0,
    queue_capacity=1000.0,
    queue_depth=0.0,
    in_flight=1234.0,
)


def node(state=NodeState.OK, reason="", figures=WELL, name="parse"):
    return Node(name, "processor", False, state, reason, figures)


def told(one):
    news = News(None)
    update_stage(news, one)
    return news


def test_the_view_leads_to_what_belongs_to_it():
    """To the other stages, to the stage's traces and to its controls; the stage that is shown is marked."""
    view = stage_view(STAGES, node(), PLAIN)
    assert_harmless(view)
    assert addresses(view) == [*(f"/stages/{name}" for name in NAMES), "/traces?stage=parse", "/controls?stage=parse"]
    assert [text_of(link) for link in of_class(view, "here")] == ["parse"]


CART = Stage(
    operations={
        "read": Operation(method=Method.GET, path="/carts/{id}"),
        "add": Operation(path="/carts", span="shop.Cart/Add"),
    }
)
OF_CART = {
    "read": OperationFigures(rate_per_second=15.0, p50_seconds=0.01, p99_seconds=0.02, error_ratio=0.0),
    "add": OperationFigures(rate_per_second=5.0, error_ratio=0.25),
}


def test_a_stage_with_operations_has_a_table_of_them():
    """Each has its request, its figures, which have elements for later updates, and links to its delay and traces."""
    shown = node(figures=replace(WELL, operations=OF_CART), name="cart")
    view = stage_view({"cart": Kind.SERVICE}, shown, CART, "add")
    assert_harmless(view)
    (table,) = of_class(view, "operations")
    heads = ["Operations", "operation", "request", "messages", "errors", "p50", "p99"]
    read = ["read", "GET /carts/{id}", "15.0/s", "0 %", "10.0ms", "20.0ms", "Traces"]
    add = ["add", "POST /carts", "5.0/s", "25 %", "-", "-", "Traces"]
    assert texts(table) == [*heads, *read, *add]
    assert addresses(table) == [
        "/stages/cart?operation=read",
        "/traces?stage=cart&operation=GET%20%2Fcarts%2F%7Bid%7D",
        "/stages/cart?operation=add",
        "/traces?stage=cart&operation=shop.Cart%2FAdd",
    ]
    assert [text_of(link) for link in of_class(table, "here")] == ["add"]
    assert set(told(shown).texts) <= set(ids(view))


ORDERS = {"FIND": Operation(attributes={"db.collection.name": Fixed("orders")}), "PING": Operation(span="ping")}


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        (CART, ["GET /carts/{id}", "shop.Cart/Add"]),
        (Stage(kind=Kind.DATABASE, system="mongodb", operations=ORDERS), ["FIND orders", "ping"]),
        (
            Stage(kind=Kind.DATABASE, system="mongodb", operations=ORDERS, server_span=True),
            ["POST /messages", "ping"],
        ),
        (Stage(kind=Kind.EXTERNAL, operations={"pay": Operation(path="/pay")}), ["POST /pay"]),
    ],
)
def test_the_traces_of_an_operation_have_its_span(stage, names):
    """By the name that it has in the stage's own spans; if the stage makes none, in those of its callers."""
    assert [span_name(stage, each) for each in stage.operations] == names


def test_a_stage_without_operations_has_no_table():
    """It looks as it always did."""
    assert of_class(stage_view(STAGES, node(), PLAIN), "operations") == []


def test_every_update_has_its_element():
    """Figures, charts and lines have places of their own."""
    places = ids(stage_view(STAGES, node(), PLAIN))
    assert len(set(places)) == len(places)
    news = told(node())
    assert {*news.texts, *news.kinds, *CHARTS, "delay-note", "stage-lines"} <= set(places)


def test_the_figures():
    """As a person reads them."""
    assert told(node()).texts == {
        "stage-state": "well",
        "stage-rate": "20.0/s",
        "stage-p50": "12.3ms",
        "stage-p99": "1.25s",
        "stage-errors": "12 %",
        "stage-busy": "2 of 8",
        "stage-queue": "0 of 1,000",
        "stage-inside": "1,234",
    }


@pytest.mark.parametrize(
    ("state", "reason", "text", "kind"),
    [
        (NodeState.OK, "", "well", "good"),
        (NodeState.IDLE, "no messages", "no messages", "good"),
        (NodeState.DEGRADED, "queue full", "queue full", "warn"),
        (NodeState.DEAD, "it does not answer", "it does not answer", "bad"),
    ],
)
def test_how_it_is(state, reason, text, kind):
    """In words, and in a colour."""
    news = told(node(state, reason))
    assert (news.texts["stage-state"], news.kinds["stage-state"]) == (text, kind)


def test_an_external_service_has_fewer_figures():
    """It has no workers and no queue."""
    figures = ExternalFigures(1.0, 0.1, math.nan, 0.0)
    assert set(told(node(figures=figures)).texts) == {
        "stage-state",
        "stage-rate",
        "stage-p50",
        "stage-p99",
        "stage-errors",
        "stage-own",
    }
    assert figures_text(figures) == {"rate": "1.0/s", "p50": "100ms", "p99": "-", "errors": "0 %"}


@pytest.mark.parametrize(("path", "first"), [(stage_path, "/stages/a%2Fb"), (controls_path, "/controls?stage=a%2Fb")])
def test_the_links_to_the_stages(path, first):
    """They lead where the view wants them to, names quoted, and none is marked where none is chosen."""
    picker = stage_picker({"a/b": Kind.SERVICE, "c": Kind.CACHE}, "", path)
    assert addresses(picker)[0] == first
    assert texts(picker) == ["a/b", "c"]
    assert of_class(picker, "here") == []
    assert [(text_of(link), link.title) for link in of_class(picker, "kind-cache")] == [("c", "cache")]


def test_a_database_is_called_one():
    """With its product, beside its name."""
    shown = Node("orders", "processor", False, NodeState.OK, "", WELL, Kind.DATABASE, "postgresql")
    assert texts(stage_view({"orders": Kind.DATABASE}, shown, PLAIN))[:3] == [
        "orders",
        "orders",
        "database: postgresql",
    ]


@pytest.mark.parametrize(
    ("gap", "count", "text"),
    [
        (
            0.02,
            2000,
            "constant(1s): over 2,000 messages configured and injected are at most 2.0 % apart, "
            "within sampling error (up to 4.4 %)",
        ),
        (
            0.044,
            2000,
            "constant(1s): over 2,000 messages configured and injected are at most 4.4 % apart, "
            "within sampling error (up to 4.4 %)",
        ),
        (
            0.3,
            2000,
            "constant(1s): over 2,000 messages configured and injected are at most 30 % apart, "
            "more than sampling error (up to 4.4 %)",
        ),
        (math.nan, 2000, "constant(1s): it can't be compared here"),
        (0.0, 0, "constant(1s): no messages yet"),
    ],
)
def test_how_well_configured_and_injected_agree(gap, count, text):
    """In a sentence, with the sampling error."""
    assert agreement_text("constant(1s)", gap, count, 0.044) == text


def test_a_stage_without_a_delay():
    """A stage without a delay has a note, too."""
    assert agreement_text("", math.nan, 0, 1.0) == "no delay: no messages yet"


def test_a_stage_without_spans():
    """The note says where its delays would be read, and how they get there."""
    text = no_spans_text("constant(1s)", "cache")
    assert text.startswith("constant(1s): ") and "a cache has only with `server_span: true`" in text
    assert no_spans_text("", "cache").startswith("no delay: ")


def test_known_figures_are_shown_immediately():
    """The view is opened with the known figures, and a dash only for unknown ones."""
    one = node(NodeState.DEGRADED, "queue full")
    view, news = stage_view(STAGES, one, PLAIN), told(one)
    shown = texts(view)
    assert all(text in shown for text in news.texts.values())
    assert "-" not in shown
    assert "-" in texts(stage_view(STAGES, node(figures=StageFigures()), PLAIN))


def test_a_tooltip_has_ten_operations():
    """A line for each of the first ten, and how many there are beyond."""
    assert operations_text(OF_CART) == "\nread: 15.0/s, p99 20.0ms, 0 % errors\nadd: 5.0/s, p99 -, 25 % errors"
    many = operations_text({f"o{number}": OF_CART["add"] for number in range(12)}).splitlines()
    assert (len(many), many[-1]) == (12, "and 2 more")
    assert operations_text({}) == ""
