"""The store of traces: what it keeps, refuses and evicts."""

from __future__ import annotations

import gc
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.otlp.refusals import Refusals
from simulator.console.traces.search import TraceQuery
from simulator.console.traces.spans import read_spans
from simulator.console.traces.store import TraceStore
from simulator.console.turns import Turns
from tests.support.examples import examples
from tests.support.otlp import add_attributes, request, span, trace_bytes, trace_hex

MIB = 2**20


def stored(*requests, **limits):
    store = TraceStore(**limits)
    for sent in requests:
        store.add(sent)
    return store


def whole(store, trace_id):
    """Return the spans of a trace by resource and scope."""
    return [one for piece in store.pieces(trace_id) for one in piece]


def numbers_of(store, trace):
    """Return the spans of a trace as (service, number)."""
    return [(found.service, int(found.span_id, 16)) for found in read_spans(whole(store, trace_hex(trace)))]


def kept(store):
    return [int(trace_id, 16) for trace_id in store.trace_ids()]


def test_spans_come_back_as_they_were_sent():
    """A trace that was sent in one request is the same message when it is read."""
    sent = request(
        parse=[span(number=1, attributes={"a": [1, {"b": b"\x00"}]}), span(number=2, parent=1, error="no")],
        enrich=[span(number=3, parent=2)],
    )
    sent.resource_spans[0].schema_url = "https://example.org/resource"
    sent.resource_spans[1].scope_spans[0].schema_url = "https://example.org/scope"
    assert whole(stored(sent), trace_hex(1)) == list(sent.resource_spans)


def test_a_trace_is_gathered_from_many_requests():
    """Spans of one resource and scope are together, whenever they arrived; those of other scopes beside them."""
    other_scope = request(parse=[span(number=3)])
    other_scope.resource_spans[0].scope_spans[0].scope.name = "other"
    store = stored(
        request(parse=[span(number=1)]), other_scope, request(enrich=[span(number=2)], parse=[span(number=4)])
    )
    parse, enrich = whole(store, trace_hex(1))
    assert [[int(s.span_id.hex(), 16) for s in scope.spans] for scope in parse.scope_spans] == [[1, 4], [3]]
    assert [[int(s.span_id.hex(), 16) for s in scope.spans] for scope in enrich.scope_spans] == [[2]]


def test_an_unknown_trace_has_no_spans():
    """An id that nobody sent, and a text that is not an id, give no trace."""
    store = stored(request(parse=[span()]))
    assert store.has(trace_hex(1)) and not store.has(trace_hex(2))
    assert [whole(store, text) for text in (trace_hex(2), "", "xyz", "0" * 31)] == [[]] * 4


def test_a_span_that_is_sent_again_is_there_once():
    """An exporter that missed the answer may send a request twice; neither spans nor summary are doubled."""
    sent = request(parse=[span(number=1, error="no"), span(number=2)])
    store = stored(sent, sent)
    assert numbers_of(store, 1) == [("parse", 1), ("parse", 2)]
    (summary,) = store.find(TraceQuery())
    assert (summary.spans, summary.errors) == (2, 1)
    assert store.status().spans_taken == 2


@pytest.mark.parametrize(
    "ids",
    [
        {"trace": b""},
        {"trace": bytes(16)},
        {"trace": b"\1" * 15},
        {"trace": b"\1" * 17},
        {"number": b""},
        {"number": bytes(8)},
        {"number": b"\1" * 7},
        {"number": b"\1" * 9},
    ],
)
def test_a_span_without_ids_is_refused(ids):
    """A trace or span id of another length, or all zeros, is refused and counted; the other spans are stored."""
    store = TraceStore()
    refusals = store.add(request(parse=[span(**ids), span(trace=5, number=1), span(**ids)]))
    assert refusals == Refusals(2, "2 without a trace id of 16 bytes and a span id of 8 that are not all zero")
    assert kept(store) == [5]
    assert (store.status().spans_taken, store.status().spans_refused) == (1, 2)


def test_a_trace_has_a_bounded_number_of_spans():
    """Spans of a full trace are refused, those of others stored."""
    store = TraceStore(max_spans_a_trace=3)
    refusals = store.add(request(parse=[*(span(number=n) for n in range(1, 6)), span(trace=2)]))
    assert refusals == Refusals(2, f"2 of traces that are full (3 spans or {16 * MIB} bytes)")
    assert numbers_of(store, 1) == [("parse", 1), ("parse", 2), ("parse", 3)]
    assert kept(store) == [1, 2]


def test_one_trace_cannot_evict_all_others():
    """A trace may have a quarter of the memory; the rest of it is refused, and so is a single span that is larger."""
    store = stored(request(parse=[span(trace=1)]), max_bytes=MIB)
    endless = [span(trace=2, number=n, attributes={"a": "x" * 50_000}) for n in range(1, 11)]
    assert store.add(request(parse=endless)).items == 5
    assert store.add(request(parse=[span(trace=3, attributes={"a": "x" * 300_000})])).items == 1
    huge = request(parse=[span(trace=4)])
    add_attributes(huge.resource_spans[0].resource, {"a": "x" * 300_000})
    assert store.add(huge).items == 1
    assert kept(store) == [1, 2]
    assert store.status().traces_evicted == 0


