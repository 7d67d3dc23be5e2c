"""What comes in from one service goes on to the next unchanged, where it is not a stage's own."""

from __future__ import annotations

import logging

import pytest
from opentelemetry import context, propagate, trace
from opentelemetry.baggage import get_baggage, set_baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.instrumentation.wsgi import wsgi_getter
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from simulator.telemetry.baggage import MAX_BYTES, VerbatimBaggage, WithMessage
from simulator.telemetry.late_spans import NO_PARENT, SAMPLED
from simulator.telemetry.propagation import VerbatimTraceContext, install_propagation, make_propagation

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
OWN = "simulator.message_id=m-1"


@pytest.fixture
def propagation():
    """The propagators of a stage that was told nothing of them."""
    return make_propagation({}, CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]))


def handed_on(propagation, headers, message_id="m-1"):
    """Send the headers through a stage, and return those that it sends on."""
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    token = context.attach(propagation.extract(environ, Context(), getter=wsgi_getter))
    sent = {}
    try:
        with TracerProvider().get_tracer("test").start_as_current_span("serve"), WithMessage(message_id):
            propagation.inject(sent)
    finally:
        context.detach(token)
    return sent


@pytest.mark.parametrize(
    "came",
    [
        "user=ann",
        "note=two%20words",
        "note=a+b",
        "user=ann;ttl=3",
        "user=ann;ttl=3;secret , flag",
        "a=1,b=2 ,\t c=3",
        "a=%C3%A9, b=%zz, c=%",
        "no-value,=no-key,,;,a==b=c",
        'quoted="x y"',
        "caf\xe9=\xe9",
        "a=1,a=2",
        "long=" + "x" * 5000,
        ",".join(f"k{number}=v" for number in range(200)),
        "x" * MAX_BYTES,
    ],
    ids=lambda came: came[:20],
)
def test_baggage_is_handed_on_as_it_came(propagation, came, caplog):
    """Not a byte of others' baggage changes, well-formed or not, and nothing is logged of it."""
    with caplog.at_level(logging.DEBUG):
        sent = handed_on(propagation, {"baggage": came})
    assert sent["baggage"] in (came, f"{came},{OWN}")
    assert len(came) > MAX_BYTES - 100 or sent["baggage"].endswith(OWN)
    assert caplog.records == []


def test_the_id_of_an_earlier_stage_gives_way(propagation):
    """A stage's own member stands for the one before it, and for none that is only called like it."""
    came = "a=1, simulator.message_id = m-0;x=1 ,simulator.message_id2=b,x.simulator.message_id=c"
    sent = handed_on(propagation, {"baggage": came})
    assert sent["baggage"] == f"a=1,simulator.message_id2=b,x.simulator.message_id=c,{OWN}"
    assert handed_on(propagation, {"baggage": OWN}, "m-2")["baggage"] == "simulator.message_id=m-2"


def test_without_baggage_the_id_is_all(propagation):
    """The id travels as baggage that every reader of W3C baggage reads as it is."""
    assert handed_on(propagation, {})["baggage"] == OWN
    sent = handed_on(propagation, {}, "a+b/c=d@e:f")
    read = W3CBaggagePropagator().extract(sent, Context())
    assert get_baggage("simulator.message_id", read) == "a+b/c=d@e:f"


def test_outside_a_message_there_is_no_id(propagation):
    """The id is baggage of what is called for the message alone, also where that ends in an error."""
    sent = {}
    with pytest.raises(ZeroDivisionError), WithMessage("m-1"):
        raise ZeroDivisionError
    propagation.inject(sent, Context())
    assert sent == {}


def test_several_headers_are_one(propagation):
    """Baggage in several headers is forwarded in one, in order."""

    class Several:
        def get(self, carrier, key):
            return carrier.get(key)

        def keys(self, carrier):
            return list(carrier)

    extracted = propagation.extract({"baggage": ["a=1", "b=%20;p"]}, Context(), getter=Several())
    sent = {}
    propagation.inject(sent, extracted)
    assert sent["baggage"] == "a=1,b=%20;p"


def test_baggage_beyond_all_bounds(caplog):
    """Of more than 8,192 bytes whole members are left out at the end, and the log has one line however many come."""
    propagation = VerbatimBaggage()
    came = ",".join(f"key{number}=value" for number in range(1000))
    for _ in range(3):
        sent = handed_on(propagation, {"baggage": came})["baggage"]
    assert len(sent) <= MAX_BYTES
    members = sent.removesuffix(f",{OWN}").split(",")
    assert members == came.split(",")[: len(members)]
    assert len(members) > 600
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert handed_on(propagation, {"baggage": "x" * 20_000})["baggage"] == OWN


