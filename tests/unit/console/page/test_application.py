"""The page as a browser gets it: its layout, its requests, and that nothing comes from elsewhere."""

from __future__ import annotations

import json
import re

import flask
import pytest

from simulator.console.page.application import make_page
from simulator.console.page.system_view import whole_charts
from simulator.telemetry.record import Outcome
from tests.support.components import ids
from tests.support.consoled import answers_for
from tests.support.controlled import Scripted, served
from tests.support.fake_time import UNIX_START
from tests.support.otlp import START, request, span, trace_hex

NOW_MS = (UNIX_START * 10**9 - START) / 1e6
SCRIPT = '"><script>alert(1)</script>'
FACTS = {"stage": "parse", "delay": "constant(10ms)", "faults": [], "workers": 8, "queue": 64}


class Page:
    """A page, and the requests that a browser would send for it."""

    def __init__(self, run, addresses=None, may=True):
        server = flask.Flask("page", static_folder=None)
        self.answers = answers_for(run, addresses, lambda: may)
        self.app = make_page(server, self.answers)
        self.client = server.test_client()
        self.dependencies = self.client.get("/_dash-dependencies").get_json()

    def ask(self, output, changed, **values):
        """Make the request of the callback that fills `output`; values are by id, with - as _, and property."""
        [found] = [one for one in self.dependencies if output in one["output"]]
        places = [self.filled(place, values) for place in (*found["inputs"], *found["state"])]
        named = found["output"].strip(".").split("...") if found["output"].startswith("..") else [found["output"]]
        outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in named]
        body = {
            "output": found["output"],
            "outputs": outputs if found["output"].startswith("..") else outputs[0],
            "inputs": places[: len(found["inputs"])],
            "state": places[len(found["inputs"]) :],
            "changedPropIds": [changed],
        }
        return self.client.post("/_dash-update-component", json=body)

    @staticmethod
    def filled(place, values):
        return {**place, "value": values.get(f"{place['id']}.{place['property']}".replace("-", "_"))}

    def apply(self, number, typed, clicks=1):
        """Press a stage's button."""
        [found] = [one for one in self.dependencies if "result" in one["output"]]
        result, button = {"type": "result", "stage": number}, {"type": "apply", "stage": number}
        boxes = [{"type": "control", "stage": number, "key": key} for key in typed]

        def every(prop, values):
            return [{"id": box, "property": prop, "value": value} for box, value in zip(boxes, values, strict=True)]

        body = {
            "output": found["output"],
            "outputs": [{"id": result, "property": "children"}, {"id": result, "property": "className"}],
            "inputs": [{"id": button, "property": "n_clicks", "value": clicks}, every("n_submit", [0] * len(boxes))],
            "state": [
                every("value", typed.values()),
                every("id", boxes),
                {"id": button, "property": "id", "value": button},
            ],
            "changedPropIds": [json.dumps(button, sort_keys=True, separators=(",", ":")) + ".n_clicks"],
        }
        return self.client.post("/_dash-update-component", json=body)


def said_nothing(answer):
    """Return whether a callback left everything on the page as it is."""
    return answer.status_code == 204 or not answer.get_json()["response"]


@pytest.fixture
def page(run):
    """Return its page."""
    return Page(run)


def test_the_page_comes_from_here_alone(page):
    """No script, style, picture or font is fetched from another place, and its title is the run's."""
    html = page.client.get("/").get_data(as_text=True)
    assert "<title>pipeline - Web service simulator</title>" in html
    places = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert [place for place in places if not place.startswith(("/", "data:"))] == []
    assert [place for place in places if place.startswith("//")] == []
    assert any("console.js" in place for place in places) and any("console.css" in place for place in places)


def test_every_script_and_style_is_there(page):
    """Each file that the page names exists."""
    html = page.client.get("/").get_data(as_text=True)
    for place in re.findall(r'<(?:script src|link rel="stylesheet" href)="(/[^"]*)"', html):
        with page.client.get(place) as answer:
            assert answer.status_code == 200, place


@pytest.mark.parametrize("path", ["/traces", "/stages/parse", "/controls"])
def test_every_view_can_be_opened_by_its_address(page, path):
    """An address that was kept or sent to somebody gives the page."""
    answer = page.client.get(path)
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")