def test_a_request_with_nothing_in_it_is_taken():
    """An empty request, an empty resource and an empty scope refuse nothing, keep nothing, and are a new version."""
    store = TraceStore()
    empty = request(parse=[])
    assert store.add(request()) == store.add(empty) == Refusals(0, "")
    assert store.status().bytes == 0
    assert store.version == 2


def test_the_oldest_trace_makes_room():
    """Of more traces than there is room for the first to arrive are evicted, and counted."""
    store = stored(*(request(parse=[span(trace=n)]) for n in (1, 2, 3, 1, 4)), max_traces=3)
    assert kept(store) == [2, 3, 4]
    assert not store.has(trace_hex(1))
    standing = store.status()
    assert (standing.traces, standing.spans_taken, standing.traces_evicted) == (3, 4, 1)


def test_an_evicted_trace_leaves_nothing_behind():
    """When all traces of a service are evicted, its resource takes no memory any more."""
    store = stored(request(parse=[span(trace=1)]), max_traces=1)
    before = store.status().bytes
    for number in range(2, 50):
        sent = request(**{f"service{number}": [span(trace=number)]})
        add_attributes(sent.resource_spans[0].resource, {"a": "x" * 1000})
        store.add(sent)
    store.add(request(parse=[span(trace=99)]))
    assert store.status().bytes == before


def test_a_resource_stays_while_a_span_of_it_does():
    """An evicted trace does not remove a resource that another trace has too."""
    store = stored(*(request(parse=[span(trace=n)]) for n in (1, 2, 3)), max_traces=2)
    assert numbers_of(store, 2) == numbers_of(store, 3) == [("parse", 1)]


def test_room_is_made_in_the_middle_of_a_request():
    """A request of more than there is room for leaves its last spans, and consistent sums."""
    store = TraceStore(max_traces=2)
    store.add(request(parse=[span(trace=n) for n in range(1, 6)], enrich=[span(trace=5, number=2)]))
    assert kept(store) == [4, 5]
    assert numbers_of(store, 5) == [("parse", 1), ("enrich", 2)]
    alone = stored(request(parse=[span(trace=4), span(trace=5)], enrich=[span(trace=5, number=2)]))
    assert store.status().bytes == alone.status().bytes


def test_services_and_operations_are_those_of_the_spans():
    """The store knows the services and what each of them does."""
    store = stored(request(parse=[span(name="b"), span(number=2, name="a", kind="client")], enrich=[span(number=3)]))
    assert store.services() == ["enrich", "parse"]
    assert store.operations("parse") == [("a", "client"), ("b", "server")]
    assert store.operations("nobody") == []


def test_the_delays_of_stored_spans_are_recorded():
    """The span in which a message is handled has the delay of its service, which is recorded once."""
    attributes = {
        "simulator.delay.drawn_seconds": 0.02,
        "simulator.delay.spec": "constant(20ms)",
        "simulator.processing_seconds": 0.021,
    }
    sent = request(enrich=[span(attributes=attributes)])
    (sample,) = stored(sent, sent).delays.samples("enrich", "constant(20ms)")
    assert (sample.drawn_seconds, sample.took_seconds) == (0.02, 0.021)


spans_sent = st.builds(
    lambda trace, number, text, times: span(
        trace, number, name=text, at_ms=times[0], ms=times[1], attributes={"simulator.message_id": text, "a": text}
    ),
    st.integers(0, 6),
    st.integers(0, 5),
    st.text(max_size=300),
    st.tuples(st.floats(0, 1e6), st.floats(-1e6, 1e6)),
)


@examples(60)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), spans_sent), max_size=8), max_size=12),
    st.integers(1, 4),
    st.integers(2_000, 30_000),
)
def test_the_accounts_are_right_whatever_is_sent(requests, max_traces, max_bytes):
    """Every span sent is stored, refused or a duplicate; bounds hold; each trace is found and matches its summary."""
    store = TraceStore(max_traces, max_bytes, max_spans_a_trace=3)
    refused = 0
    for sent in requests:
        refused += store.add(request(**{f"s{n}{service}": [one] for n, (service, one) in enumerate(sent)})).items
        standing = store.status()
        assert standing.traces <= max_traces and standing.bytes <= max_bytes
    assert standing_total(store) <= sum(map(len, requests))
    assert store.status().spans_refused == refused
    assert (store.status().bytes == 0) == (store.status().traces == 0)
    found = store.find(TraceQuery(limit=100))
    assert {summary.trace_id for summary in found} == set(store.trace_ids())
    for summary in found:
        assert summary.spans == len(read_spans(whole(store, summary.trace_id))) <= 3


def standing_total(store):
    return store.status().spans_taken + store.status().spans_refused


