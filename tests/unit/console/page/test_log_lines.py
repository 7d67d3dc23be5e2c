"""Log lines on the page."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.logs.files import read_line
from simulator.console.logs.line import ShownLine
from simulator.console.page.log_lines import log_lines
from tests.support.components import assert_harmless, classes, components, size_of, text_of, texts

SCRIPT = '"><script>alert(1)</script>'
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def line(level="info", event="message.handled", label="parse", **fields):
    written = {"timestamp": "2026-03-01T12:34:56.789012Z", "level": level, "event": event, **fields}
    return read_line(json.dumps(written).encode(), label)


def summary_of(shown):
    [summary] = [part for part in components(shown) if part._type == "Summary"]
    return texts(summary)


def test_a_line_in_short():
    """It begins with the time to the millisecond, the level, the writer and the event; the important fields follow."""
    [shown] = log_lines([line(code=200, outcome="forwarded", duration_seconds=0.5, body_bytes=12)], "nothing")
    assert summary_of(shown) == [
        "12:34:56.789",
        "info",
        "parse",
        "message.handled",
        " ",
        "outcome=forwarded  code=200  duration_seconds=0.5",
    ]


def test_the_whole_line_on_demand():
    """Every field is there, as JSON, with letters of every script as they are."""
    [shown] = log_lines([line(stage="parse", error="zu spät – 遅い", nested={"a": [1, None]})], "nothing")
    [whole] = [part for part in components(shown) if part._type == "Pre"]
    assert json.loads(text_of(whole)) == {"stage": "parse", "error": "zu spät – 遅い", "nested": {"a": [1, None]}}
    assert "遅い" in text_of(whole)


@pytest.mark.parametrize("value", [0, False, ""])
def test_values_of_zero_are_shown_too(value):
    """Only what a line does not have, or has as null, is left out."""
    [shown] = log_lines([line(code=value, error=None)], "nothing")
    assert summary_of(shown)[-1] == f"code={value}"


@pytest.mark.parametrize(
    ("level", "kind"),
    [
        *(("info", "line"), ("debug", "line"), ("x y", "line"), ("", "line")),
        *(("warning", "line warning"), ("error", "line error"), ("fatal", "line error")),
    ],
)
def test_what_is_wrong_stands_out(level, kind):
    """A warning and an error have a class of their own, and no other word of a log becomes one."""
    [shown] = log_lines([line(level=level)], "nothing")
    assert shown.className == kind
    assert summary_of(shown)[1] == ("warn" if level == "warning" else level), "colour alone says nothing to some people"


def test_lines_keep_their_order():
    """They are shown as they are given."""
    shown = log_lines([line(label="b"), line(label="a")], "nothing")
    assert [summary_of(part)[2] for part in shown] == ["b", "a"]


def test_no_lines_are_a_text():
    """Without lines the given text is shown."""
    [shown] = log_lines([], "No log lines yet.")
    assert text_of(shown) == "No log lines yet."


def test_a_script_in_a_line_is_text():
    """Whatever a field is called or says, it is shown and nothing more."""
    shown = log_lines([line(level=SCRIPT, event=SCRIPT, label=SCRIPT, outcome=SCRIPT, **{SCRIPT: SCRIPT})], "nothing")
    assert_harmless(shown)
    assert SCRIPT in texts(shown)
    assert not [name for name in classes(shown) if "script" in name]


def test_a_long_line_is_cut():
    """A line of the maximum length takes a few kilobytes of a page, and each of its parts is cut."""
    long = "x" * 30_000
    shown = log_lines(
        [ShownLine("2026-03-01T12:34:56Z", 0.0, "info", long, long, {"outcome": long, "other": long})], ""
    )
    assert size_of(shown) < 8000
    assert max(map(len, texts(shown))) <= 4000
    assert all(len(text) <= 200 for text in summary_of(shown[0]))


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=5), st.text(), st.text())
def test_no_line_hurts(fields, event, label):
    """Whatever a line has, it is shown."""
    found = log_lines([ShownLine("2026-03-01", 0.0, "info", event, label, fields)], "")
    assert_harmless(found)
    json.dumps(texts(found))
