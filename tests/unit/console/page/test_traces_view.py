"""The received traces: the search and the list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.page.traces_view import Search, clock_text, trace_rows, traces_view
from simulator.console.traces.search import TraceQuery
from simulator.console.traces.store import TraceStore
from simulator.console.traces.summary import TraceSummary
from tests.support.components import (
    addresses,
    assert_harmless,
    by_id,
    components,
    ids,
    of_class,
    size_of,
    text_of,
    texts,
)
from tests.support.otlp import request, span, trace_hex

SCRIPT = '"><script>alert(1)</script>'
NOW = 1_800_000_000_000_000_000
SEARCHES = st.builds(Search, text=st.text(), stage=st.text(), longer=st.text(), shorter=st.text(), errors=st.booleans())


def summary(**changes):
    values = {
        "trace_id": trace_hex(1),
        "root_service": "injector",
        "root_name": "inject",
        "start_unix_ns": 1_700_000_000_123_000_000,
        "duration_seconds": 0.0123,
        "spans": 15,
        "services": (("injector", 4), ("parse", 11)),
        "errors": 0,
        "faults": (),
        "message_ids": ("m-1",),
    }
    return TraceSummary(**{**values, **changes})


def row_of(**changes):
    [_, row] = trace_rows([summary(**changes)], Search())
    return row


@given(SEARCHES)
def test_a_search_is_read_back_from_its_address(search):
    """Whatever was typed comes back from the address as it was, with or without its question mark."""
    written = search.query_string
    assert Search.of(written) == search
    assert Search.of(written.removeprefix("?")) == search
    assert (written == "") == (search == Search())


@given(st.text())
def test_any_address_is_a_search(query_string):
    """An address that somebody made up is read as what it may mean."""
    assert isinstance(Search.of(query_string), Search)


@pytest.mark.parametrize(
    ("query_string", "search"),
    [
        ("?stage=parse&errors=1", Search(stage="parse", errors=True)),
        ("?errors=0", Search()),
        ("?errors=true", Search()),
        ("?text=a&text=b", Search(text="b")),
        ("?stage=cart&operation=GET%20%2Fcarts%2F%7Bid%7D", Search(stage="cart", operation="GET /carts/{id}")),
        ("?longer=100ms&shorter=2s&unknown=x", Search(longer="100ms", shorter="2s")),
    ],
)
def test_an_address_as_a_person_writes_it(query_string, search):
    """Of a duplicate key the last one counts, and unknown ones are ignored."""
    assert Search.of(query_string) == search


def test_the_query_of_a_search():
    """Durations are read with their units, blanks around them are ignored, and the list has its bound."""
    found = Search(" m-1 ", "parse", " 100ms", "2s ", True, " GET /carts/{id}").query(NOW)
    assert found == TraceQuery(
        service="parse",
        operation="GET /carts/{id}",
        text="m-1",
        min_duration_seconds=0.1,
        max_duration_seconds=2.0,
        errors_only=True,
        start_max_unix_ns=None,
        limit=30,
    )


def test_the_very_latest_are_left_out_but_for_their_id():
    """A trace that just began does not have all its spans; a search by id shows it anyway."""
    assert Search().query(NOW).start_max_unix_ns == NOW - 1_500_000_000
    assert Search(text="  ").query(NOW).start_max_unix_ns == NOW - 1_500_000_000
    assert Search(text="m-1").query(NOW).start_max_unix_ns is None


@pytest.mark.parametrize("text", ["5", "soon", "-1s", "1 week", "nan", "1e999s"])
@pytest.mark.parametrize("key", ["longer", "shorter"])
def test_a_wrong_duration(key, text):
    """The error says what is allowed."""
    with pytest.raises(ValueError, match=r"write|must be|allowed are|did you mean"):
        Search(**{key: text}).query(NOW)


def test_the_search_shows_what_was_searched():
    """Every field has what the address says, and each field its label."""
    view = traces_view(Search("m-1", "parse", "100ms", "2s", True), ["enrich", "parse"])
    values = {name: by_id(view, f"search-{name}").value for name in ("text", "stage", "longer", "shorter", "errors")}
    assert values == {"text": "m-1", "stage": "parse", "longer": "100ms", "shorter": "2s", "errors": ["1"]}
    assert by_id(traces_view(Search(), []), "search-errors").value == []
    labelled = [part for part in components(view) if part._type == "Label"]
    assert [texts(part)[0] for part in labelled] == [
        "Message id or trace id", "Stage", "Operation", "Longer than", "Shorter than",
    ]  # fmt: skip
    assert by_id(traces_view(Search(operation="GET /x"), []), "search-operation").value == "GET /x"


def test_the_operations_that_are_suggested():
    """The field suggests them, and takes any other name."""
    view = traces_view(Search(), [], ["GET /carts/{id}", "POST /carts"])
    assert [option.value for option in components(view) if option._type == "Option"] == [
        "GET /carts/{id}", "POST /carts",
    ]  # fmt: skip


def test_the_services_to_choose_from():
    """Any, and each service, whose name is text, cut where it is long, and whose value is the whole name."""
    names = ["parse", SCRIPT, "x" * 200]
    view = traces_view(Search(), names)
    options = by_id(view, "search-stage").options
    assert options[0] == {"label": "any", "value": ""}
    assert [option["value"] for option in options[1:]] == names
    assert [option["label"] for option in options[1:]] == ["parse", SCRIPT, "x" * 62 + "…"]
    assert_harmless(view)


def test_every_place_of_the_search_is_there_once():
    """No two elements have the same id."""
    found = ids(traces_view(Search(), ["parse"]))
    assert len(set(found)) == len(found)


def test_nothing_found():
    """A search without matches and a console without traces have different texts."""
    assert text_of(trace_rows([], Search())) == "No traces yet."
    assert text_of(trace_rows([], Search(text="m-1"))) == "No trace matches the search."


def test_a_row_summarises_a_trace():
    """When it began, where, its stages, message, spans and duration; it leads to the trace."""
    row = row_of()
    assert texts(row) == [
        "22:13:20.123",
        "injector",
        " ",
        "inject",
        " ",
        "injector, parse",
        "m-1",
        "15",
        "12.3ms",
    ]
    assert row.href == f"/traces/{trace_hex(1)}"


def test_the_list_has_a_head_and_the_order_that_it_was_given():
    """One row for each trace, as many columns in the head as in a row."""
    head, first, second = trace_rows([summary(), summary(trace_id=trace_hex(2))], Search())
    assert [row.href for row in (first, second)] == [f"/traces/{trace_hex(1)}", f"/traces/{trace_hex(2)}"]
    assert len(head.children) == len(first.children)


@pytest.mark.parametrize(
    ("changes", "marks"),
    [
        ({}, []),
        ({"errors": 1}, ["1 error"]),
        ({"errors": 3}, ["3 errors"]),
        ({"errors": 1, "faults": ("error",)}, ["1 error", "error"]),
        ({"faults": ("a", "b", "c", "d")}, ["a", "b", "c"]),
    ],
)
def test_errors_and_faults_are_marked(changes, marks):
    """How many spans failed, and up to three injected faults."""
    assert [text_of(part) for part in of_class(row_of(**changes), "badge")] == marks


def test_a_trace_without_a_message_has_its_id():
    """Without a message id the row has the trace's own, and of many message ids the first three."""
    assert trace_hex(1) in texts(row_of(message_ids=()))
    assert "a, b, c" in texts(row_of(message_ids=("a", "b", "c", "d")))


