"""The view of the system."""

from __future__ import annotations

import math

import pytest

from simulator.console.metrics.figures import CallFigures, StageFigures
from simulator.console.page.drawing import draw
from simulator.console.page.news import News
from simulator.console.page.paths import stage_path
from simulator.console.page.system_view import CHARTS, system_view, update_system, whole_charts
from simulator.console.system.external import ExternalFigures, ExternalServices
from simulator.console.system.picture import picture
from simulator.telemetry.end_to_end import NO_FIGURES, Whole, WholeFigures
from simulator.telemetry.standing import StageSnapshot
from simulator.topology.model import Stage, Topology
from simulator.topology.steps import Call
from tests.support.components import addresses, assert_harmless, by_id, ids, of_class, size_of, text_of, texts
from tests.support.watched import shipped

NAN = math.nan
WHOLE = StageSnapshot(
    rate_per_second=20.12,
    p50_seconds=0.0123,
    p95_seconds=0.05,
    p99_seconds=1.25,
    in_flight=1234,
    queue_depth=0,
    outcomes={},
)
NO_REQUESTS = Whole(every=NO_FIGURES, requests={"parse": NO_FIGURES})
WELL = StageFigures(
    rate_per_second=20.0,
    p50_seconds=0.0123,
    p99_seconds=1.25,
    error_ratio=0.0,
    workers=8.0,
    workers_busy=2.0,
    queue_capacity=64.0,
    queue_depth=16.0,
    delay="constant(10ms)",
    calls={"enrich": CallFigures(20.0, 0.25)},
)
FAILING = StageFigures(rate_per_second=1.0, error_ratio=0.5)
DEAD = StageFigures(up=0)
NASTY = ["javascript:alert(1)", '"><script>alert(1)</script>', "//evil.example/", "a b/c?d#e"]


def laid(system, figures=None, external=None, requests=NO_REQUESTS):
    drawn = picture(system, figures or {}, external or ExternalServices())
    drawing = draw(drawn)
    news = News(None)
    update_system(news, drawn, WHOLE, requests, drawing)
    return system_view(drawn, WHOLE, requests, drawing), news


def external_of(*names, calls=()):
    return ExternalServices({name: ExternalFigures(1.0, 0.1, 0.2, 0.0) for name in names}, dict(calls))


@pytest.mark.parametrize("name", ["pipeline", "checkout", "deep-chain", "canary"])
def test_every_stage_has_its_card(name):
    """Each stage of a system has a card with its name and role, which links to it."""
    system = shipped(name)
    view, _ = laid(system)
    cards = of_class(view, "card")
    assert [card.href for card in cards] == [f"/stages/{stage}" for stage in system.stages]
    for card, (stage, model) in zip(cards, system.stages.items(), strict=True):
        assert texts(card)[:2] == [stage, model.role]
    assert_harmless(view)


def test_every_update_has_its_element():
    """No update is for an element that does not exist, and no id is used twice."""
    view, news = laid(shipped("checkout"), external=external_of("web"))
    places = ids(view)
    assert len(set(places)) == len(places)
    assert {*news.texts, *news.kinds, *news.widths, *news.titles} <= set(places)
    assert set(CHARTS) <= {place for part in whole_charts() for place in ids(part)}


def test_a_large_system_has_brief_cards():
    """From 200 stages on a card is one component, and its name, rate, p99 and state are news for the script."""
    names = [f"s{number}" for number in range(1, 250)]
    stages = {name: Stage() for name in names} | {"s0": Stage(calls=tuple(Call(to=name) for name in names))}
    view, news = laid(Topology(name="large", stages=stages), {"s1": WELL, "s2": FAILING})
    places = ids(view)
    assert {*news.kinds, *news.widths, *news.titles} <= set(places)
    cards = of_class(view, "card")
    assert [(card.id, card.href, card.children) for card in cards[:2]] == [
        ("n0", "/stages/s1", ""),
        ("n1", "/stages/s2", ""),
    ]
    assert len(cards) == 250
    said = {place.removeprefix("n1-"): text for place, text in news.texts.items() if place.startswith("n1-")}
    assert said == {"name": "s2", "rate": said["rate"], "p99": said["p99"], "state": "50 % errors"}
    assert [news.texts[f"n0-{field}"] for field in ("name", "rate", "p99", "state")] == ["s1", "20.0/s", "1.25s", ""]


