"""One trace on the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.logs.line import ShownLine
from simulator.console.page.trace_view import trace_box, trace_view
from simulator.console.traces.spans import read_spans
from simulator.console.traces.waterfall import waterfall
from tests.support.components import (
    addresses,
    assert_harmless,
    by_id,
    classes,
    components,
    of_class,
    text_of,
    texts,
)
from tests.support.otlp import START, request, span, trace_hex

SCRIPT = '"><script>alert(1)</script>'
ID = trace_hex(1)
MESSAGE = {"simulator.message_id": "m-1"}
SPANS = {
    "injector": [
        span(1, 1, name="inject", kind="internal", ms=100, attributes=MESSAGE),
        span(1, 2, 1, name="POST", kind="client", at_ms=5, ms=90),
    ],
    "parse": [
        span(1, 3, 2, at_ms=10, ms=80, attributes={**MESSAGE, "http.route": "/messages"}),
        span(1, 4, 3, name="queue.wait", kind="internal", at_ms=10, ms=20),
        span(1, 5, 3, name="process", kind="internal", at_ms=30, ms=50),
    ],
}


def box_of(spans=SPANS, every=False, lines=(), trace_id=ID):
    found = read_spans(request(**spans).resource_spans)
    return trace_box(trace_id, waterfall(found, every), lines, every, len(found))


def rows_of(box):
    return of_class(box, "span")


def about(row):
    """Return a row's details of its own span, by key."""
    [first, *_] = of_class(row, "about")
    told = texts(first)
    return dict(zip(told[::2], told[1::2], strict=True))


def test_the_head_of_a_trace():
    """Its messages, its id, how long it took, its spans and when it began, and the links to its other forms."""
    head, _ = box_of()
    assert texts(head) == [
        "m-1",
        ID,
        "100ms",
        "in total",
        "5",
        "spans",
        "02:13:20.000",
        "began, UTC",
        "Every span",
        "Download",
    ]
    assert addresses(head) == [f"/traces/{ID}?every=1", f"/download/traces/{ID}.json"]
    assert "Fold what a stage does" in texts(box_of(every=True))
    assert addresses(box_of(every=True)[0])[0] == f"/traces/{ID}"


def test_many_messages_and_none():
    """Up to three different messages are named, and a trace without one is just a trace."""
    spans = [span(1, n, attributes={"simulator.message_id": f"m-{n // 2}"}) for n in range(1, 12)]
    assert texts(box_of({"a": spans}))[0] == "m-0, m-1, m-2"
    assert texts(box_of({"a": [span(1, 1)]}))[0] == "Trace"


def test_a_trace_that_is_not_here():
    """The view says that the trace may still arrive, or is gone, and links to the list."""
    box = trace_box(ID, None, [], False, 0)
    assert text_of(box[0]).startswith("This trace is not here.")
    assert addresses(box) == ["/traces"]


@pytest.mark.parametrize(
    ("overhead", "shown"),
    [(0.0032, "80.0ms+3.20ms"), (0.0000999, "80.0ms"), (-0.001, "80.0ms"), (1e9, "80.0ms"), ("much", "80.0ms")],
)
def test_overhead_is_shown_beside_the_time(overhead, shown):
    """What did not fit into a stage's delay is a figure of its own, where it can be seen and can be true."""
    parse = span(1, 3, at_ms=10, ms=80, attributes={"simulator.overhead_seconds": overhead})
    (row,) = rows_of(box_of({"parse": [parse]}))
    assert text_of(of_class(row, "took")) == shown


def test_every_service_has_its_row():
    """Folded, each stage has a row with its name, its span's and how long it took; otherwise each span has one."""
    rows = rows_of(box_of())
    assert [texts(of_class(row, "span-name")[0]) for row in rows] == [
        ["injector", "inject"],
        ["parse", "POST /messages"],
    ]
    assert [text_of(of_class(row, "took")) for row in rows] == ["100ms", "80.0ms"]
    assert len(rows_of(box_of(every=True))) == 5


def test_what_a_stage_does_is_shaded():
    """Waiting, processing and downstream are of different kinds, where they were and as long as they took."""
    [injector, parse] = rows_of(box_of())
    assert [(part.className, part.style) for part in of_class(parse, "segment")] == [
        ("segment queue", {"left": "10.000%", "width": "20.000%"}),
        ("segment processing", {"left": "30.000%", "width": "50.000%"}),
    ]
    assert [(part.className, part.style) for part in of_class(injector, "segment")] == [
        ("segment downstream", {"left": "5.000%", "width": "90.000%"})
    ]
    assert of_class(parse, "segment")[1].title == "processing: process, 50.0ms"
    assert of_class(parse, "whole")[0].style == {"left": "10.000%", "width": "80.000%"}