def test_the_trace_goes_on(propagation):
    """The trace id is the caller's, and the span id is the stage's."""
    sent = handed_on(propagation, {"traceparent": TRACEPARENT})
    assert sent["traceparent"].startswith(f"00-{TRACE_ID}-")
    assert SPAN_ID not in sent["traceparent"]
    assert "tracestate" not in sent


@pytest.mark.parametrize(
    "came",
    [
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "a=1 ,\t b=2",
        "a=1,,b=2",
        "a=1,a=2",
        "0digit=1",
        "UPPER=1,b=2",
        "no value",
        ",".join(f"k{number}=v" for number in range(40)),
        "x" * 8192,
    ],
    ids=lambda came: came[:20],
)
def test_trace_state_is_handed_on_as_it_came(propagation, came, caplog):
    """Not a byte of a trace state changes, whatever it is, and nothing is logged of it."""
    with caplog.at_level(logging.DEBUG):
        sent = handed_on(propagation, {"traceparent": TRACEPARENT, "tracestate": came})
    assert sent["tracestate"] == came
    assert sent["traceparent"].startswith(f"00-{TRACE_ID}-")
    assert caplog.records == []


def test_a_well_formed_trace_state_is_in_the_span(propagation):
    """Spans show the members of a trace state, and none of one that can't be read."""

    def state(came):
        headers = {"traceparent": TRACEPARENT, "tracestate": came}
        span = trace.get_current_span(propagation.extract(headers, Context()))
        return dict(span.get_span_context().trace_state)

    assert state("rojo=1, congo=2") == {"rojo": "1", "congo": "2"}
    assert state("rojo=1,no value") == {}
    changed = propagation.extract({"traceparent": TRACEPARENT, "tracestate": "a=1 ,b=2"}, Context())
    changed_state = trace.get_current_span(changed).get_span_context().trace_state.add("c", "3")
    assert changed_state.to_header() == "c=3,a=1,b=2"


TRACE_PARENTS = [
    *(f"00-{TRACE_ID}-{SPAN_ID}-{flags}" for flags in ("00", "01", "02", "03", "04", "ff", "1", "0g", "001")),
    *(f"{version}-{TRACE_ID}-{SPAN_ID}-01" for version in ("01", "fe", "ff", "0", "0A")),
    *(f"00-{TRACE_ID}-{SPAN_ID}-01{more}" for more in ("-", "-more", " ", "\t", "x")),
    *(f"{version}-{TRACE_ID}-{SPAN_ID}-01-more" for version in ("00", "01")),
    f" {TRACEPARENT}",
    f"00-{'0' * 32}-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{'0' * 16}-01",
    f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
    f"00-{TRACE_ID[1:]}-{SPAN_ID}-01",
    f"00-\u0661{TRACE_ID[1:]}-{SPAN_ID}-01",
    "",
    "-",
]


@pytest.mark.parametrize("traceparent", TRACE_PARENTS)
def test_a_trace_parent_is_read_as_by_the_package(traceparent):
    """The usual one has a short way; each one, also a malformed one, means what it means to OpenTelemetry."""
    for headers in ({"traceparent": traceparent}, {"traceparent": [traceparent, TRACEPARENT]}, {}):
        own = trace.get_current_span(TraceContextTextMapPropagator().extract(headers, Context()))
        found = trace.get_current_span(VerbatimTraceContext().extract(headers, Context()))
        assert found.get_span_context() == own.get_span_context()


@pytest.mark.parametrize("parent", [None, *TRACE_PARENTS, f"{TRACEPARENT},{TRACEPARENT}"])
@pytest.mark.parametrize("state", [None, "", "a=1"])
@pytest.mark.parametrize(
    "came", [None, "", OWN, f"{OWN};x=1", f"{OWN},a=1", f"a=1,{OWN}", "a=1", f"{OWN}2=1", f" {OWN}"]
)
def test_the_usual_headers_mean_the_same_in_one_look(propagation, parent, state, came):
    """What they say at once is all that they say; what may say more is left to the propagators."""
    usual = propagation.usual_parent(parent, state, came)
    if usual is None:
        assert parent != TRACEPARENT or state or came not in (None, OWN, f"{OWN};x=1")
        return
    headers = {"traceparent": parent, "tracestate": state, "baggage": came}
    found = propagation.extract({name: value for name, value in headers.items() if value is not None}, Context())
    span = trace.get_current_span(found).get_span_context()
    assert len(found) == (0 if usual is NO_PARENT else 1)
    assert span.is_valid == (usual is not NO_PARENT)
    if span.is_valid:
        trace_id, span_id, flags = usual
        assert (trace_id, span_id, int(flags, 16)) == (TRACE_ID, SPAN_ID, span.trace_flags)
        assert (flags in SAMPLED) == span.trace_flags.sampled


