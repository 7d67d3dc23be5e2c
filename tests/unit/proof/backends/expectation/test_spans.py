"""Which spans a visit must have, from what the truth says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.proof.backends.expectation.spans import VisitSpans
from simulator.proof.backends.expectation.tables import key_of
from tests.support.held_spans import BEGIN_UNIX_NS, rows_of_messages, topology_of

SHOP = """
name: shop
seed: 7
stages:
  start: {role: injector, load: {rate: 10/s}, calls: [page]}
  page: {delay: 10ms, calls: [{to: store, retries: "retries(1, backoff=1ms)"}]}
  store: {kind: database, system: postgresql, namespace: orders, delay: 5ms, calls: []}
"""
TOPIC = SHOP.replace("page: {", "page: {forward: accept, ")
MS = 10**6


def spans_of(folder, stage, text=SHOP, **changes):
    """Return the spans of the visit to a stage, with other columns than usual, as (part, name, parent is its own)."""
    rows = rows_of_messages(topology_of(folder, text), 1)
    row = next(row for row in rows.visits if row["stage"] == stage) | changes
    visit = VisitSpans(rows).of(row)
    return [] if visit is None else list(visit.spans)


def parts(spans):
    return [(str(span.part), span.name) for span in spans]


def test_a_request_has_its_span_what_it_waited_and_worked_and_its_attempts(tmp_path):
    """The call has a span around its attempts, because it may be retried; a database is called by its own name."""
    spans = spans_of(tmp_path, "page", queue_wait_seconds=0.002, processed_seconds=0.012)
    assert parts(spans) == [
        ("server", "POST /messages"),
        ("queue.wait", "queue.wait"),
        ("process", "process"),
        ("call", "call store"),
        ("client", "orders"),
    ]
    assert spans[4].within == 3
    assert spans[4].attributes["db.system.name"] == "postgresql"
    begin = BEGIN_UNIX_NS + 5 * MS
    assert (spans[1].start_unix_ns, spans[1].end_unix_ns) == (begin, begin + 2 * MS)
    assert (spans[2].start_unix_ns, spans[2].end_unix_ns) == (begin + 2 * MS, begin + 12 * MS)


@pytest.mark.parametrize(("seconds", "has_span"), [(0.000999, False), (0.001, True)])
def test_waiting_has_a_span_from_a_millisecond_on(tmp_path, seconds, has_span):
    """As the catalogue of spans says."""
    found = parts(spans_of(tmp_path, "page", queue_wait_seconds=seconds))
    assert (("queue.wait", "queue.wait") in found) is has_span


def test_a_message_that_a_stage_makes_begins_when_it_was_due(tmp_path):
    """Not when it started, which is its lag."""
    spans = spans_of(tmp_path, "start", due_at=-0.25)
    assert parts(spans) == [("inject", "inject"), ("client", "POST")]
    assert spans[0].start_unix_ns == BEGIN_UNIX_NS - 250 * MS
    assert spans[0].end_unix_ns == BEGIN_UNIX_NS + 50 * MS


def test_accepted_work_has_a_span_beside_that_of_its_request(tmp_path):
    """The request's has its status, and that of the work all the rest."""
    spans = spans_of(tmp_path, "page", TOPIC, answer_seconds=0.001, code=202)
    assert parts(spans)[:2] == [("accepted", "accepted"), ("server", "POST /messages")]
    assert "simulator.outcome" in spans[0].attributes and "simulator.outcome" not in spans[1].attributes
    assert spans[1].attributes["http.response.status_code"] == 202


def test_a_stage_without_spans_of_requests_has_those_of_what_it_does_later(tmp_path):
    """A database has none; a topic without a server span has that of accepted work; a proxy those of its calls."""
    assert spans_of(tmp_path, "store") == []
    topic = TOPIC.replace("page: {", "page: {server_span: false, ")
    found = spans_of(tmp_path, "page", topic, answer_seconds=0.001, code=202)
    assert [part for part, _ in parts(found)] == ["accepted", "process", "call", "client"]
    proxy = SHOP.replace("page: {", "page: {server_span: false, ")
    assert [part for part, _ in parts(spans_of(tmp_path, "page", proxy))] == ["call", "client"]


def test_a_visit_that_is_not_sampled_has_none(tmp_path):
    """Neither has one without a trace, as in virtual time."""
    assert spans_of(tmp_path, "page", sampled=False) == []
    assert spans_of(tmp_path, "page", trace_id="") == []


@pytest.mark.parametrize(
    ("outcome", "code", "is_error"),
    [
        ("forwarded", 200, False),
        ("invalid", 400, False),
        ("rejected", 503, True),
        ("faulted", None, True),
        ("failed", 502, True),
    ],
)
def test_a_failure_is_an_error_and_a_clients_mistake_is_none(tmp_path, outcome, code, is_error):
    """As OpenTelemetry's conventions have it for servers."""
    assert spans_of(tmp_path, "page", outcome=outcome, code=code)[0].is_error is is_error


@pytest.mark.parametrize(
    ("outcome", "code", "is_error"),
    [("ok", 200, False), ("error_status", 404, True), ("timeout", None, True), ("abandoned", None, False)],
)
def test_an_attempt_is_an_error_for_its_caller(tmp_path, outcome, code, is_error):
    """From 400 on, and without an answer, unless it was abandoned for another one."""
    rows = rows_of_messages(topology_of(tmp_path, SHOP), 1)
    [row] = [row for row in rows.visits if row["stage"] == "start"]
    attempts = {key_of(row): [rows.attempts[key_of(row)][0] | {"outcome": outcome, "code": code, "number": 2}]}
    client = VisitSpans(replace(rows, attempts=attempts)).of(row).spans[-1]
    assert client.is_error is is_error
    assert client.attributes["http.request.resend_count"] == 1
