"""The parameters of Jaeger's API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.traces.api_parameters import (
    BadParameter,
    read_boolean,
    read_count,
    read_duration,
    read_query,
    read_time,
    read_trace_id,
)
from simulator.console.traces.search import TraceQuery

TIMES = {"query.start_time_min": "2026-11-22T10:00:00Z", "query.start_time_max": "2026-11-22T11:00:00Z"}
MIN_NS, MAX_NS = 1_795_341_600_000_000_000, 1_795_345_200_000_000_000


def test_the_least_that_is_asked_for():
    """The bounds of the start alone ask for the latest 20 traces between them."""
    assert read_query(TIMES) == TraceQuery(start_min_unix_ns=MIN_NS, start_max_unix_ns=MAX_NS, limit=20)


def test_every_parameter_under_both_of_its_names():
    """The names of protobuf and of JSON mean the same query."""
    asked = {
        "service_name": "parse",
        "operation_name": "POST /messages",
        "duration_min": "200ms",
        "duration_max": "1.5s",
        "search_depth": "7",
        "raw_traces": "true",
    }
    camel = {
        "query.serviceName": "parse",
        "query.operationName": "POST /messages",
        "query.durationMin": "200ms",
        "query.durationMax": "1.5s",
        "query.searchDepth": "7",
        "query.rawTraces": "true",
        "query.startTimeMin": TIMES["query.start_time_min"],
        "query.startTimeMax": TIMES["query.start_time_max"],
    }
    expected = TraceQuery("parse", "POST /messages", "", 0.2, 1.5, False, {}, MIN_NS, MAX_NS, 7)
    assert read_query({f"query.{name}": value for name, value in asked.items()} | TIMES) == expected
    assert read_query(camel) == expected


def test_the_number_of_traces_has_an_older_name_too():
    """Both query.search_depth and query.num_traces set the number; the first takes precedence."""
    assert read_query(TIMES | {"query.num_traces": "3"}).limit == 3
    assert read_query(TIMES | {"query.num_traces": "3", "query.search_depth": "5"}).limit == 5


def test_empty_parameters_and_durations_of_0_ask_for_nothing():
    """A parameter without a value counts as missing; a duration of 0 is no bound."""
    empty = dict.fromkeys(("query.service_name", "query.search_depth", "query.duration_min"), "")
    assert read_query(TIMES | empty | {"query.duration_max": "0"}) == read_query(TIMES)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "query.start_time_min and query.start_time_max are required"),
        ({"query.start_time_min": TIMES["query.start_time_min"]}, "query.start_time_min and query.start_time_max are"),
        (TIMES | {"query.start_time_min": "now"}, "malformed parameter query.start_time_min: 'now' is not a time"),
        (TIMES | {"query.startTimeMin": "now"}, "malformed parameter query.startTimeMin: 'now' is not a time"),
        (TIMES | {"query.search_depth": "0"}, "malformed parameter query.search_depth: '0' is not a number from 1"),
        (TIMES | {"query.num_traces": "x"}, "malformed parameter query.num_traces: 'x' is not a number from 1"),
        (TIMES | {"query.duration_min": "5"}, "malformed parameter query.duration_min: '5' is not a duration"),
        (TIMES | {"query.raw_traces": "no"}, "malformed parameter query.raw_traces: 'no' is neither true nor false"),
    ],
)
def test_an_invalid_parameter_is_named(given, message):
    """The error says which parameter is wrong, what it was and what is allowed."""
    with pytest.raises(BadParameter) as raised:
        read_query(given)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
        ("2026-11-22T10:00:00.000000001Z", MIN_NS + 1),
        ("2026-11-22T10:00:00.1234567899Z", MIN_NS + 123_456_789),
        ("2026-11-22T12:00:00+02:00", MIN_NS),
        ("2026-11-22T04:30:00-05:30", MIN_NS),
        ("2026-11-22T10:00:00,25Z", MIN_NS + 250_000_000),
    ],
)
def test_times_are_read_to_the_nanosecond(text, nanoseconds):
    """RFC 3339 with or without a fraction and an offset; digits beyond nanoseconds are left out."""
    assert read_time(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        *("yesterday", "2026-11-22", "2026-11-22T10:00:00", "2026-11-22 10:00:00Z", "2026-11-22t10:00:00z"),
        *("2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-22T25:00:00Z", "2026-11-22T10:00:00+99:00"),
        *("2026-11-22T10:00:00.Z", "٢٠٢٦-11-22T10:00:00Z", "1795341600", "2026-11-22T10:00:00Z\n", ""),
    ],
)
def test_what_is_not_a_time_is_refused(text):
    """Other formats, days that do not exist and digits of other scripts are not times."""
    with pytest.raises(ValueError, match=r".+"):
        read_time(text)


@given(st.datetimes(), st.integers(-23 * 60, 23 * 60))
def test_every_time_is_read_as_it_was_written(moment, offset_minutes):
    """Any time of the years 1 to 9999, in any zone, is read exactly."""
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    expected = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    assert read_time(aware.isoformat()) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("1.5s", 1.5), ("200ms", 0.2), ("200000us", 0.2), ("5µs", 5e-6), ("5μs", 5e-6), ("7ns", 7e-9)],
        *[("1m30s", 90.0), ("1h2m", 3720.0), (".5s", 0.5), ("2.s", 2.0), ("0", 0.0), ("+1s", 1.0), ("-1.5s", -1.5)],
    ],
)
def test_durations_are_read_as_in_go(text, seconds):
    """Numbers with units, several of them added up, with a sign where one is wanted."""
    assert read_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["x", "5", "", "-", "1e3ms", " 1s", "1s ", "1s5", ".s", "--1s", "-+1s", "١s", "9" * 19 + "s"]
)
def test_what_is_not_a_duration_is_refused(text):
    """A number without a unit, spaces, exponents and too many digits are not durations."""
    with pytest.raises(ValueError, match="is not a duration like"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "full"), [("abc", "0" * 29 + "abc"), ("ABC" + "0" * 29, "abc" + "0" * 29), ("f" * 32, "f" * 32)]
)
def test_trace_ids_may_leave_out_zeros(text, full):
    """An id is hexadecimal in any case, up to 32 digits."""
    assert read_trace_id(text) == full


@pytest.mark.parametrize("text", ["", "xyz", "1" * 33, "ab cd", " abc", "0x1", "١", "abc\n", "a_b"])
def test_what_is_not_a_trace_id_is_refused(text):
    """The error about other letters, spaces and more digits says what is allowed."""
    with pytest.raises(BadParameter, match=r"malformed parameter trace_id: .* is not 1 to 32 hexadecimal digits"):
        read_trace_id(text)


@pytest.mark.parametrize("text", ["-1", "1.5", "", "1000000000", "1_000", "٣", "1\n"])
def test_what_is_not_a_number_of_traces_is_refused(text):
    """A number of traces is whole, at least 1, and has at most 9 digits."""
    with pytest.raises(ValueError, match="is not a number from 1 to 999999999"):
        read_count(text)


@pytest.mark.parametrize(("text", "truth"), [("true", True), ("T", True), ("1", True), ("False", False), ("0", False)])
def test_booleans_are_read_as_in_go(text, truth):
    """True and false may be written in every way that Go accepts."""
    assert read_boolean(text) is truth


@given(st.text(max_size=40))
def test_no_text_raises_anything_but_a_value_error(text):
    """Whatever is in a parameter, it is read or refused with ValueError."""
    for read in (read_time, read_duration, read_count, read_boolean, read_trace_id):
        try:
            read(text)
        except ValueError as error:
            assert len(str(error)) < 400
