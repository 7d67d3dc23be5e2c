"""Which traces a query finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.traces.search import TraceQuery, as_text
from simulator.console.traces.store import TraceStore
from tests.support.otlp import MS, START, add_attributes, request, span, trace_hex


def message(number, at_ms=0.0, ms=100.0, enrich_ms=20.0, error=None, code=200, name="POST /messages"):
    """Return the trace of a message: parse calls enrich."""
    attributes = {"simulator.message_id": f"message-{number}"}
    return request(
        parse=[span(number, 1, at_ms=at_ms, ms=ms, attributes=attributes)],
        enrich=[
            span(
                number,
                2,
                parent=1,
                name=name,
                at_ms=at_ms + 5,
                ms=enrich_ms,
                error=error,
                attributes={
                    "http.response.status_code": code,
                    "simulator.outcome": "forwarded" if error is None else "failed",
                },
            )
        ],
    )


@pytest.fixture
def store():
    """Return a store of five traces: plain, slow in enrich, failing there, another operation, an external service."""
    made = TraceStore()
    made.add(message(1, at_ms=0))
    made.add(message(2, at_ms=1000, ms=900, enrich_ms=800))
    made.add(message(3, at_ms=2000, error="broken", code=503))
    made.add(message(4, at_ms=3000, name="GET /"))
    other = request(other=[span(5, 1, at_ms=4000, ms=10, kind="internal", name="alone")])
    add_attributes(other.resource_spans[0].resource, {"zone": "north"})
    made.add(other)
    return made


def numbers(store, **asked):
    return [int(summary.trace_id, 16) for summary in store.find(TraceQuery(**asked))]


def test_an_empty_query_finds_the_latest(store):
    """All traces are found, latest start first; of more than the limit only the latest."""
    assert numbers(store) == [5, 4, 3, 2, 1]
    assert numbers(store, limit=2) == [5, 4]
    assert numbers(store, limit=0) == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"service": "parse"}, [4, 3, 2, 1]),
        ({"service": "other"}, [5]),
        ({"service": "Parse"}, []),
        ({"service": "par"}, []),
        ({"operation": "GET /"}, [4]),
        ({"operation": "GET"}, []),
        ({"service": "enrich", "operation": "POST /messages"}, [3, 2, 1]),
        ({"service": "other", "operation": "POST /messages"}, []),
    ],
)
def test_services_and_operations_are_found_by_their_whole_names(store, asked, found):
    """A trace has the service, and the service the operation, under exactly that name."""
    assert numbers(store, **asked) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("message-3", [3]),
        ("mess", [4, 3, 2, 1]),
        ("mes", []),
        ("Message-3", []),
        ("message-33", []),
        (trace_hex(5), [5]),
        (f"  {trace_hex(10)[:-1]}  ", [5, 4, 3, 2, 1]),
        ("000", []),
        ("", [5, 4, 3, 2, 1]),
        ("\ud800", []),
    ],
)
def test_a_text_is_an_id_or_the_beginning_of_one(store, text, found):
    """A message's or trace's id is found as a whole or by at least its first 4 characters."""
    assert numbers(store, text=text) == found


def test_ids_are_found_whatever_their_case_and_length():
    """A trace id may be written in capitals; a message id of 2 characters is found as a whole."""
    store = TraceStore()
    store.add(request(parse=[span(0xABCD << 112, 1, attributes={"simulator.message_id": "42"})]))
    assert len(store.find(TraceQuery(text="ABCD"))) == len(store.find(TraceQuery(text="42"))) == 1
    assert store.find(TraceQuery(text="4")) == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"min_duration_seconds": 0.9}, [2]),
        ({"min_duration_seconds": 0.90001}, []),
        ({"max_duration_seconds": 0.01}, [5]),
        ({"min_duration_seconds": 0.02, "max_duration_seconds": 0.1}, [4, 3, 1]),
        ({"min_duration_seconds": float("inf")}, []),
        ({"max_duration_seconds": float("nan")}, []),
        ({"min_duration_seconds": -1.0}, [5, 4, 3, 2, 1]),
        ({"service": "enrich", "min_duration_seconds": 0.5}, [2]),
        ({"service": "enrich", "min_duration_seconds": 0.85}, []),
        ({"service": "enrich", "max_duration_seconds": 0.02}, [4, 3, 1]),
        ({"operation": "POST /messages", "max_duration_seconds": 0.02}, [3, 1]),
        ({"operation": "GET /", "min_duration_seconds": 0.05}, []),
    ],
)
def test_durations_are_of_the_trace_or_of_the_service_asked_for(store, asked, found):
    """Alone they bound the whole trace, with a service or an operation its span; bounds are included."""
    assert numbers(store, **asked) == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [3]),
        ({"service": "enrich"}, [3]),
        ({"service": "parse"}, []),
        ({"operation": "POST /messages"}, [3]),
        ({"operation": "GET /"}, []),
    ],
)
def test_errors_are_those_of_the_service_asked_for(store, asked, found):
    """In a search for a service, another's error does not count."""
    assert numbers(store, errors_only=True, **asked) == found


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ({"http.response.status_code": "503"}, [3]),
        ({"http.response.status_code": "50"}, []),
        ({"simulator.outcome": "forwarded"}, [4, 2, 1]),
        ({"simulator.outcome": "failed", "http.response.status_code": "503"}, [3]),
        ({"simulator.outcome": "forwarded", "http.response.status_code": "503"}, []),
        ({"simulator.message_id": "message-1", "simulator.outcome": "forwarded"}, []),
        ({"zone": "north"}, [5]),
        ({"zone": ""}, []),
        ({"nothing": "x"}, []),
        ({"": ""}, []),
        ({"service.name": "enrich", "http.response.status_code": "503"}, [3]),
    ],
)
def test_attributes_are_those_of_one_span_and_its_origin(store, attributes, found):
    """A single span, with its resource, has all the attributes; numbers are compared as text."""
    assert numbers(store, attributes=attributes) == found


