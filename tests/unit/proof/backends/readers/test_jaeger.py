"""Reading traces from Jaeger's API, page by page."""

from __future__ import annotations

import urllib.parse
from datetime import datetime

import pytest

from simulator.proof.backends.held import BackendError
from simulator.proof.backends.readers import jaeger
from simulator.proof.backends.readers.fetching import BackendClient
from simulator.proof.backends.readers.jaeger import RunSought, read_jaeger
from tests.support.odd_servers import answering_json
from tests.support.otlp_content import span, spans

BEGIN = 1_700_000_000


class FakeJaeger:
    """Answer as Jaeger does: at most `limit` traces of a window, whole, and 404 for a trace that it does not have."""

    def __init__(self, traces, services=("start",), limit=500):
        self.traces, self.services, self.limit = traces, services, limit

    def __call__(self, target):
        path, _, query = target.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        if path == "/api/v3/services":
            return 200, {"services": list(self.services)}
        if path != "/api/v3/traces":
            number = int(path.rpartition("/")[2], 16)
            if number not in self.traces:
                return 404, {"error": {"httpCode": 404}}
            return 200, {"result": spans("start", *self.traces[number])}
        assert asked["query.raw_traces"] == "true"
        start, end = (datetime.fromisoformat(asked[f"query.start_time_{side}"]).timestamp() for side in ("min", "max"))
        fitting = [found for number, found in self.traces.items() if start <= BEGIN + number <= end]
        found = [one for trace in fitting[: min(self.limit, int(asked["query.num_traces"]))] for one in trace]
        return 200, {"result": spans("start", *found)}


def read(fake, expected, entries=("start",), **options):
    sought = RunSought(
        trace_ids=[f"{number:032x}" for number in expected],
        entries=entries,
        start_unix_seconds=BEGIN,
        end_unix_seconds=BEGIN + 1000,
    )
    with answering_json(fake) as (origin, asked), BackendClient(origin, **options) as client:
        return read_jaeger(client, sought), asked


def test_a_run_of_few_traces_takes_two_requests():
    """The services and one window."""
    held, asked = read(FakeJaeger({number: [span(number)] for number in range(1, 101)}), range(1, 101))
    assert [found.trace_id for found in held.spans] == [f"{number:032x}" for number in range(1, 101)]
    assert len(asked) == 2


def test_a_full_window_is_halved(monkeypatch):
    """No trace is left out because an answer holds only so many."""
    monkeypatch.setattr(jaeger, "_TRACES_PER_ANSWER", 20)
    held, asked = read(FakeJaeger({number: [span(number)] for number in range(1, 101)}), range(1, 101))
    assert len(held.spans) == 100
    assert 8 < len(asked) < 40
    assert not any("/traces/" in path for path in asked)


def test_an_answer_that_is_too_large_is_halved():
    """A window whose answer exceeds the limit in bytes is asked for in parts."""
    traces = {number: [span(number, name="x" * 1000)] for number in range(1, 101)}
    held, _ = read(FakeJaeger(traces), range(1, 101), max_bytes=30_000)
    assert len(held.spans) == 100


def test_a_trace_that_no_window_has_is_asked_for_by_its_id():
    """Its first service may be missing, or its times moved; one that is not there is a status of 404."""
    held, asked = read(FakeJaeger({1: [span(1)], 5000: [span(5000)]}), [1, 2, 5000])
    assert {found.trace_id for found in held.spans} == {f"{number:032x}" for number in (1, 5000)}
    assert sum("/traces/" in path for path in asked) == 2


def test_a_service_that_jaeger_does_not_know_is_not_searched():
    """The traces are then asked for one by one."""
    held, asked = read(FakeJaeger({1: [span(1)]}, services=()), [1])
    assert len(held.spans) == 1
    assert not any("service_name" in path for path in asked)


def test_traces_of_other_runs_are_counted_and_left_out():
    """A backend that others use too has more than the run."""
    held, _ = read(FakeJaeger({number: [span(number)] for number in range(1, 11)}), [3])
    assert [found.trace_id for found in held.spans] == [f"{3:032x}"]
    assert held.others == {"traces": 9}


def test_doubled_spans_stay_doubled():
    """Each copy is held."""
    held, _ = read(FakeJaeger({1: [span(1), span(1)]}), [1])
    assert len(held.spans) == 2


def test_another_api_is_told():
    """JSON that is not Jaeger's, as of another backend at that address."""
    with pytest.raises(BackendError, match="not Jaeger's API"):
        read(lambda path: (200, {"status": "success"}), [1])


def test_what_can_not_be_read_is_counted():
    """A span with a time that is none does not keep the others from being read."""
    held, _ = read(FakeJaeger({1: [span(1), span(1, 2, startTimeUnixNano="yesterday"), "x"]}), [1])
    assert len(held.spans) == 1
    assert held.unreadable == {"spans": 2}