def random_request(kind, chance):
    """Return about 200 spans, of a kind of load that is hard on the sums."""
    spans_a_trace = {"lone": 1, "small": 6, "middling": 11, "long": 200, "large": 3, "texts": 4}[kind]
    spans = []
    for _ in range(max(1, 200 // spans_a_trace)):
        trace = chance.randbytes(16)
        for _ in range(spans_a_trace):
            attributes = {}
            if kind == "large":
                attributes = {"body": chance.randbytes(chance.choice((100, 5_000, 50_000)))}
            if kind == "texts":
                text = "\N{GRINNING FACE}" + chance.randbytes(60).hex()
                attributes = {"simulator.message_id": text, "simulator.fault": text}
            spans.append(span(trace, chance.randbytes(8), name=f"n{chance.random()}", attributes=attributes))
    services = chance.randbytes(3).hex() if kind == "texts" else "one"
    return request(**{services: spans})


@pytest.mark.parametrize("kind", ["lone", "small", "middling", "long", "large", "texts"])
@pytest.mark.long
def test_the_bound_is_one_of_real_memory(kind):
    """Filled and filled again with a hostile load, all of Python's memory for the store stays within its bound."""
    chance = random.Random(7)
    store = TraceStore(max_bytes=2 * MIB, max_traces=10**9)
    random_request(kind, chance)
    tracemalloc.start()
    try:
        most = 0
        base = tracemalloc.get_traced_memory()[0]
        while store.status().traces_evicted < 50:
            sent = random_request(kind, chance)
            store.add(sent)
            del sent
            gc.collect(0)
            most = max(most, tracemalloc.get_traced_memory()[0] - base)
    finally:
        tracemalloc.stop()
    # Beside the traces there are the names to choose from.
    assert 0.5 * 2 * MIB < most < 1.5 * 2 * MIB


def test_the_ids_of_all_traces_are_given_oldest_first():
    """The first to arrive is the first in the list, whenever it started."""
    store = stored(request(parse=[span(trace=2, at_ms=50)]), request(parse=[span(trace=1, at_ms=0)]))
    assert store.trace_ids() == [trace_hex(2), trace_hex(1)]
    assert trace_bytes(2).hex() == store.trace_ids()[0]


class Meanwhile:
    """What other greenlets do to a store whenever long work in it gives way."""

    def __init__(self, **limits):
        self.times = 0
        self.store = TraceStore(**limits, turns=Turns(self.give_way, 7))

    def give_way(self):
        self.times += 1
        if self.times % 3 == 0:  # the others' work does not start again within itself
            self.store._turns._give_way, before = (lambda: None), self.store._turns._give_way
            self.store.add(request(other=[span(10**6 + self.times, 1), span(1, 10**6 + self.times)]))
            self.store.find(TraceQuery(service="other", limit=3))
            self.store._turns._give_way = before


def test_a_large_request_is_taken_in_turns_with_others():
    """While one body of many spans is stored, others add and search, and everything is there in the end."""
    meanwhile = Meanwhile()
    before = meanwhile.store.version
    many = request(parse=[span(1 + number % 50, 1 + number) for number in range(3000)])
    assert meanwhile.store.add(many) == Refusals()
    assert meanwhile.times > 400
    kept_of_it = [number for trace in range(1, 51) for service, number in numbers_of(meanwhile.store, trace)]
    assert sum(number <= 3000 for number in kept_of_it) == 3000 and max(kept_of_it) > 10**6
    assert meanwhile.store.version > before


def test_a_search_continues_while_traces_arrive_and_are_evicted():
    """A search over many traces gives way, and what changes meanwhile does not break it."""
    meanwhile = Meanwhile(max_traces=500)
    meanwhile.store.add(request(parse=[span(1 + number, 1) for number in range(500)]))
    meanwhile.times = 0
    found = meanwhile.store.find(TraceQuery(service="parse", limit=1000))
    assert 300 < len(found) <= 500
    assert meanwhile.times > 60


def test_a_large_trace_is_given_in_pieces():
    """A trace of many spans is read in pieces, while more arrive; a piece has no more than a few hundred."""
    meanwhile = Meanwhile()
    meanwhile.store.add(request(parse=[span(1, 1 + number) for number in range(1000)]))
    pieces = [len(read_spans(piece)) for piece in meanwhile.store.pieces(trace_hex(1))]
    assert sum(pieces) >= 1000
    assert max(pieces) <= 200


def test_traces_have_a_size():
    """The spans and bytes of some traces add up; an unknown one has none."""
    store = stored(request(parse=[span(1, 1), span(1, 2), span(2, 1)]))
    one, two = (store.size([trace_hex(trace)]) for trace in (1, 2))
    assert (one.spans, two.spans, store.size([trace_hex(3), "xyz"]).spans) == (2, 1, 0)
    both = store.size([trace_hex(1), trace_hex(2)])
    assert (both.spans, both.bytes) == (3, one.bytes + two.bytes)
    assert 0 < two.bytes < one.bytes < store.status().bytes
