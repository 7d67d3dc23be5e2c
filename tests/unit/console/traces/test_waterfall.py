"""The rows of a trace."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.traces.spans import Span
from simulator.console.traces.waterfall import SegmentKind, Waterfall, waterfall
from tests.support.examples import examples

MS = 1_000_000
QUEUE, PROCESSING, DOWNSTREAM, FAULT = SegmentKind


def made(number, parent=None, service="a", name="POST /messages", kind="server", at=0, ms=100, **attributes):
    """Return a span; `at` and `ms` are milliseconds."""
    ids = {"trace_id": "t", "span_id": str(number), "parent_id": "" if parent is None else str(parent)}
    times = {"start_unix_ns": 5 * MS + at * MS, "end_unix_ns": 5 * MS + (at + ms) * MS}
    return Span(**ids, **times, service=service, instance="", name=name, kind=kind, attributes=attributes)


def inner(number, parent, name, **others):
    return made(number, parent, name=name, kind="internal", **others)


def client(number, parent, **others):
    return made(number, parent, name="POST", kind="client", **others)


def call(number, parent, **others):
    return made(number, parent, name="call b", kind="internal", **{"simulator.call.outcome": "ok"}, **others)


def shape(laid):
    """Return each row as (depth, number)."""
    return [(row.depth, int(row.span.span_id)) for row in laid.rows]


def segments(row):
    """Return each segment as (kind, start, end) in percent of the trace."""
    return [
        (part.kind, round(100 * part.start_ratio), round(100 * (part.start_ratio + part.length_ratio)))
        for part in row.segments
    ]


def folded(row):
    return [int(span.span_id) for span in row.folded]


PIPELINE = [
    made(1, name="inject", kind="internal"),
    inner(2, 1, "queue.wait", at=1, ms=1),
    inner(3, 1, "process", at=2, ms=3),
    client(4, 1, at=5, ms=90),
    made(5, 4, service="b", at=10, ms=80),
    inner(6, 5, "queue.wait", service="b", at=10, ms=20),
    inner(7, 5, "process", service="b", at=30, ms=60),
]


def test_no_spans_are_no_rows():
    """A trace without spans has no rows."""
    assert waterfall([]) == Waterfall(0, 0.0, ())


def test_a_stage_is_a_row_with_what_took_its_time():
    """Waiting, processing and calling are segments of the stage's row; their spans have no rows."""
    laid = waterfall(PIPELINE)
    assert (laid.start_unix_ns, laid.duration_seconds) == (5 * MS, 0.1)
    assert shape(laid) == [(0, 1), (1, 5)]
    first, second = laid.rows
    assert segments(first) == [(QUEUE, 1, 2), (PROCESSING, 2, 5), (DOWNSTREAM, 5, 95)]
    assert segments(second) == [(QUEUE, 10, 30), (PROCESSING, 30, 90)]
    assert (folded(first), folded(second)) == ([2, 3, 4], [6, 7])
    assert [part.span.span_id for part in first.segments] == ["2", "3", "4"]
    assert (second.start_ratio, second.length_ratio) == (0.1, 0.8)


def test_a_stage_that_neither_waited_nor_processed_is_a_row_like_any_other():
    """Its spans for these are missing; its calls are segments all the same, and where it has none the row is bare."""
    laid = waterfall([made(1), client(2, 1, at=5, ms=90), made(3, 2, service="b", at=10, ms=80)])
    assert shape(laid) == [(0, 1), (1, 3)]
    assert [segments(row) for row in laid.rows] == [[(DOWNSTREAM, 5, 95)], []]


