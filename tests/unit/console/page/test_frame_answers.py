"""The server's side of the frame."""

from __future__ import annotations

import json

import pytest
from dash import no_update

from simulator.console.traces.forwarding import Forwarder
from simulator.telemetry.otlp_destination import Destination
from tests.support.components import assert_harmless, by_id, ids, of_class, text_of
from tests.support.consoled import answers_for
from tests.support.fake_time import UNIX_START
from tests.support.otlp import START, request, span, trace_hex

NOW_MS = (UNIX_START * 10**9 - START) / 1e6
PATHS = ["/", "/traces", f"/traces/{trace_hex(1)}", "/stages", "/stages/parse", "/controls", "/nothing"]


@pytest.fixture
def answers(run):
    """Return the answers for its page."""
    return answers_for(run)


def ask(answers, path="/", search="", shown=None):
    """Open a view and ask for its news."""
    _, laid = answers.view(path, search)
    return answers.news(path, search, laid, shown)


@pytest.mark.parametrize(
    ("path", "search", "element"),
    [
        ("/", "", "canvas"),
        ("/nothing", "", "canvas"),
        ("/traces", "?stage=parse", "trace-list"),
        (f"/traces/{trace_hex(1)}", "", "trace-box"),
        ("/stages", "", "stage-lines"),
        ("/stages/parse", "", "stage-lines"),
        ("/controls", "", "c3-rate"),
    ],
)
def test_an_address_has_its_view(answers, path, search, element):
    """The view of an address is returned, with data that identifies it."""
    view, laid = answers.view(path, search)
    assert element in ids(view)
    assert_harmless(view)
    assert (laid["path"], laid["search"]) == (path, search)
    assert ("drawing" in laid) == (element == "canvas")


def test_a_stage_in_the_address_is_the_one_that_is_shown(answers):
    """The name is read back as it was quoted."""
    assert by_id(answers.view("/stages/enrich", "")[0], "stage-state") is not None
    assert text_of(of_class(answers.view("/stages/enrich", "")[0], "here")) == "enrich"
    assert text_of(of_class(answers.view("/stages/en%72ich", "")[0], "here")) == "enrich"


def test_a_page_that_is_opened_does_not_wait_for_figures(run, answers):
    """Opening a view makes the next look happen immediately; asking for news keeps figures fresh."""
    _, laid = answers.view("/", "")
    assert len(run.nudges) == 1
    answers.news("/", "", laid, None)
    assert len(run.nudges) == 1
    assert run.watching.due_in_seconds() == 1


@pytest.mark.parametrize("path", PATHS)
def test_news_come_only_when_something_is_new(run, answers, path):
    """What is shown already is not sent again; a new snapshot is sent, and so are new spans."""
    _, laid = answers.view(path, "")
    first, _ = answers.news(path, "", laid, None)
    shown = json.loads(json.dumps(first))["version"]
    assert answers.news(path, "", laid, shown) == (no_update, no_update)
    run.look()
    second, _ = answers.news(path, "", laid, shown)
    assert second["version"] != shown
    run.store.add(request(parse=[span(1, 1)]))
    third, _ = answers.news(path, "", laid, second["version"])
    assert third["texts"]["status-traces"] == "1 trace, 1 span"


def test_the_picture_is_sent_with_new_figures_only(run, answers):
    """A trace that comes in changes the status, and not the cards and lines of the system."""
    _, laid = answers.view("/", "")
    first, _ = answers.news("/", "", laid, None)
    assert first["edges"] and "n0-rate" in first["texts"]
    run.store.add(request(parse=[span(1, 1)]))
    second, _ = answers.news("/", "", laid, first["version"])
    assert (second["edges"], second["kinds"].keys() & {"n0", "n1"}, "n0-rate" in second["texts"]) == ([], set(), False)
    assert second["texts"]["status-traces"] == "1 trace, 1 span"
    run.look()
    third, _ = answers.news("/", "", laid, second["version"])
    assert third["edges"] and "n0-rate" in third["texts"]


