"""The spans of requests are the same, attribute by attribute, whether the short way makes them or the packages' own."""

from __future__ import annotations

import contextlib
from inspect import unwrap

import opentelemetry.sdk.trace as sdk
import pytest
import requests
from opentelemetry import propagate, trace
from opentelemetry.baggage import get_all
from opentelemetry.instrumentation import _semconv
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.utils import suppress_http_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.util.http import ExcludeList
from requests.structures import CaseInsensitiveDict

from simulator.engine.message import Answer
from simulator.errors import Unforeseen
from simulator.stage import short_spans
from simulator.stage.exchange import RECEIVED_UNIX_NS
from simulator.stage.http_wire import OutgoingRequest, make_session
from simulator.stage.instrumentation import instrument_app, instrument_requests
from simulator.telemetry.at_work import AtWork, Shown
from simulator.telemetry.late_spans import LateSpan
from simulator.telemetry.light_tracer import use_light_tracers
from simulator.telemetry.propagation import make_propagation
from simulator.telemetry.record import Outcome
from simulator.telemetry.traces import current_trace

CALLER = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "vendor=1", "baggage": "tenant=acme"}
CALLED = {"traceparent": CALLER["traceparent"], "baggage": "simulator.message_id=m-1"}
UNSAMPLED = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"}
SERVED = {
    "a message": {"path": "/messages", "data": b"x"},
    "of a trace": {"path": "/messages", "data": b"x", "headers": CALLER},
    "of a trace of stages": {"path": "/messages", "data": b"x", "headers": CALLED},
    "of a trace that is not recorded": {"path": "/messages", "data": b"x", "headers": UNSAMPLED},
    "with a query": {"path": "/messages?a=1&b=%20", "data": b"x"},
    "to a host with a port": {"path": "/messages", "data": b"x", "headers": {"Host": "shop.example:8080"}},
    "to an address of IPv6": {"path": "/messages", "data": b"x", "headers": {"Host": "[::1]:8080"}},
    "of a known client": {"path": "/messages", "data": b"x", "headers": {"User-Agent": "curl/8.1"}},
    "of a crawler": {"path": "/messages", "data": b"x", "headers": {"User-Agent": "Googlebot/2.1"}},
    "of a client with much to say": {"path": "/messages", "data": b"x", "headers": {"User-Agent": "x" * 2000}},
    "of nobody": {"path": "/messages", "data": b"x", "headers": {"User-Agent": ""}},
    "with a bad id": {"path": "/messages", "data": b"x", "headers": {"X-Message-Id": "\t"}},
    "empty": {"path": "/messages", "data": b""},
    "nowhere": {"path": "/nowhere", "data": b"x"},
    "nowhere with an unknown method": {"path": "/nowhere", "method": "BREW"},
    "by a wrong method": {"path": "/messages", "method": "GET"},
    "by an unknown method": {"path": "/messages", "method": "BREW"},
    "by HTTP/1.0": {"path": "/messages", "data": b"x", "environ_overrides": {"SERVER_PROTOCOL": "HTTP/1.0"}},
    "from an address": {"path": "/messages", "environ_overrides": {"REMOTE_ADDR": "10.0.0.9", "REMOTE_PORT": "4711"}},
}


@pytest.fixture(params=[False, True], ids=["at once", "late"])
def makes_late(monkeypatch, request):
    """Whether spans are made late, as in a stage: its tracers are light, and it has its own propagators."""
    if request.param:
        monkeypatch.setattr(sdk.Tracer, "start_span", unwrap(sdk.Tracer.start_span))
        use_light_tracers()
        monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", make_propagation({}, propagate.get_global_textmap()))
    return request.param


@pytest.fixture
def both_ways(monkeypatch, makes_late):
    """Return a function that calls another one in both ways, with the names that a stage's spans have."""
    names = dict.fromkeys(_semconv._OpenTelemetryStabilitySignalType, _semconv._StabilityMode.HTTP)
    stability = _semconv._OpenTelemetrySemanticConventionStability
    monkeypatch.setattr(stability, "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING", names)
    monkeypatch.setattr(stability, "_initialized", True)

    def call(function):
        short = function()
        with monkeypatch.context() as patch:
            patch.setattr(short_spans, "KNOWN_VERSION", "of another time")
            return short, function()

    return call


