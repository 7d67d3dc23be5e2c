"""What metrics say of calls: each attempt by its code, and each call by its outcome."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.telemetry.metrics import code_label
from simulator.telemetry.record import CallOutcome
from tests.support.measuring import Rig, tell
from tests.support.records import arrival, attempt, called


def test_each_try_and_the_call():
    """A call with three attempts is three observations by code and one by outcome, as its last attempt ended."""
    rig = Rig()
    attempts = ((CallOutcome.UNREACHABLE, None), (CallOutcome.ERROR_STATUS, 503), (CallOutcome.OK, 200))
    tell(rig.metrics, *attempts, seconds=0.875)
    attempts = "simulator_downstream_attempt_duration_seconds"
    for code in ("unreachable", "503", "200"):
        assert rig.sample(f"{attempts}_count", downstream="enrich", code=code) == 1
        assert rig.sample(f"{attempts}_sum", downstream="enrich", code=code) == 0.25
    calls = "simulator_downstream_call_duration_seconds"
    assert rig.series(f"{calls}_count") == [{"downstream": "enrich", "outcome": "ok"}]
    assert rig.sample(f"{calls}_sum", downstream="enrich", outcome="ok") == 0.875
    tell(rig.metrics, (CallOutcome.TIMEOUT, None), seconds=1.0)
    assert rig.sample(f"{calls}_count", downstream="enrich", outcome="timeout") == 1
    assert rig.sample(f"{attempts}_count", downstream="enrich", code="timeout") == 1


def test_a_try_is_recorded_as_it_ends():
    """An attempt is in its metric before the call that it belongs to has ended, whether another one follows or not."""
    rig = Rig()
    for retry_in_seconds in (0.5, None):
        rig.metrics.attempted(arrival(), "enrich", attempt(CallOutcome.ABANDONED, None), retry_in_seconds)
    name = "simulator_downstream_attempt_duration_seconds_count"
    assert rig.sample(name, downstream="enrich", code="abandoned") == 2
    assert rig.sample("simulator_downstream_call_duration_seconds_count", downstream="enrich", outcome="ok") == 0


@pytest.mark.parametrize("outcome", [CallOutcome.BREAKER_OPEN, CallOutcome.EXPIRED])
def test_a_call_without_a_try(outcome):
    """A call that was given up before its first attempt is a call by its outcome, and adds no attempt."""
    rig = Rig()
    rig.metrics.sent(arrival(), called(outcome=outcome, code=None))
    calls = "simulator_downstream_call_duration_seconds_count"
    assert rig.sample(calls, downstream="enrich", outcome=str(outcome)) == 1
    assert rig.series("simulator_downstream_attempt_duration_seconds_count") == []


def test_a_call_counts_as_it_ended_itself():
    """A call is recorded by its own outcome, which may be another than that of its last attempt."""
    rig = Rig()
    broken = attempt(CallOutcome.BROKEN, None)
    rig.metrics.attempted(arrival(), "enrich", broken, 0.5)
    rig.metrics.sent(arrival(), called("enrich", broken, outcome=CallOutcome.EXPIRED, code=None))
    calls = "simulator_downstream_call_duration_seconds_count"
    assert rig.sample(calls, downstream="enrich", outcome="expired") == 1
    assert rig.sample(calls, downstream="enrich", outcome="broken") is None


@pytest.mark.parametrize(
    ("code", "outcome", "label"),
    [
        (200, CallOutcome.OK, "200"),
        (418, CallOutcome.ERROR_STATUS, "418"),
        (599, CallOutcome.ERROR_STATUS, "other"),
        (999, CallOutcome.ERROR_STATUS, "other"),
        (None, CallOutcome.TIMEOUT, "timeout"),
        (None, CallOutcome.BROKEN, "broken"),
        (None, CallOutcome.UNREACHABLE, "unreachable"),
        (None, CallOutcome.ABANDONED, "abandoned"),
    ],
)
def test_the_code_of_a_try(code, outcome, label):
    """The label is the status where HTTP knows it, `other` where it does not, and the way it ended without one."""
    assert code_label(code, outcome) == label


@given(codes=st.lists(st.integers(100, 999), max_size=200))
def test_whatever_is_answered_the_codes_are_a_closed_set(codes):
    """However a downstream answers, the code is one that HTTP knows or `other`: the series can't grow without end."""
    known = {str(code) for code in (*range(100, 104), *range(200, 209), 226, *range(300, 309), *range(400, 512))}
    assert {code_label(code, CallOutcome.ERROR_STATUS) for code in codes} <= known | {"other"}
    assert [code_label(code, CallOutcome.OK) for code in (204, 404, 503)] == ["204", "404", "503"]


CLIENT = "http_client_request_duration_seconds_count"


@pytest.mark.parametrize(
    ("method", "address", "status", "error", "labels"),
    [
        ("POST", "http://127.0.0.1:8081/messages", 200, "", ("POST", "127.0.0.1", "8081", "200", "")),
        ("GET", "https://shop.example", 404, "404", ("GET", "shop.example", "443", "404", "404")),
        ("BREW", "http://[::1]/pot", None, "timeout", ("_OTHER", "::1", "80", "", "timeout")),
        ("PUT", "http://a:1", 799, "799", ("PUT", "a", "1", "other", "_OTHER")),
    ],
)
def test_requests_under_opentelemetry_s_name(method, address, status, error, labels):
    """Every label is of a closed set: an unknown method or status counts under one value, and a port is told."""
    rig = Rig()
    for _ in range(2):
        rig.metrics.record_request(method, address, status, error, 0.25)
    names = ("http_request_method", "server_address", "server_port", "http_response_status_code", "error_type")
    assert rig.sample(CLIENT, **dict(zip(names, labels, strict=True))) == 2
