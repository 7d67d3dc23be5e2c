"""Services and calls that the topology does not name."""

import itertools

import pytest

from simulator.console.metrics.figures import CallFigures
from simulator.console.system.external import MAX_NAME_CHARACTERS, ExternalServices, external_services
from simulator.console.traces.spans import Span

KNOWN = frozenset({"parse", "enrich"})


class Trace:
    """The spans of a trace: `call` adds one and returns its id."""

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
    """Return a trace in which a service `web` calls the stage `parse`."""
    trace = Trace()
    root = trace.add("web", "server")
    client = trace.add("web", "client", root, peer_service="parse")
    trace.add("parse", "server", client, **server)
    return trace


def test_a_system_without_external_services_has_none():
    """The stages and the calls between them are not external."""
    trace = Trace()
    client = trace.add("parse", "client", trace.add("parse", "server"), peer_service="enrich")
    trace.add("enrich", "server", client)
    assert external_services([trace.spans], KNOWN, 1.0) == ExternalServices({}, {})
    assert external_services([], KNOWN, 1.0) == ExternalServices({}, {})


def test_a_service_that_calls_a_stage():
    """It is a service with its requests, and its call has the figures of the stage's own span."""
    traces = [web_calls_parse().spans] * 8 + [web_calls_parse(seconds=0.5, is_error=True).spans] * 2
    found = external_services(traces, KNOWN, until_unix_seconds=5.0)
    assert list(found.services) == ["web"]
    assert found.services["web"].rate_per_second == 2.0
    assert found.services["web"].error_ratio == 0.0
    assert found.calls == {("web", "parse"): CallFigures(2.0, 0.2)}


@pytest.mark.parametrize(
    "names",
    [
        {"peer_service": "bank"},
        {"service_peer_name": "bank"},
        {"service_peer_name": "bank", "peer_service": "bank"},
        {"service_peer_name": "bank", "peer_service": "formerly"},
        {"service_peer_name": "", "peer_service": "bank"},
        {"service_peer_name": 7, "peer_service": "bank"},
    ],
)
def test_a_service_without_spans_is_known_from_its_callers(names):
    """A client's span without a server's names the other side as its peer, under the present name or the former."""
    trace = Trace()
    trace.add("parse", "client", trace.add("parse", "server"), seconds=0.3, is_error=True, **names)
    found = external_services([trace.spans], KNOWN, until_unix_seconds=1.0)
    assert (found.services["bank"].rate_per_second, found.services["bank"].error_ratio) == (1.0, 1.0)
    assert found.services["bank"].p50_seconds == pytest.approx(0.3)
    assert list(found.calls) == [("parse", "bank")]


@pytest.mark.parametrize("peer", ["", 7, None])
def test_a_peer_without_a_name_is_not_shown(peer):
    """Anything other than a service's name is not shown as one."""
    trace = Trace()
    trace.add("parse", "client", peer_service=peer)
    assert external_services([trace.spans], KNOWN, 1.0) == ExternalServices({}, {})


def test_inner_spans_are_not_requests():
    """What a service does internally does not count, even before the span around it has arrived."""
    trace = Trace()
    root = trace.add("web", "server")
    trace.add("web", "internal", trace.add("web", "internal", root))
    trace.add("web", "internal", "f" * 16)
    assert external_services([trace.spans], KNOWN, until_unix_seconds=1.0).services["web"].rate_per_second == 1


def test_a_server_whose_caller_has_no_spans_is_one():
    """A caller that sends a trace's context but no spans still makes a request."""
    trace = Trace()
    trace.add("web", "server", "f" * 16)
    trace.add("web", "consumer", "e" * 16)
    found = external_services([trace.spans], KNOWN, until_unix_seconds=1.0)
    assert (found.services["web"].rate_per_second, found.calls) == (2.0, {})