def test_every_kind_of_segment_is_explained():
    """The kinds of shade that there can be are in the legend."""
    [legend] = of_class(box_of(), "legend")
    assert [name for name in classes(legend) if name.startswith("segment")] == [
        "segment queue",
        "segment processing",
        "segment downstream",
        "segment fault",
    ]


def test_the_axis():
    """It goes from 0 to the whole duration."""
    [axis] = of_class(box_of(), "axis")
    assert texts(axis) == ["0", "25.0ms", "50.0ms", "75.0ms", "100ms"]


def test_the_details_of_a_span():
    """Its id, kind and times, its instance, its attributes, its status and its events."""
    failed = span(1, 1, ms=10, error="out of stock", attributes={"n": 7, "ok": True, "list": ["a", 1]})
    failed.events.add(time_unix_nano=START, name="exception")
    [row] = rows_of(box_of({"shop": [failed]}))
    told = about(row)
    assert told.pop("began") == next(key for key in told if key.startswith("event at ")).removeprefix("event at ")
    assert {key: value for key, value in told.items() if not key.startswith("event")} == {
        "span": "0000000000000001",
        "kind": "server",
        "took": "10.0ms",
        "instance": "shop-1",
        "status": "error out of stock",
        "n": "7",
        "ok": "True",
        "list": "['a', 1]",
    }
    assert [value for key, value in told.items() if key.startswith("event")] == ["exception {}"]


def test_folded_spans_are_in_the_details_of_their_row():
    """The spans folded into a row are in it, by name and kind, with all their details."""
    [_, parse] = rows_of(box_of())
    assert {"queue.wait", "process"} <= set(texts(parse))
    assert len(of_class(parse, "about")) == 3


@pytest.mark.parametrize(
    ("changes", "marks", "whole"),
    [
        ({}, [], "whole"),
        ({"error": ""}, ["error"], "whole error"),
        ({"error": "", "attributes": {"simulator.fault": "hang"}}, ["hang"], "whole error"),
        ({"attributes": {"simulator.fault": "x" * 100}}, ["x" * 29 + "…"], "whole"),
    ],
)
def test_what_went_wrong_is_marked(changes, marks, whole):
    """An error is marked, and an injected fault by its name."""
    [row] = rows_of(box_of({"shop": [span(1, 1, **changes)]}))
    assert [text_of(part) for part in of_class(row, "badge")] == marks
    assert [name for name in classes(row) if name.startswith("whole")] == [whole]


def test_rows_are_indented_to_a_bound():
    """A called stage is indented further, a chain of fifty no further than the first twelve."""
    rows = rows_of(box_of({f"s{n}": [span(1, n, n - 1 if n > 1 else b"")] for n in range(1, 51)}))
    indents = [int(of_class(row, "span-name")[0].style["paddingLeft"].removesuffix("px")) for row in rows]
    assert indents[:3] == [6, 20, 34]
    assert indents[12:] == [174] * 38


def test_log_lines_stand_beside_it():
    """The lines of the trace, or a text that there are none."""
    line = ShownLine("2026-03-01T12:34:56.789012Z", 0.0, "info", "message.handled", "parse", {"code": 200})
    assert "message.handled" in texts(by_id(box_of(lines=[line]), "trace-lines"))
    assert "No log line has this trace's id." in texts(by_id(box_of(), "trace-lines"))


def line(span_id, at_ms, level="info", event="said"):
    fields = {"span_id": span_id} if span_id else {}
    return ShownLine("2026-01-01T00:00:00.000000Z", START / 1e9 + at_ms / 1000, level, event, "parse", fields)


def marks_of(shown):
    marks = [mark for lane in of_class(shown, "lane") for mark in of_class(lane, "mark")]
    return [(mark.className, round(float(mark.style["left"].rstrip("%")), 1)) for mark in marks]


def test_a_log_line_is_marked_on_its_span():
    """At its time, on the row of its span or of the span that its own is folded into, in the colour of its level."""
    spans = {"parse": [span(1, 1, ms=100), span(1, 2, parent=1, name="process", kind="internal", at_ms=10, ms=50)]}
    lines = [line(f"{1:016x}", 20), line(f"{2:016x}", 50, "warning"), line(f"{2:016x}", 60, "fatal"), line("", 5)]
    lines += [line("f" * 16, 70)]
    shown = box_of(spans, lines=lines)
    [row] = of_class(shown, "lane")
    assert marks_of(shown) == [("mark", 20.0), ("mark warning", 50.0), ("mark error", 60.0)]
    assert [mark.title for mark in of_class(row, "mark")][1:] == ["warning said", "fatal said"]
    assert "log line" in texts(of_class(shown, "legend"))
    assert "log line" not in texts(of_class(box_of(spans, lines=[line("", 5)]), "legend"))