def spans_of(ended):
    """Return what there is to know of spans, except the ids and times that differ each time."""
    return [
        (
            span.name,
            span.kind,
            dict(span.attributes),
            (span.status.status_code, span.status.description),
            span.parent and (span.parent.trace_id == int("a" * 32, 16), span.parent.span_id == int("b" * 16, 16)),
            span.context.trace_state.to_header(),
            [(event.name, {**event.attributes, "exception.stacktrace": ""}) for event in span.events],
            span.instrumentation_scope,
        )
        for span in ended.get_finished_spans()
    ]


def failing_with(error):
    def fail(message):
        raise error

    return fail


@pytest.fixture
def serve_one(make_web):
    """Return a function that sends a request to an instrumented application, and returns its span."""

    def serve(options, handle=None, sampler=None, is_inner=False, starts=None, **stage):
        ended, provider = InMemorySpanExporter(), TracerProvider(sampler=sampler)
        provider.add_span_processor(SimpleSpanProcessor(ended))
        web = make_web(current_trace=current_trace, **stage)
        if handle is not None:
            web.rig.handling.handle = handle
        instrument_app(web.app, provider)
        try:
            status = web.client.open(**{"method": "POST", **options}).status_code
        except LookupError as raised:
            status = raised
        assert bool(current_trace().trace_id) == is_inner
        if starts is not None:
            starts += [span.start_time for span in ended.get_finished_spans()]
        return status, spans_of(ended)

    return serve


@pytest.mark.parametrize("case", SERVED, ids=lambda case: case.replace(" ", "-"))
def test_the_span_of_a_request_that_is_served(both_ways, serve_one, case):
    """Whatever a client sends, its span says the same in both ways."""
    short, own = both_ways(lambda: serve_one(SERVED[case]))
    assert short == own
    assert len(short[1]) == (0 if "not recorded" in case else 1)


def test_the_span_of_a_request_that_fails(both_ways, serve_one):
    """A fault is in the span as an error with its status, and an error of this program ends it."""
    short, own = both_ways(lambda: serve_one({"path": "/messages", "data": b"x"}, faults=["error(503, 100%)"]))
    assert short == own
    assert short[0] == 503
    assert short[1][0][2]["error.type"] == "503"
    error = LookupError("nothing there")
    short, own = both_ways(lambda: serve_one({"path": "/messages", "data": b"x"}, failing_with(error)))
    assert short == own
    assert (short[0], len(short[1])) == (error, 1)


def test_what_a_stage_says_of_a_failure_is_kept(both_ways, serve_one):
    """A status that is set when the answer has left has more to say than the code."""

    def handle(message):
        message.exchange.answer(Answer(error=Unforeseen()))
        trace.get_current_span().set_status(trace.StatusCode.ERROR, "the disk is full")

    short, own = both_ways(lambda: serve_one({"path": "/messages", "data": b"x"}, handle))
    assert short == own
    assert (short[0], short[1][0][3]) == (500, (trace.StatusCode.ERROR, "the disk is full"))


def test_a_request_that_is_not_sampled(both_ways, serve_one):
    """What is not recorded is served all the same."""
    short, own = both_ways(lambda: serve_one({"path": "/messages", "data": b"x"}, sampler=ALWAYS_OFF))
    assert short == own == (200, [])


def test_a_request_within_a_span(both_ways, serve_one):
    """A request that is served within a span of the same process is an inner span of it."""
    identity = trace.SpanContext(int("a" * 32, 16), int("b" * 16, 16), False, trace.TraceFlags(1))

    def within():
        with trace.use_span(trace.NonRecordingSpan(identity)):
            return serve_one({"path": "/messages", "data": b"x"}, is_inner=True)

    short, own = both_ways(within)
    assert short == own
    assert (short[1][0][1], short[1][0][4]) == (trace.SpanKind.INTERNAL, (True, True))