def test_what_a_card_says():
    """Rate, percentiles, errors, workers, queue and delay are those of the stage."""
    _, news = laid(shipped(), {"parse": WELL})
    said = {place.removeprefix("n1-"): text for place, text in news.texts.items() if place.startswith("n1-")}
    assert said == {
        "state": "",
        "rate": "20.0/s",
        "p50": "12.3ms",
        "p99": "1.25s",
        "errors": "0 %",
        "busy": "2 of 8",
        "queue": "16 of 64",
        "delay": "constant(10ms)",
    }
    assert (news.widths["n1-busy-bar"], news.widths["n1-queue-bar"]) == (25.0, 25.0)
    assert (news.kinds["n1"], news.titles["n1"]) == ("card ok", "parse: well")


def test_unknown_figures():
    """Before the first figures every card has its dashes, and bars without a bound are empty."""
    view, news = laid(shipped())
    assert {news.texts[f"n1-{key}"] for key in ("rate", "p50", "p99", "errors")} == {"-"}
    assert (news.texts["n1-busy"], news.widths["n1-busy-bar"], news.widths["n1-queue-bar"]) == ("0 of 0", 0.0, 0.0)
    assert text_of(by_id(view, "verdict")) == "Waiting for the first figures."


def test_what_is_wrong_stands_out():
    """A dead stage and one that fails are of a kind of their own, and the verdict names them, the worst first."""
    _, news = laid(shipped(), {"parse": FAILING, "enrich": DEAD})
    assert (news.kinds["n1"], news.kinds["n2"]) == ("card degraded", "card dead")
    assert (news.texts["n1-state"], news.texts["n2-state"]) == ("50 % errors", "DEAD, it does not answer")
    assert news.texts["verdict"] == "enrich: DEAD, it does not answer; parse: 50 % errors"
    assert news.kinds["verdict"] == "verdict dead"
    assert news.titles["n2"] == "enrich: DEAD, it does not answer"


def test_a_stage_that_fails_is_not_dead():
    """If none is dead the verdict is milder."""
    assert laid(shipped(), {"parse": FAILING})[1].kinds["verdict"] == "verdict degraded"


def test_all_is_well():
    """If nothing is wrong, the verdict says so."""
    _, news = laid(shipped(), {"parse": WELL})
    assert (news.texts["verdict"], news.kinds["verdict"]) == ("All is well.", "verdict ok")


def test_the_whole_has_figures():
    """The messages received, the time from end to end, and the messages in flight."""
    _, news = laid(shipped())
    told = [news.texts[f"sum-{key}"] for key in ("in", "p50", "p99", "inside")]
    assert told == ["20.1/s", "12.3ms", "1.25s", "1,234"]


def test_each_kind_of_request_has_figures():
    """A row for each, and for accepted work; where there is one kind only the chart says it all."""
    read = WholeFigures(rate_per_second=18.04, p50_seconds=0.0021, p95_seconds=0.008, p99_seconds=0.0305)
    kinds = {"cart.read": read, "cart.pay": NO_FIGURES}
    view, news = laid(shipped(), requests=Whole(every=read, requests=kinds, accepted={"mail": read}))
    rows = [[text_of(cell) for cell in row.children] for row in rows_of_requests(view)]
    assert rows == [
        ["cart.read", "18.0/s", "2.10ms", "8.00ms", "30.5ms"],
        ["cart.pay", "-", "-", "-", "-"],
        ["accepted by mail", "18.0/s", "2.10ms", "8.00ms", "30.5ms"],
    ]
    assert (news.texts["request-0-p99"], news.texts["request-2-rate"]) == ("30.5ms", "18.0/s")
    assert not of_class(laid(shipped())[0], "operations")
    many = {f"shop.op-{number}": read for number in range(50)}
    view, _ = laid(shipped(), requests=Whole(every=read, requests=many))
    assert len(list(rows_of_requests(view))) == 40
    assert "and 10 more: the report of the run has all" in texts(view)