def test_percentiles_are_those_of_the_requests():
    """p50 and p99 of a hundred requests are the fiftieth and the ninety-ninth."""
    traces = []
    for number in range(1, 101):
        trace = Trace()
        trace.add("web", "server", seconds=number / 100)
        traces.append(trace.spans)
    figures = external_services(traces, KNOWN, 1.0).services["web"]
    assert (figures.p50_seconds, figures.p99_seconds) == (0.5, 0.99)


@pytest.mark.parametrize(
    ("requests", "seconds", "rate"), [(1, 20.0, 0.05), (1, 1.0, 1.0), (30, 20.0, 1.5), (1, 0.0, 1.0)]
)
def test_rates_are_requests_by_the_time_since_the_first(requests, seconds, rate):
    """However short the requests are and however close together, the rate is over all the time since then."""
    traces = []
    for number in range(requests):
        trace = Trace()
        trace.add("web", "client", start=100 + number / 1000, seconds=0.01, peer_service="bank")
        traces.append(trace.spans)
    found = external_services(traces, KNOWN, until_unix_seconds=100.0 + seconds)
    rates = [found.services["web"], found.services["bank"], found.calls["web", "bank"]]
    assert [each.rate_per_second for each in rates] == pytest.approx([rate] * 3)


def test_a_busy_service_has_its_rate_beside_a_quiet_one():
    """Of a busy one only the latest requests are known: its rate is over the time of those."""
    traces = []
    for service, starts in (("busy", [59 + n / 100 for n in range(100)]), ("quiet", [0.0, 30.0])):
        for start in starts:
            trace = Trace()
            trace.add(service, "server", start=start)
            traces.append(trace.spans)
    found = external_services(traces, KNOWN, until_unix_seconds=60.0).services
    assert {name: figures.rate_per_second for name, figures in found.items()} == pytest.approx(
        {"busy": 100.0, "quiet": 2 / 60}
    )


def test_a_service_with_an_endless_name_is_left_out():
    """Neither one with spans nor one that is only called is shown with an endless name; others are."""
    endless, longest = "x" * 2**20, "y" * MAX_NAME_CHARACTERS
    trace = Trace()
    client = trace.add(endless, "client", trace.add(endless, "server"), peer_service="web")
    server = trace.add("web", "server", client)
    for peer in (endless, longest, longest + "y"):
        trace.add("web", "client", server, peer_service=peer)
    trace.add(endless, "server", trace.add("web", "client", server))
    found = external_services([trace.spans], KNOWN, until_unix_seconds=1.0)
    assert {name: figures.rate_per_second for name, figures in found.services.items()} == {"web": 1.0, longest: 1.0}
    assert list(found.calls) == [("web", longest)]


def test_services_may_call_in_cycles_and_spans_be_their_own_parents():
    """Nothing is followed from span to span, so no cycle of spans or services is endless."""
    trace = Trace()
    first = trace.add("a", "server", "0000000000000002")
    trace.add("b", "server", first)
    trace.add("a", "server", "0000000000000003")
    found = external_services([trace.spans], KNOWN, until_unix_seconds=1.0)
    assert set(found.calls) == {("a", "b"), ("b", "a")}


def test_a_span_that_arrived_twice_counts_once():
    """An exporter that retries does not double the traffic."""
    trace = web_calls_parse()
    found = external_services([trace.spans * 2], KNOWN, until_unix_seconds=1.0)
    assert found.calls["web", "parse"].rate_per_second == 1


def test_only_the_busiest_of_many_are_shown():
    """Endless names do not fill the picture: the busiest stay, and the calls between the shown ones."""
    traces = [web_calls_parse().spans] * 3
    for number in range(200):
        trace = Trace()
        trace.add(f"web-{number}", "client", peer_service=f"peer-{number}")
        traces.append(trace.spans)
    found = external_services(traces, KNOWN, 1.0, max_services=1)
    assert (list(found.services), list(found.calls)) == (["web"], [("web", "parse")])