@pytest.mark.parametrize(
    "traceparent", [None, "nonsense", f"00-{'0' * 32}-{SPAN_ID}-01", f"ff-{TRACE_ID}-{SPAN_ID}-01"]
)
def test_a_trace_state_without_a_trace_means_nothing(propagation, traceparent):
    """Where there is no trace to go on with a new one starts, without the trace state of another."""
    headers = {"tracestate": "a=1"} | ({"traceparent": traceparent} if traceparent else {})
    sent = handed_on(propagation, headers)
    assert "tracestate" not in sent
    assert TRACE_ID not in sent["traceparent"]


def test_an_overlong_trace_state_is_left_out(propagation):
    """Beyond 8,192 bytes a trace state is dropped, and the trace goes on."""
    sent = handed_on(propagation, {"traceparent": TRACEPARENT, "tracestate": "x" * 8193})
    assert "tracestate" not in sent
    assert TRACE_ID in sent["traceparent"]


@pytest.mark.parametrize("said", ["none", " None ", "tracecontext,none"])
def test_no_propagators_means_none(said):
    """With OTEL_PROPAGATORS=none nothing is sent along, and what comes along is not taken up."""
    propagation = make_propagation({"OTEL_PROPAGATORS": said}, CompositePropagator([]))
    assert handed_on(propagation, {"traceparent": TRACEPARENT, "baggage": "a=1"}) == {}


def test_other_propagators_are_left_alone():
    """What OTEL_PROPAGATORS names is what is used: without baggage none, and a propagator of another kind as it is."""

    class Other(TraceContextTextMapPropagator):
        pass

    other = Other()
    propagation = make_propagation({"OTEL_PROPAGATORS": "other"}, CompositePropagator([other]))
    assert handed_on(propagation, {"baggage": "a=1"}).keys() == {"traceparent"}
    assert [type(part) for part in propagation._propagators] == [Other]


def test_baggage_of_another_propagator_goes_along(propagation):
    """What another propagator has read into OpenTelemetry's own baggage is baggage of the next stage too."""
    sent = {}
    extracted = propagation.extract({"baggage": "a=1"}, Context())
    propagation.inject(sent, set_baggage("of jaeger", "x y", extracted))
    assert sent["baggage"] == "a=1,of%20jaeger=x%20y"


def test_a_process_has_these_propagators():
    """The entry of a process puts ours in the place of OpenTelemetry's own."""
    before = propagate.get_global_textmap()
    try:
        install_propagation({})
        kinds = [type(part) for part in propagate.get_global_textmap()._propagators]
        assert kinds == [VerbatimTraceContext, VerbatimBaggage]
        assert propagate.get_global_textmap().fields == {"traceparent", "tracestate", "baggage"}
    finally:
        propagate.set_global_textmap(before)


def sent_baggage(propagation, came, members):
    """Return the baggage that a stage sends which got some and adds its own members."""
    token = context.attach(propagation.extract({"HTTP_BAGGAGE": came}, Context(), getter=wsgi_getter))
    sent = {}
    try:
        with WithMessage("m-1", members):
            propagation.inject(sent)
    finally:
        context.detach(token)
    return sent["baggage"]


def test_members_of_its_own_are_escaped_and_replace_those_that_came(propagation):
    """What came of another name stays as it is, byte for byte."""
    members = {"tenant": "gold & more, 5%", "app.hit": "true"}
    own = f"{OWN},tenant=gold%20%26%20more%2C%205%25,app.hit=true"
    assert sent_baggage(propagation, "", members) == own
    came = "user=ann;ttl=3, tenant = silver;x=1,tenants=2"
    assert sent_baggage(propagation, came, members) == f"user=ann;ttl=3,tenants=2,{own}"


def test_of_too_many_members_the_last_are_left_out(propagation):
    """Each as a whole; what others sent comes first."""
    members = {f"k{number}": "v" * 90 for number in range(50)}
    sent = sent_baggage(propagation, "a=" + "x" * 6000, members).split(",")
    assert sent[:3] == ["a=" + "x" * 6000, OWN, "k0=" + "v" * 90]
    assert len(",".join(sent)) <= MAX_BYTES < len(",".join(sent)) + 100
    assert set(sent[2:]) <= {f"{name}={value}" for name, value in members.items()}
    alone = sent_baggage(propagation, "", {f"k{number}": "v" * 90 for number in range(200)})
    assert alone.startswith(OWN) and len(alone) <= MAX_BYTES
