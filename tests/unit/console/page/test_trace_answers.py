"""The server's side of the views of the traces."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from dash import no_update

from simulator.behaviour.delays import no_samples
from simulator.console.page.trace_answers import TraceAnswers
from simulator.console.page.traces_view import Search
from simulator.topology.reader import parse_topology
from tests.support.components import assert_harmless, by_id, of_class, text_of, texts
from tests.support.fake_time import UNIX_START
from tests.support.otlp import START, log_record, logs_request, request, span, trace_hex
from tests.support.watched import shipped, watched

NOW_MS = (UNIX_START * 10**9 - START) / 1e6
ID = trace_hex(1)


@pytest.fixture
def run(tmp_path):
    """Return a run of the pipeline."""
    return watched(tmp_path)


@pytest.fixture
def answers(run):
    """Return the answers for its traces."""
    return TraceAnswers(run.watching)


def send(run, trace=1, number=1, service="parse", ago_seconds=5.0, **changes):
    at_ms = NOW_MS + 1000 * (run.time.seconds - ago_seconds)
    run.store.add(request(**{service: [span(trace, number, at_ms=at_ms, **changes)]}))


def found(answer):
    return [row.href.rpartition("/")[2] for row in of_class(answer["rows"], "list-row") if hasattr(row, "href")]


def written_at(unix_seconds):
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def test_the_list_has_what_the_search_asks_for(run, answers):
    """The newest first, by stage, by id and by what was wrong."""
    send(run, 1, ago_seconds=9)
    send(run, 2, service="web", ago_seconds=8, error="")
    send(run, 3, ago_seconds=7, attributes={"simulator.message_id": "order-17"})
    assert found(answers.rows(Search(), None)) == [trace_hex(3), trace_hex(2), trace_hex(1)]
    assert found(answers.rows(Search(stage="parse"), None)) == [trace_hex(3), trace_hex(1)]
    assert found(answers.rows(Search(errors=True), None)) == [trace_hex(2)]
    assert found(answers.rows(Search(text="order-17"), None)) == [trace_hex(3)]


def test_nothing_is_sent_twice(run, answers):
    """The same search again, with no new trace since, gets nothing."""
    send(run)
    asked = answers.rows(Search(), None)["asked"]
    assert answers.rows(Search(), asked) is no_update
    assert found(answers.rows(Search(stage="parse"), asked)) == [ID]
    send(run, 2)
    assert len(found(answers.rows(Search(), asked))) == 2


def test_the_last_trace_comes_to_the_list(run, answers):
    """A single message to a quiet system is in the list as soon as it has settled, though nothing comes after it."""
    send(run, ago_seconds=0.2, ms=10)
    answer = answers.rows(Search(), None)
    assert text_of(answer["rows"]) == "No traces yet."
    run.time.advance(3.0)
    assert found(answers.rows(Search(), answer["asked"])) == [ID]


def test_a_trace_is_found_by_its_id_at_once(run, answers):
    """A search by id does not wait for the trace to settle."""
    send(run, ago_seconds=0.0)
    assert found(answers.rows(Search(text=ID), None)) == [ID]
    assert found(answers.rows(Search(text=ID[:30]), None)) == [ID]


def test_a_wrong_duration_is_reported(answers):
    """Instead of rows there is what is allowed, once."""
    answer = answers.rows(Search(longer="<b>5"), None)
    assert_harmless(answer["rows"])
    assert text_of(answer["rows"]).startswith("'<b>5' is not a duration: write ")
    assert answers.rows(Search(longer="<b>5"), answer["asked"]) is no_update


def test_the_search_is_laid_out_as_its_address_says(run, answers):
    """With the services that there are to choose from."""
    send(run, service="web")
    view = answers.list_view("?stage=web&errors=1")
    assert [option["value"] for option in by_id(view, "search-stage").options] == ["", "web"]
    assert (by_id(view, "search-stage").value, by_id(view, "search-errors").value) == ("web", ["1"])


def run_of_web_calling(call, stage, folder):
    """Return a run of an injector `web` and of the stage that it calls."""
    text = f"stages:\n  web: {{role: injector, load: {{rate: 1/s}}, calls: [{call}]}}\n  {stage}\n"
    return watched(folder, parse_topology(text, "t.yaml", no_samples, "t"))


@pytest.mark.parametrize("peer", ["service.peer.name", "peer.service"])
def test_the_traces_of_a_database_are_those_with_calls_of_it(tmp_path, peer):
    """It has no spans of its own: it can be chosen all the same, and the spans of its callers count, with its name."""
    orders = "orders: {kind: database, system: mongodb, operations: {FIND: {}, DROP: {path: /drop}}}"
    run = run_of_web_calling("orders.FIND", orders, tmp_path)
    answers = TraceAnswers(run.watching)
    of_orders = {"name": "FIND", "kind": "client", "attributes": {peer: "orders"}}
    send(run, 1, service="web", ms=10, ago_seconds=9, **of_orders)
    send(run, 2, service="web", ms=30, ago_seconds=8, error="", **of_orders)
    send(run, 3, service="web", ago_seconds=7)
    view = answers.list_view("?stage=orders")
    assert [option["value"] for option in by_id(view, "search-stage").options] == ["", "orders", "web"]
    assert [option.value for option in by_id(view, "search-operations").children] == ["DROP", "FIND"]
    assert found(answers.rows(Search(stage="orders"), None)) == [trace_hex(2), trace_hex(1)]
    assert found(answers.rows(Search(stage="orders", operation="FIND", longer="20ms"), None)) == [trace_hex(2)]
    assert found(answers.rows(Search(stage="orders", operation="DROP"), None)) == []


def test_a_service_with_spans_is_searched_by_them(tmp_path):
    """A service at a URL may send spans of its own, though it is not asked for them."""
    run = run_of_web_calling("bank", "bank: {kind: external, url: 'http://127.0.0.1:1/'}", tmp_path)
    send(run, 1, service="web", attributes={"peer.service": "bank"}, kind="client")
    send(run, 2, service="bank")
    assert found(TraceAnswers(run.watching).rows(Search(stage="bank"), None)) == [trace_hex(2)]


def test_a_trace_is_laid_out(run, answers):
    """With its rows, and how many spans it was made of."""
    send(run)
    send(run, number=2, parent=1, name="process", kind="internal")
    view = answers.trace_view(ID, "")
    assert by_id(view, "trace-shown").data == [2, 0]
    assert len(of_class(view, "span")) == 1
    assert len(of_class(answers.trace_view(ID, "?every=1"), "span")) == 2


@pytest.mark.parametrize("trace_id", ["", "0" * 32, "nothing", "<script>", "é", "..", "1"])
def test_a_trace_that_is_not_here(answers, trace_id):
    """Whatever is in the address, the view says that there is no such trace."""
    view = answers.trace_view(trace_id, "")
    assert_harmless(view)
    assert "This trace is not here." in text_of(view)
    assert by_id(view, "trace-shown").data == [0, 0]


def test_a_trace_is_replaced_when_spans_arrive(run, answers):
    """And only then, so that opened rows stay open."""
    send(run)
    assert answers.trace_again(ID, "", [1, 0]) == (no_update, no_update)
    send(run, number=2, service="archive", parent=1)
    box, shown = answers.trace_again(ID, "", [1, 0])
    assert (len(of_class(box, "span")), shown) == (2, [2, 0])
    assert answers.trace_again(ID, "?every=1", [2, 0]) == (no_update, no_update)


def test_a_trace_that_was_awaited_comes(run, answers):
    """An address opened before the first span shows the trace when it is here."""
    assert answers.trace_again(ID, "", [0, 0]) == (no_update, no_update)
    send(run)
    assert answers.trace_again(ID, "", None)[1] == [1, 0]


def test_the_list_has_no_trace_to_update(answers):
    """The list is not a trace."""
    assert answers.trace_again("", "", [7, 0]) == (no_update, no_update)


def test_its_log_lines_stand_beside_it(run, answers):
    """Those of the stages that it passed, in their order, and not those of other traces."""
    at = UNIX_START - 5
    for label, trace_id, after in (("parse", ID, 0.2), ("archive", ID, 0.1), ("parse", trace_hex(2), 0.1)):
        run.log(label, timestamp=written_at(at + after), level="info", event=f"{label}.{after}", trace_id=trace_id)
    send(run)
    send(run, number=2, parent=1, service="archive")
    send(run, number=3, parent=1, service="../../secret")
    lines = of_class(answers.trace_view(ID, ""), "line")
    assert [texts(line)[3] for line in lines] == ["archive.0.1", "parse.0.2"]


def test_of_every_instance_the_lines_are_there(tmp_path):
    """A stage of several processes has several logs."""
    run = watched(tmp_path, shipped("sick-replica"))
    name = next(name for name, stage in run.topology.stages.items() if stage.instances > 1)
    for label in run.watching.labels(name):
        run.log(label, timestamp=written_at(UNIX_START - 5), level="info", event=label, trace_id=ID)
    send(run, service=name)
    lines = of_class(TraceAnswers(run.watching).trace_view(ID, ""), "line")
    assert sorted(texts(line)[3] for line in lines) == sorted(run.watching.labels(name))


def test_lines_of_any_service_stand_beside_it(run, answers):
    """Those that were sent by OTLP among those of the files, in the order of their times, each once."""
    at, number = UNIX_START - 5, int((UNIX_START - 5) * 10**9)
    twice = {"event": "message.handled", "trace_id": ID, "span_id": f"{1:016x}"}
    run.log("parse", timestamp=written_at(at + 0.3), level="info", **twice)
    send(run)
    records = [
        log_record("bank says no", number + 10**8, trace=1, span=9, severity=17),
        log_record("of another trace", number + 10**8, trace=2),
    ]
    run.watching.logs.add(logs_request(bank=records), number)
    double = log_record("", number + 3 * 10**8 + 999, trace=1, span=1, event="message.handled")
    run.watching.logs.add(logs_request(parse=[double]), number)
    lines = of_class(answers.trace_view(ID, ""), "line")
    assert [texts(line)[1:4] for line in lines] == [
        ["error", "bank", "bank says no"],
        ["info", "parse", "message.handled"],
    ]
    assert answers.trace_again(ID, "", [1, 2]) == (no_update, no_update)
    run.watching.logs.add(logs_request(bank=[log_record("late", number, trace=1)]), number)
    box, shown = answers.trace_again(ID, "", [1, 2])
    assert (len(of_class(box, "line")), shown) == (3, [1, 3])


def test_an_id_in_capitals_is_the_same_one(run, answers):
    """An id in capitals shows the same trace, with its log lines."""
    trace = bytes.fromhex("ab" * 16)
    run.log("parse", timestamp=written_at(UNIX_START - 5), level="info", event="there", trace_id=trace.hex())
    send(run, trace)
    view = answers.trace_view(trace.hex().upper(), "")
    assert len(of_class(view, "span")) == 1
    assert len(of_class(view, "line")) == 1