def rows_of_requests(view):
    (panel,) = of_class(view, "operations")
    _head, body = of_class(panel, "rows")[0].children.children
    return body.children


def test_a_verdict_is_never_long():
    """Sixty dead stages do not fill the page."""
    system = shipped("checkout")
    _, news = laid(system, dict.fromkeys(system.stages, DEAD), external_of(*(f"{'x' * 60}{n}" for n in range(20))))
    assert len(news.texts["verdict"]) <= 400


def test_every_call_is_a_line():
    """The lines are those of the picture, in its order, as they run on this drawing."""
    _, news = laid(shipped(), {"parse": WELL})
    assert [(line["id"], line["label"], line["kind"]) for line in news.edges] == [
        ("e0", "", "quiet"),
        ("e1", "25 %", "bad"),
        ("e2", "", "quiet"),
    ]
    assert all(line["d"].startswith("M") for line in news.edges)


def test_the_lines_belong_to_the_drawing():
    """The page finds out by the name whether the lines belong to its drawing."""
    view, news = laid(shipped())
    edges = by_id(view, "edges").to_plotly_json()["props"]
    assert (edges["data-drawing"], edges["aria-hidden"]) == (news.drawing, "true")


def test_the_canvas_holds_all_cards():
    """It is as wide and high as the cards need."""
    view, _ = laid(shipped("checkout"))
    canvas = by_id(view, "canvas").style
    for card in of_class(view, "card"):
        for start, length in (("left", "width"), ("top", "height")):
            pixels = [float(card.style[side].removesuffix("px")) for side in (start, length)]
            assert pixels[0] >= 0 and sum(pixels) <= float(canvas[length].removesuffix("px")) + 1


def test_an_external_service_has_a_smaller_card():
    """An external service has neither a delay nor workers; its card leads to what is known of it."""
    view, news = laid(shipped(), external=external_of("web", calls={("web", "parse"): CallFigures(1.0, 0.0)}))
    card = by_id(view, "n4")
    assert (card.href, card.className) == ("/stages/web", "card ok external kind-external")
    assert [part for part in ids(card) if part.endswith(("-busy", "-queue", "-delay"))] == []
    assert (news.texts["n4-p99"], news.edges[-1]["kind"]) == ("200ms", "external")


@pytest.mark.parametrize("name", NASTY)
def test_an_external_name_is_text(name):
    """Whatever a service calls itself stands there as its name, and leads to its own view."""
    view, news = laid(shipped(), external=external_of(name))
    assert_harmless(view)
    assert name in texts(view)
    assert stage_path(name) in addresses(view)
    assert not {"<", '"'} & set("".join([*news.texts, *news.kinds, *news.kinds.values(), news.drawing]))


def test_a_long_name_is_cut():
    """A name of any length takes a line of a card, and of what is shown on top of it."""
    view, news = laid(shipped(), external=external_of("x" * 5000))
    assert max(map(len, texts(view))) <= 200
    assert max(map(len, news.titles.values())) <= 400


def test_the_news_of_sixty_stages_are_small():
    """The news of a large system take at most a few kilobytes per stage: they are sent twice a second."""
    view, news = laid(shipped("checkout"), external=external_of(*(f"service-{number}" for number in range(60))))
    assert by_id(view, "n30").className.endswith("compact")
    assert size_of(news.as_plain()) < 100_000