def test_news_are_for_the_view_that_is_laid_out(answers):
    """While a view is on its way there is no news for the one before."""
    _, laid = answers.view("/", "")
    assert answers.news("/stages/parse", "", laid, None) == (no_update, no_update)
    assert answers.news("/", "?a=b", laid, None) == (no_update, no_update)
    assert answers.news("/", "", {}, None) == (no_update, no_update)


@pytest.mark.parametrize("path", PATHS)
def test_every_update_has_its_element(answers, path):
    """Whatever the view, news are for elements of it or of the frame."""
    view, _ = answers.view(path, "")
    news, _ = ask(answers, path)
    own = {*news["texts"], *news["kinds"], *news["widths"], *news["titles"]}
    assert {place for place in own if not place.startswith(("status-", "view-"))} <= {
        place for place in ids(view) if isinstance(place, str)
    }


def test_the_news_of_each_view(run, answers):
    """The system all of it, a stage its figures, the controls those of the stages that are shown."""
    run.handle("parse", 0)
    run.look()
    run.handle("parse", 20)
    run.look()
    assert ask(answers, "/")[0]["texts"]["n1-rate"] == "10.0/s"
    assert ask(answers, "/stages/parse")[0]["texts"]["stage-rate"] == "10.0/s"
    assert ask(answers, "/controls")[0]["texts"]["c1-rate"] == "10.0/s"
    chosen = ask(answers, "/controls", "?stage=parse")[0]["texts"]
    assert [key for key in chosen if key.endswith("-rate")] == ["c1-rate"]
    assert [key for key in ask(answers, "/traces")[0]["texts"] if not key.startswith("status")] == []


def test_the_drawing_stays_while_the_nodes_are_the_same(run, answers):
    """Whatever the figures, the drawing that the page has stays valid."""
    _, laid = answers.view("/", "")
    run.down.add("parse")
    run.look()
    news, stale = answers.news("/", "", laid, None)
    assert stale is no_update
    assert news["drawing"] == laid["drawing"]
    assert "dead" in news["kinds"]["n1"]


def test_another_set_of_nodes_makes_the_drawing_stale(run, answers):
    """A new service makes the page open the view again, and then the new drawing is valid."""
    _, laid = answers.view("/", "")
    run.store.add(request(web=[span(1, 1, at_ms=NOW_MS)]))
    run.look(5)
    news, stale = answers.news("/", "", laid, None)
    assert stale == news["drawing"] != laid["drawing"]
    view, again = answers.view("/", "")
    assert (again["drawing"], len(of_class(view, "card"))) == (stale, 5)
    assert answers.news("/", "", again, None)[1] is no_update


def test_only_the_system_has_a_drawing(run, answers):
    """Other views are not opened again when a service appears."""
    _, laid = answers.view("/stages/parse", "")
    run.store.add(request(web=[span(1, 1, at_ms=NOW_MS)]))
    run.look(5)
    assert answers.news("/stages/parse", "", laid, None)[1] is no_update


def test_the_status_of_the_console(run):
    """What it holds and forwards is in the news of every view."""
    forwarder = Forwarder(Destination(endpoint="http://user:secret@collector:4318/v1/traces"))
    run.store.add(request(parse=[span(1, 1), span(0, 2)]))
    news, _ = ask(answers_for(run, forwarder=forwarder), "/traces")
    assert news["texts"]["status-traces"] == "1 trace, 1 span"
    assert news["titles"]["status-traces"] == "refused: 1 span"
    assert news["texts"]["status-forwarding"] == "0 spans forwarded"
    assert news["titles"]["status-forwarding"] == "to http://***@collector:4318/v1/traces"


def test_the_run_has_its_name(run):
    """The name of the topology stands for the run."""
    assert answers_for(run).run_name == "pipeline"


def test_news_are_small(answers):
    """They are sent twice a second to every open page."""
    assert len(json.dumps(ask(answers)[0])) < 8000