def test_a_span_is_made_when_the_answer_has_left(both_ways, makes_late, serve_one):
    """An answer waits for nothing of its span but the ids."""
    seen = []

    def handle(message):
        message.exchange.answer(Answer(outcome=Outcome.DELIVERED))
        seen.append((type(trace.get_current_span()) is LateSpan, current_trace().trace_id))

    short, own = both_ways(lambda: serve_one({"path": "/messages", "data": b"x", "headers": CALLED}, handle))
    assert short == own
    assert seen == [(makes_late, "a" * 32), (False, "a" * 32)]


def test_a_span_starts_with_the_first_byte(both_ways, serve_one):
    """It starts when the first byte of its request arrived."""
    overrides = {RECEIVED_UNIX_NS: 1_700_000_000_000_000_000}
    options = {"path": "/messages", "data": b"x", "environ_overrides": overrides}
    starts = []
    short, own = both_ways(lambda: serve_one(options, starts=starts))
    assert short == own
    assert starts == [1_700_000_000_000_000_000] * 2


class Adapter(requests.adapters.BaseAdapter):
    """Answer each request with a status, or raise what was asked for; keep what was sent, and in which context."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer
        self.sent = []

    def send(self, request, **_):
        self.sent.append((dict(request.headers), trace.get_current_span().is_recording(), get_all()))
        if not isinstance(self.answer, int):
            raise self.answer
        response = requests.Response()
        response.status_code, response.raw, response.request = self.answer, self, request
        return response

    version = 11

    def close(self):
        pass


class Stopped(BaseException):
    """What ends a call from outside, and is no error."""


def outgoing(url="http://enrich:8080/messages", method="POST", agent="simulator/1", **more):
    """Return a request of a stage."""
    request = OutgoingRequest()
    request.url, request.method, request.body = url, method, b""
    request.headers = CaseInsensitiveDict({"User-Agent": agent} if agent else {})
    for name, value in {"downstream": "enrich", **more}.items():
        setattr(request, name, value)
    return request


SENT = {
    "a call": (outgoing, 200),
    "a call that is refused": (outgoing, 404),
    "a call that fails": (outgoing, 503),
    "a call that is redirected": (outgoing, 302),
    "a call without an answer": (outgoing, requests.ReadTimeout("too late")),
    "a call to nobody": (outgoing, requests.ConnectionError("refused")),
    "a call that is stopped": (outgoing, Stopped()),
    "a second attempt": (lambda: outgoing(attempt=2), 200),
    "an operation": (lambda: outgoing(template="/orders/{id}", url="http://enrich/orders/7"), 200),
    "a named operation": (lambda: outgoing(template="/orders/{id}", span="place an order"), 200),
    "an unknown method": (lambda: outgoing(method="BREW"), 200),
    "a URL with a password": (lambda: outgoing("https://ann:secret@enrich/messages?sig=abc&a=1"), 200),
    "a URL with a strange port": (lambda: outgoing("http://enrich:99999/messages"), 200),
    "an address of IPv6": (lambda: outgoing("http://[::1]:8080/messages"), 200),
    "a long URL": (lambda: outgoing(f"http://enrich/{'x' * 1000}"), 200),
    "no user agent": (lambda: outgoing(agent=""), 200),
    "a crawler": (lambda: outgoing(agent="Googlebot/2.1"), 200),
    "another program's request": (lambda: requests.Request("GET", "http://x/y").prepare(), 200),
}


@pytest.fixture
def send_one():
    """Return a function that sends a request by an instrumented session, and returns what was sent and its span."""

    def send(make, answer, suppressed=False):
        ended, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(ended))
        at_work, adapter = AtWork(), Adapter(answer)
        at_work.add(Shown(provider, None))
        instrument_requests(at_work)
        try:
            with provider.get_tracer("simulator").start_as_current_span("around"):
                try:
                    with suppress_http_instrumentation() if suppressed else contextlib.nullcontext():
                        make_session(adapter).send(make(), stream=True)
                except (requests.RequestException, Stopped) as error:
                    assert error is answer
        finally:
            RequestsInstrumentor().uninstrument()
        headers, *others = adapter.sent[0]
        assert ("traceparent" in headers) != suppressed
        return headers.keys(), others, spans_of(ended)[:-1]

    return send


@pytest.mark.parametrize("case", SENT, ids=lambda case: case.replace(" ", "-"))
def test_the_span_of_a_request_that_is_sent(both_ways, send_one, case):
    """Whatever a stage sends, and whatever comes of it, its span says the same in both ways."""
    short, own = both_ways(lambda: send_one(*SENT[case]))
    assert short == own
    assert len(short[2]) == 1


def test_a_request_that_is_not_instrumented(both_ways, send_one):
    """A request within a span of its own kind has no other, and carries no context that is not its own."""
    short, own = both_ways(lambda: send_one(outgoing, 200, suppressed=True))
    assert short == own
    assert short[2] == []


@pytest.mark.parametrize("names", [{}, {"opt": "http/dup"}])
def test_other_names_are_the_packages_own_matter(names, serve_one, send_one, monkeypatch):
    """With the former names, or both, the packages make the spans themselves."""
    stability = _semconv._OpenTelemetrySemanticConventionStability
    mode = _semconv._StabilityMode.HTTP_DUP if names else _semconv._StabilityMode.DEFAULT
    mapping = dict.fromkeys(_semconv._OpenTelemetryStabilitySignalType, mode)
    monkeypatch.setattr(stability, "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING", mapping)
    monkeypatch.setattr(stability, "_initialized", True)
    (served,) = serve_one({"path": "/messages", "data": b"x"})[1]
    (sent,) = send_one(outgoing, 200)[2]
    for span in (served, sent):
        assert span[2]["http.method"] == "POST"
        assert ("http.request.method" in span[2]) == bool(names)


def test_headers_in_spans_are_the_packages_own_matter(both_ways, serve_one, send_one, monkeypatch):
    """Headers that a user wants in spans are there."""
    for side in ("SERVER", "CLIENT"):
        monkeypatch.setenv(f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_{side}_REQUEST", "User-Agent")
    short, own = both_ways(lambda: serve_one({"path": "/messages", "data": b"x", "headers": {"User-Agent": "mine"}}))
    assert short == own
    assert short[1][0][2]["http.request.header.user_agent"] == ("mine",)
    short, own = both_ways(lambda: send_one(outgoing, 200))
    assert short == own
    assert short[2][0][2]["http.request.header.user_agent"] == ("simulator/1",)


def test_the_short_way_is_taken(both_ways, serve_one, send_one, monkeypatch):
    """With the version that is installed, what takes the time of the packages' own way is not called."""

    def called(*_, **__):
        raise AssertionError("the packages' own way was taken")

    monkeypatch.setattr("opentelemetry.instrumentation.wsgi.collect_request_attributes", called)
    monkeypatch.setattr("opentelemetry.instrumentation.requests.set_ip_on_next_http_connection", called)

    found = []

    def both():
        found.append((serve_one({"path": "/messages", "data": b"x"})[0], len(send_one(outgoing, 200)[2])))

    with pytest.raises(AssertionError, match="own way was taken"):
        both_ways(both)
    assert found == [(200, 1)]


def test_urls_that_have_no_spans_are_the_packages_own_matter(both_ways, serve_one, send_one, monkeypatch):
    """A URL that a user wants no spans of has none, and another one has."""
    for package in ("flask", "requests"):
        excluded = f"opentelemetry.instrumentation.{package}._excluded_urls_from_env"
        monkeypatch.setattr(excluded, ExcludeList(["messages"]))
    short, own = both_ways(lambda: serve_one({"path": "/messages", "data": b"x"}))
    assert short == own == (200, [])
    short, own = both_ways(lambda: serve_one({"path": "/nowhere", "data": b"x"}))
    assert short == own
    assert len(short[1]) == 1
    short, own = both_ways(lambda: len(send_one(lambda: outgoing("http://enrich/other"), 200)[2]))
    assert short == own == 1
