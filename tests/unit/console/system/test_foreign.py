"""Services and calls that the topology does not name."""

import itertools
import math

import pytest

from simulator.console.system.foreign import Foreign, foreign_system
from simulator.console.traces.spans import Span

KNOWN = frozenset({"parse", "enrich"})


class Trace:
    """Make the spans of a trace: `call` adds one and gives its id."""

    def __init__(self):
        self.spans = []
        self._numbers = itertools.count(1)

    def add(self, service, kind, parent="", start=0.0, seconds=0.1, is_error=False, **attributes):
        span_id = f"{next(self._numbers):016x}"
        self.spans.append(
            Span(
                trace_id="a" * 32,
                span_id=span_id,
                parent_id=parent,
                service=service,
                instance="",
                name="anything",
                kind=kind,
                start_unix_ns=round(start * 1e9),
                end_unix_ns=round((start + seconds) * 1e9),
                attributes={key.replace("_", "."): value for key, value in attributes.items()},
                is_error=is_error,
            )
        )
        return span_id


def web_calls_parse(**server):
    """Give a trace in which a service `web` calls the stage `parse`."""
    trace = Trace()
    root = trace.add("web", "server")
    client = trace.add("web", "client", root, peer_service="parse")
    trace.add("parse", "server", client, **server)
    return trace


def test_a_system_without_strangers_has_none():
    """The stages and the calls between them are no news."""
    trace = Trace()
    client = trace.add("parse", "client", trace.add("parse", "server"), peer_service="enrich")
    trace.add("enrich", "server", client)
    assert foreign_system([trace.spans], KNOWN) == Foreign({}, {})
    assert foreign_system([], KNOWN) == Foreign({}, {})


def test_a_service_that_calls_a_stage():
    """It is a service with its requests, and its call is one with what the stage's own span says of it."""
    traces = [web_calls_parse().spans] * 8 + [web_calls_parse(seconds=0.5, is_error=True).spans] * 2
    found = foreign_system(traces, KNOWN, window_seconds=5.0)
    assert list(found.services) == ["web"]
    assert found.services["web"].rate_per_second == 2.0
    assert found.services["web"].error_ratio == 0.0
    call = found.calls["web", "parse"]
    assert (call.rate_per_second, call.error_ratio, call.p99_seconds) == (2.0, 0.2, 0.5)
    assert list(found.calls) == [("web", "parse")]


def test_a_service_without_spans_is_known_from_its_callers():
    """A client's span without a server's names the other side as its peer."""
    trace = Trace()
    trace.add("parse", "client", trace.add("parse", "server"), seconds=0.3, is_error=True, peer_service="bank")
    found = foreign_system([trace.spans], KNOWN, window_seconds=1.0)
    assert (found.services["bank"].rate_per_second, found.services["bank"].error_ratio) == (1.0, 1.0)
    assert found.services["bank"].p50_seconds == pytest.approx(0.3)
    assert list(found.calls) == [("parse", "bank")]


@pytest.mark.parametrize("peer", ["", 7, None])
def test_a_peer_without_a_name_is_none(peer):
    """What is not the name of a service is not shown as one."""
    trace = Trace()
    trace.add("parse", "client", peer_service=peer)
    assert foreign_system([trace.spans], KNOWN) == Foreign({}, {})


def test_inner_spans_are_no_requests():
    """What a service does within itself does not count, also while the span it belongs to has not come yet."""
    trace = Trace()
    root = trace.add("web", "server")
    trace.add("web", "internal", trace.add("web", "internal", root))
    trace.add("web", "internal", "f" * 16)
    assert foreign_system([trace.spans], KNOWN, window_seconds=1.0).services["web"].rate_per_second == 1


def test_a_server_whose_caller_has_no_spans_is_one():
    """Whoever sends a trace's context and no spans still makes a request."""
    trace = Trace()
    trace.add("web", "server", "f" * 16)
    trace.add("web", "consumer", "e" * 16)
    found = foreign_system([trace.spans], KNOWN, window_seconds=1.0)
    assert (found.services["web"].rate_per_second, found.calls) == (2.0, {})


def test_percentiles_are_those_of_the_requests():
    """p50 and p99 of a hundred requests are the fiftieth and the ninety-ninth."""
    traces = []
    for number in range(1, 101):
        trace = Trace()
        trace.add("web", "server", seconds=number / 100)
        traces.append(trace.spans)
    figures = foreign_system(traces, KNOWN).services["web"]
    assert (figures.p50_seconds, figures.p99_seconds) == (0.5, 0.99)


def test_without_a_window_rates_are_over_the_time_of_the_spans():
    """The time reaches from the first start to the last end; where it is none there is no rate."""
    trace = Trace()
    trace.add("web", "server", start=100.0, seconds=1.0)
    trace.add("web", "server", start=103.0, seconds=1.0)
    assert foreign_system([trace.spans], KNOWN).services["web"].rate_per_second == 0.5
    instant = Trace()
    instant.add("web", "server", start=100.0, seconds=0.0)
    assert math.isnan(foreign_system([instant.spans], KNOWN).services["web"].rate_per_second)


def test_services_may_call_in_circles_and_spans_be_their_own_parents():
    """Nothing is followed from span to span, so no circle of spans or services has no end."""
    trace = Trace()
    first = trace.add("a", "server", "0000000000000002")
    trace.add("b", "server", first)
    trace.add("a", "server", "0000000000000003")
    found = foreign_system([trace.spans], KNOWN, window_seconds=1.0)
    assert set(found.calls) == {("a", "b"), ("b", "a")}


def test_a_span_that_came_twice_counts_once():
    """An exporter that tries again doubles no traffic."""
    trace = web_calls_parse()
    found = foreign_system([trace.spans * 2], KNOWN, window_seconds=1.0)
    assert found.calls["web", "parse"].rate_per_second == 1


def test_only_the_busiest_of_many_are_shown():
    """Names without end fill no picture: the busiest stay, and the calls between those that are shown."""
    traces = [web_calls_parse().spans] * 3
    for number in range(200):
        trace = Trace()
        trace.add(f"web-{number}", "client", peer_service=f"peer-{number}")
        traces.append(trace.spans)
    found = foreign_system(traces, KNOWN, most_services=1)
    assert (list(found.services), list(found.calls)) == (["web"], [("web", "parse")])