@pytest.mark.parametrize(
    ("first_ms", "last_ms", "asked", "found"),
    [
        (1000, 3000, {}, [4, 3, 2]),
        (1001, None, {}, [5, 4, 3]),
        (None, 999, {}, [1]),
        (3000, 1000, {}, []),
        (1001, 1500, {"service": "enrich"}, [2]),
        (1001, 1500, {"service": "parse"}, []),
        (1001, 1500, {"operation": "POST /messages"}, [2]),
    ],
)
def test_starts_are_those_of_the_trace_or_of_the_service_asked_for(store, first_ms, last_ms, asked, found):
    """Alone the bounds are for the start of the trace, with a service for that of its span."""
    first, last = (None if at is None else START + at * MS for at in (first_ms, last_ms))
    assert numbers(store, start_min_unix_ns=first, start_max_unix_ns=last, **asked) == found


def test_the_latest_to_arrive_are_sorted_by_their_starts():
    """Traces that arrive in another order than they started are listed by their starts."""
    store = TraceStore()
    for number, at_ms in ((1, 20), (2, 0), (3, 10)):
        store.add(message(number, at_ms=at_ms))
    assert numbers(store) == [1, 3, 2]


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (200, "200"), (0.5, "0.5"), ("a", "a"), (b"\xab", "ab"), (None, "None")],
)
def test_values_are_written_as_a_person_would(value, text):
    """Booleans, numbers, texts and bytes are compared in their usual notation."""
    assert as_text(value) == text


@given(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.text(),
        st.binary(),
        st.lists(st.one_of(st.text(), st.floats())),
        st.dictionaries(st.text(), st.booleans()),
    ),
    st.sampled_from(["span", "resource"]),
)
def test_every_value_is_found_by_its_own_text(value, where):
    """Whatever the type of an attribute, of a span or of its resource, what `as_text` writes of it finds it."""
    sent = request(parse=[span(attributes={"key": value} if where == "span" else {})])
    if where == "resource":
        add_attributes(sent.resource_spans[0].resource, {"key": value})
    store = TraceStore()
    store.add(sent)
    assert len(store.find(TraceQuery(attributes={"key": as_text(value)}))) == 1


@pytest.mark.parametrize("name", ["service.peer.name", "peer.service"])
def test_a_peer_is_found_under_both_names(name):
    """Those that name the service as the one that they call, and not those that it names so itself, or nobody."""
    store = TraceStore()
    store.add(request(web=[span(1, 1, kind="client", attributes={name: "bank"})]))
    store.add(request(web=[span(2, 1, kind="client", attributes={name: "banks", "note": "bank"})], bank=[span(2, 2)]))
    assert numbers(store, peer="bank") == [1]
    assert numbers(store, peer="bank", service="bank") == []
    assert numbers(store, peer="bank", service="web", errors_only=True) == []