@pytest.mark.parametrize(("at_ms", "left"), [(-3_600_000, 20.0), (3_600_000, 60.0), (99, 99.0)])
def test_a_line_of_a_wrong_clock_stays_within_its_span(at_ms, left):
    """A service whose clock is an hour off wrote it during its span all the same."""
    caller = [span(1, 1, ms=100), span(1, 2, parent=1, kind="client", at_ms=20, ms=40)]
    spans = {"web": caller, "parse": [span(1, 3, parent=2, at_ms=20, ms=40)]}
    shown = box_of(spans, lines=[line(f"{3:016x}", at_ms)])
    assert marks_of(shown) == [("mark", left)]


def test_many_lines_of_a_span_are_not_all_marked():
    """A row has a bound, because a page has one."""
    assert len(marks_of(box_of({"parse": [span(1, 1)]}, lines=[line(f"{1:016x}", 1)] * 200))) == 50


def test_lines_without_a_trace_are_shown_all_the_same():
    """A trace that is sampled away, or not here yet, may have lines."""
    shown = trace_box("ab" * 16, None, [line("", 5)], False, 0)
    assert "said" in texts(shown)
    assert "This trace is not here." in text_of(shown)


def test_text_from_outside_is_text():
    """Names, ids, attributes, events and messages are shown as they are, and lead nowhere."""
    evil = span(1, 1, name=SCRIPT, error=SCRIPT, attributes={SCRIPT: SCRIPT, "simulator.message_id": "javascript:x"})
    evil.attributes.add(key="url.full").value.string_value = "javascript:alert(1)"
    evil.events.add(name=SCRIPT).attributes.add(key="href").value.string_value = "javascript:alert(1)"
    inner = span(1, 2, 1, name="process", kind="internal", attributes={SCRIPT: SCRIPT, "simulator.fault": SCRIPT})
    for every in (False, True):
        box = box_of({SCRIPT: [evil, inner]}, every)
        assert_harmless(box)
        assert {SCRIPT, "javascript:x", "javascript:alert(1)"} <= set(texts(box))
        assert not [name for name in classes(box) if "script" in name]
        assert len(addresses(box)) == 2


def test_text_from_outside_is_cut():
    """No text is longer than two thousand characters, whatever a span says."""
    long = "x" * 100_000
    spans = [span(1, n, name=long, error=long, attributes={long: long, "simulator.message_id": long}) for n in (1, 2)]
    spans[0].events.add(name=long)
    box = box_of({long: spans})
    assert max(map(len, texts(box))) <= 2000
    assert max(len(str(getattr(part, "title", ""))) for part in components(box)) < 150


@pytest.mark.long
def test_a_large_trace_says_that_there_is_more():
    """Of thousands of rows the first thousand are shown, and how many are left."""
    box = box_of({"shop": [span(1, n) for n in range(1, 1503)]})
    assert len(rows_of(box)) == 1000
    assert "and 502 more rows: download the trace to see them" in texts(box)


def test_a_large_row_says_that_there_is_more():
    """Spans that are folded into a row are bounded as rows are."""
    inner = [span(1, n, 1, name="process", kind="internal", at_ms=n % 100, ms=1) for n in range(2, 2000)]
    assert len(list(components(box_of({"shop": [span(1, 1, ms=100), *inner]})))) < 20_000


def test_a_span_of_very_many_attributes_is_cut():
    """A single span does not make a page of megabytes."""
    many = {f"key-{number}": "" for number in range(5000)}
    assert len(list(components(box_of({"shop": [span(1, 1, attributes=many)]})))) < 5000


ODD = st.builds(
    span,
    trace=st.just(1),
    number=st.integers(1, 6),
    parent=st.integers(0, 6),
    name=st.sampled_from(["process", "queue.wait", "fault.x", "call b", "", SCRIPT]),
    kind=st.sampled_from(["internal", "server", "client", "unspecified"]),
    at_ms=st.integers(0, 100),
    ms=st.integers(-50, 100),
    error=st.none() | st.text(),
    attributes=st.dictionaries(st.text(), st.text() | st.integers(-5, 5) | st.booleans() | st.binary(max_size=4)),
)


@given(st.lists(ODD, min_size=1, max_size=8), st.booleans())
def test_no_trace_hurts(spans, every):
    """Whatever spans come, in cycles, ending before they start, or twice, there is a page of them."""
    box = box_of({"shop": spans}, every)
    assert_harmless(box)
    for part in [*of_class(box, "segment"), *of_class(box, "whole")]:
        for value in (getattr(part, "style", None) or {}).values():
            assert 0 <= float(value.removesuffix("%")) <= 100


def test_the_view_holds_the_box():
    """The box can be replaced, and the number of its spans is stored beside it."""
    view = trace_view(box_of(), (5, 2))
    assert by_id(view, "trace-shown").data == [5, 2]
    assert len(rows_of(by_id(view, "trace-box"))) == 2