def test_the_policy_can_name_the_inline_scripts(page):
    """The page gives a hash for each inline script."""
    assert all(digest.startswith("'sha256-") for digest in page.app.csp_hashes())


def test_whatever_a_callback_needs_is_laid_out_somewhere(run, page):
    """No callback asks for or fills an element that neither the frame nor any view has."""
    run.store.add(request(parse=[span(1, 1)], bank=[span(1, 2)]))
    views = ["/", "/traces", f"/traces/{trace_hex(1)}", "/stages/parse", "/stages/bank", "/controls"]
    there = {place for place in ids(page.app.layout) if isinstance(place, str)}
    there |= {place for path in views for place in ids(page.answers.view(path, "")[0]) if isinstance(place, str)}
    there |= {place for part in whole_charts() for place in ids(part)}
    named = set()
    for one in page.dependencies:
        outputs = one["output"].strip(".").split("...")
        named |= {name.rsplit(".", 1)[0] for name in outputs} | {
            place["id"] for place in (*one["inputs"], *one["state"])
        }
    assert {name for name in named if not name.startswith("{")} <= there


def test_a_view_is_opened_and_updated(page):
    """The frame asks for the view of its address, and then for the news of it."""
    laid = page.ask("view.children", "place.pathname", **{"place.pathname": "/", "place.search": ""})
    answer = laid.get_json()["response"]
    assert answer["laid"]["data"]["path"] == "/"
    values = {"laid.data": answer["laid"]["data"], "place.pathname": "/", "place.search": ""}
    news = page.ask("news.data", "tick.data", **values).get_json()["response"]["news"]["data"]
    assert news["texts"]["n1-state"] == "no messages"
    again = page.ask("news.data", "tick.data", **values, **{"shown.data": news["version"]})
    assert list(again.get_json()["response"]) == ["answered"]


def test_an_address_that_is_not_there_yet_is_the_system_s(page):
    """Before the browser knows its address there is a view, too."""
    answer = page.ask("view.children", "place.pathname")
    assert answer.get_json()["response"]["laid"]["data"] == {
        "path": "/",
        "search": "",
        "drawing": page.answers.view("/", "")[1]["drawing"],
    }


def test_the_list_is_searched(run, page):
    """What is typed into the fields is the search, and an empty field matches everything."""
    run.store.add(request(parse=[span(1, 1, at_ms=NOW_MS - 9000)], web=[span(2, 1, at_ms=NOW_MS - 8000)]))
    all_of_them = page.ask("rows-found.data", "search-text.value").get_data(as_text=True)
    assert trace_hex(1) in all_of_them and trace_hex(2) in all_of_them
    some = page.ask("rows-found.data", "search-stage.value", **{"search_stage.value": "web"}).get_data(as_text=True)
    assert trace_hex(1) not in some and trace_hex(2) in some


def test_an_open_trace_is_updated(run, page):
    """The view of a trace asks with its address for newer spans."""
    values = {"trace_shown.data": [0, 0], "place.pathname": f"/traces/{trace_hex(1)}", "place.search": ""}
    assert said_nothing(page.ask("trace-box.children", "trace-tick.data", **values))
    run.store.add(request(parse=[span(1, 1)]))
    answer = page.ask("trace-box.children", "trace-tick.data", **values).get_json()["response"]
    assert answer["trace-shown"]["data"] == [1, 0]


def test_a_stage_s_charts_and_lines(run, page):
    """They are those of the stage in the address."""
    run.handle("parse", 5, outcome=Outcome.FAILED)
    run.look(2)
    run.log("parse", timestamp="2026-03-01T12:00:00Z", level="info", event="of-parse")
    answer = page.ask("chart-delay.figure", "charts-tick.data", **{"place.pathname": "/stages/parse"}).get_json()
    assert [curve["name"] for curve in answer["response"]["chart-outcomes"]["figure"]["data"]] == ["failed"]
    assert answer["response"]["delay-note"]["children"].startswith("lognormal(p50=12ms")
    lines = page.ask("lines-found.data", "lines-tick.data", **{"place.pathname": "/stages/parse"})
    assert "of-parse" in lines.get_data(as_text=True)
    whole = page.ask("whole-latency.figure", "whole-tick.data").get_json()["response"]
    assert [curve["name"] for curve in whole["whole-latency"]["figure"]["data"]] == ["p50", "p99"]