def test_every_span_can_have_a_row():
    """Unfolded, each span is below its parent, and the stages still have their segments."""
    laid = waterfall(PIPELINE, every_span=True)
    assert shape(laid) == [(0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (3, 6), (3, 7)]
    assert [len(row.segments) for row in laid.rows] == [3, 0, 0, 0, 2, 0, 0]
    assert all(row.folded == () for row in laid.rows)


def test_the_order_in_which_spans_come_does_not_matter():
    """Spans are placed by their parents and starts, however they arrived."""
    assert waterfall(PIPELINE[::-1]) == waterfall(PIPELINE)


def test_called_stages_are_in_the_order_of_their_starts():
    """Of the calls of a stage the first is above, with all that it led to."""
    spans = [
        made(1),
        client(2, 1, at=50, ms=10),
        made(3, 2, service="late", at=51, ms=8),
        client(4, 1, at=10, ms=10),
        made(5, 4, service="early", at=11, ms=8),
        client(6, 5, service="early", at=12, ms=5),
        made(7, 6, service="deep", at=13, ms=3),
    ]
    assert shape(waterfall(spans)) == [(0, 1), (1, 5), (2, 7), (1, 3)]


def test_the_attempts_of_a_call_are_one_segment():
    """The span around the attempts is the segment, pauses included; each attempt that arrived has its row."""
    spans = [
        made(1),
        call(2, 1, at=10, ms=80),
        client(3, 2, at=10, ms=20),
        made(4, 3, service="b", at=12, ms=10),
        client(5, 2, at=60, ms=30),
        made(6, 5, service="b", at=65, ms=20),
    ]
    laid = waterfall(spans)
    assert shape(laid) == [(0, 1), (1, 4), (1, 6)]
    assert segments(laid.rows[0]) == [(DOWNSTREAM, 10, 90)]
    assert folded(laid.rows[0]) == [2, 3, 5]


def test_a_call_that_reached_nobody_keeps_its_row():
    """A client span without a server span has a row, and is a segment too; so is a call without any attempt."""
    spans = [
        made(1),
        client(2, 1, at=10, ms=20),
        call(3, 1, at=40, ms=0),
        call(4, 1, at=50, ms=30),
        client(5, 4, at=55),
    ]
    laid = waterfall(spans)
    assert shape(laid) == [(0, 1), (1, 2), (1, 3), (1, 5)]
    assert [kind for kind, _, _ in segments(laid.rows[0])] == [DOWNSTREAM, DOWNSTREAM, DOWNSTREAM]
    assert folded(laid.rows[0]) == [4]


def test_injected_faults_are_segments():
    """The time of an injected fault has its own segment, whatever its name."""
    laid = waterfall([made(1), inner(2, 1, "fault.hang", at=20, ms=50)])
    assert shape(laid) == [(0, 1)]
    assert segments(laid.rows[0]) == [(FAULT, 20, 70)]


def test_work_after_the_answer_is_a_row():
    """A message that was accepted before it was processed has its own row, and the segments of its processing."""
    spans = [made(1, ms=10), inner(2, 1, "accepted", at=5, ms=95), inner(3, 2, "process", at=6, ms=90)]
    laid = waterfall(spans)
    assert shape(laid) == [(0, 1), (1, 2)]
    assert [segments(row) for row in laid.rows] == [[], [(PROCESSING, 6, 96)]]


@pytest.mark.parametrize(
    "external",
    [
        inner(2, 1, "compute"),
        inner(2, 1, "process", service="b"),
        made(2, 1, name="process", kind="server"),
        inner(2, 1, "call b"),
        made(2, 1, name="send", kind="producer"),
        inner(2, 9, "process"),
        client(2, 9),
    ],
    ids=lambda span: f"{span.kind} {span.name} of {span.service} below {span.parent_id}",
)
def test_what_is_no_inner_span_has_a_row(external):
    """Other names, other services and other kinds have rows, and so have spans whose parent is missing."""
    laid = waterfall([made(1), external])
    assert sorted(number for _, number in shape(laid)) == [1, 2]
    assert laid.rows[0].segments == laid.rows[0].folded == ()


def test_a_span_with_others_below_it_is_not_folded_by_its_name():
    """An external span named process that has children is a row like any other."""
    assert shape(waterfall([made(1), inner(2, 1, "process"), inner(3, 2, "step")])) == [(0, 1), (1, 2), (2, 3)]


def test_a_message_through_a_broker_is_below_its_sender():
    """A consumer is below the producer, which keeps its row."""
    spans = [made(1), made(2, 1, kind="producer", name="send"), made(3, 2, service="b", kind="consumer", name="take")]
    assert shape(waterfall(spans)) == [(0, 1), (1, 2), (2, 3)]


def test_a_call_that_is_a_root_has_a_row():
    """A client span without a parent, as of an instrumented script, is a row above the called one."""
    assert shape(waterfall([client(1, None), made(2, 1, service="b")])) == [(0, 1), (1, 2)]


def test_orphans_are_roots():
    """A span whose parent is missing is not indented, in the order of the starts."""
    assert shape(waterfall([made(1, at=10), made(2, 77, at=5), made(3, 2, at=6)])) == [(0, 2), (1, 3), (0, 1)]


def test_cycles_are_cut_where_they_begin():
    """Spans that are each other's parents, or their own, have a row each; the first of them is the root."""
    assert shape(waterfall([made(1, 2, at=1), made(2, 3, at=2), made(3, 1, at=3)])) == [(0, 1), (1, 3), (2, 2)]
    assert shape(waterfall([made(1, 1)])) == [(0, 1)]
    assert shape(waterfall([client(1, 2), client(2, 1)])) == [(0, 1), (1, 2)]


def test_spans_of_one_id_have_a_row_each():
    """If two spans have the same id neither is lost; the first has the children."""
    laid = waterfall([made(1), made(2, 1, at=1), made(2, 1, at=2), made(3, 2, at=3)])
    assert shape(laid) == [(0, 1), (1, 2), (2, 3), (1, 2)]


def test_a_trace_without_length_is_drawn():
    """If everything happens at one time, or spans end before they start, every length is 0."""
    laid = waterfall([made(1, ms=0), made(2, 1, ms=-50)])
    assert laid.duration_seconds == 0.0
    assert [(row.start_ratio, row.length_ratio) for row in laid.rows] == [(0.0, 0.0), (0.0, 0.0)]


@pytest.mark.parametrize("kind", ["server", "client"])
@pytest.mark.long
def test_a_chain_of_ten_thousand_spans_is_laid_out(kind):
    """Depth is bounded by nothing but the number of spans."""
    spans = [made(1), *(made(n, n - 1, kind=kind, at=n, ms=1) for n in range(2, 10_001))]
    rows = waterfall(spans).rows
    assert len(rows) == 10_000 and rows[-1].depth == 9_999


names = st.sampled_from(["POST", "queue.wait", "process", "fault.hang", "call b"])
any_span = st.builds(
    lambda number, parent, service, name, kind, at, ms, told: made(
        number, parent, service, name, kind, at, ms, **({"simulator.call.outcome": "ok"} if told else {})
    ),
    st.integers(0, 12),
    st.one_of(st.none(), st.integers(0, 12)),
    st.sampled_from("ab"),
    names,
    st.sampled_from(["server", "client", "internal", "producer", "consumer"]),
    st.integers(0, 10**9),
    st.integers(-(10**9), 10**9),
    st.booleans(),
)


@examples(300)
@given(st.lists(any_span, max_size=20))
def test_every_span_is_there_once(spans):
    """Each span has a row or is folded into one; all ratios lie within the trace; depth grows by one at most."""
    for every_span in (False, True):
        rows = waterfall(spans, every_span).rows
        shown = [id(row.span) for row in rows] + [id(span) for row in rows for span in row.folded]
        assert sorted(shown) == sorted(map(id, spans))
        parts = [part for row in rows for part in (row, *row.segments)]
        assert all(0 <= part.start_ratio <= 1 and 0 <= part.length_ratio <= 1 for part in parts)
        assert all(part.start_ratio + part.length_ratio <= 1 + 1e-9 for part in parts)
        depths = [0, *(row.depth for row in rows)]
        assert all(after <= before + 1 for before, after in itertools.pairwise(depths))
        assert not every_span or len(rows) == len(spans)