def test_text_from_outside_is_text():
    """Names, faults and message ids are shown as they are, and lead nowhere."""
    row = row_of(
        root_service=SCRIPT, root_name=SCRIPT, services=((SCRIPT, 1),), faults=(SCRIPT,), message_ids=("javascript:x",)
    )
    assert_harmless(row)
    assert addresses(row) == [f"/traces/{trace_hex(1)}"]
    assert {SCRIPT, "javascript:x"} <= set(texts(row))


def test_text_from_outside_is_cut():
    """Whatever the length of names and ids, a row takes some kilobytes."""
    long = "x" * 100_000
    row = row_of(root_service=long, root_name=long, services=((long, 1),), faults=(long,) * 9, message_ids=(long,) * 9)
    assert max(map(len, texts(row))) <= 250
    assert size_of(row) < 4000


def test_a_trace_of_a_thousand_services_has_a_row_like_any():
    """The sender of spans decides how many services there are, but not how large the list is."""
    store = TraceStore()
    store.add(request(**{f"service-{'x' * 30}-{n}": [span(1, n + 1)] for n in range(1000)}))
    assert size_of(trace_rows(store.find(TraceQuery()), Search())) < 10_000


@pytest.mark.parametrize(
    ("unix_ns", "text"),
    [
        (0, "00:00:00.000"),
        (1_700_000_000_123_456_789, "22:13:20.123"),
        (1_700_000_000_999_000_000, "22:13:20.999"),
        (2**64 - 1, "23:34:33.709"),
        (10**30, "-"),
        (-(10**30), "-"),
    ],
)
def test_the_time_of_day(unix_ns, text):
    """UTC, to the millisecond, and a dash for an impossible time."""
    assert clock_text(unix_ns) == text


@given(st.integers(0, 2**64 - 1))
def test_no_time_hurts(unix_ns):
    """Whatever a span calls its start, it is shown as something."""
    assert len(clock_text(unix_ns)) in (1, 12)


@pytest.mark.parametrize("field", ["text", "stage", "longer", "shorter"])
@pytest.mark.parametrize("text", ["1" * 20_000, "1" * 20_000 + "ms", "0." + "0" * 20_000 + "s"])
def test_a_long_text_is_refused_before_any_pattern_sees_it(field, text):
    """Twenty thousand digits in a box, which takes no token to fill, are refused for their number."""
    with pytest.raises(ValueError, match=r"the search: 20,00\d characters; at most 300 are read"):
        Search(**{field: text}).query(0)