def test_a_change_is_applied(run):
    """What is typed reaches the stage, and the result reaches the page."""
    scripted = Scripted(lambda method, patch: (200, FACTS))
    with served(scripted) as address:
        page = Page(run, {**{name: [] for name in run.topology.stages}, "parse": [address]})
        answer = page.apply(1, {"delay": "constant(1s)", "faults": None, "workers": "8"})
    [result] = answer.get_json()["response"].values()
    assert result == {"children": "Changed: delay.", "className": "result good"}
    assert scripted.patches == [{"delay": "constant(1s)"}]


def test_fields_that_were_only_just_created_change_nothing(run):
    """Without a click or a return nothing is asked of a stage."""
    scripted = Scripted(lambda method, patch: (200, FACTS))
    with served(scripted) as address:
        page = Page(run, {**{name: [] for name in run.topology.stages}, "parse": [address]})
        assert said_nothing(page.apply(1, {"delay": "constant(1s)"}, clicks=0))
    assert scripted.asked == []


def test_a_change_without_the_token_is_refused(run):
    """However the request is made, nothing changes."""
    scripted = Scripted(lambda method, patch: (200, FACTS))
    with served(scripted) as address:
        page = Page(run, {**{name: [] for name in run.topology.stages}, "parse": [address]}, may=False)
        answer = page.apply(1, {"delay": "constant(1s)"})
    [result] = answer.get_json()["response"].values()
    assert result["className"] == "result bad" and result["children"].startswith("The token is needed")
    assert scripted.asked == []


def test_text_from_outside_is_not_in_the_html(run, page):
    """Texts come as JSON and are inserted as texts; the document itself has none of them."""
    run.store.add(request(**{SCRIPT: [span(1, 1, name=SCRIPT, at_ms=NOW_MS)]}))
    run.look(5)
    for path in ("/", "/traces", f"/traces/{trace_hex(1)}", f"/stages/{SCRIPT}", f"/?{SCRIPT}"):
        assert "alert(1)" not in page.client.get(path).get_data(as_text=True)
    answer = page.ask("view.children", "place.pathname", **{"place.pathname": "/", "place.search": ""})
    assert answer.content_type == "application/json"
    assert SCRIPT in json.dumps(answer.get_json(), ensure_ascii=False).replace('\\"', '"')


ODD = [["a"], {"a": 1}, 5, True, "x" * 100_000]


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("place", ["text", "stage", "longer", "shorter"])
def test_a_search_of_any_kind_hurts_nothing(page, place, value):
    """Whatever is sent in place of typed text is ignored or too long, and never an error of the server."""
    answer = page.ask("rows-found.data", f"search-{place}.value", **{f"search_{place}.value": value})
    assert answer.status_code == 200
    assert len(answer.data) < 20_000


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("place", ["place.pathname", "place.search", "laid.data", "shown.data"])
def test_an_address_of_any_kind_hurts_nothing(page, place, value):
    """The same for the address of a view, and for what the page says that it shows."""
    assert page.ask("view.children", place, **{place: value}).status_code == 200
    assert page.ask("news.data", place, **{place: value}).status_code in (200, 204)


@pytest.mark.parametrize("value", ODD)
def test_a_change_of_any_kind_hurts_nothing(run, page, value):
    """A value of another type is ignored; one that is too long is refused with the bound, and no stage is asked."""
    answer = page.apply(1, {"delay": value})
    [result] = answer.get_json()["response"].values()
    assert result["className"] == "result bad"
    if isinstance(value, str):
        assert result["children"] == "delay: 100,000 characters; at most 4,000 are read"


@pytest.mark.parametrize("number", [-1, 99, "1", None, [1], {"a": 1}])
def test_a_change_of_an_unknown_stage(page, number):
    """Whatever is sent as the number of a stage, it is an error in words."""
    [result] = page.apply(number, {"delay": "constant(1s)"}).get_json()["response"].values()
    assert result == {"children": "There is no such stage.", "className": "result bad"}
