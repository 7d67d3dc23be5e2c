"""The story of one message in one stage, told in full."""

from __future__ import annotations

import contextlib
import contextvars
import json
import math
import uuid
from collections import Counter

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage
from prometheus_client import CollectorRegistry

from simulator.behaviour.delays import parse_delay
from simulator.behaviour.distributions import Constant
from simulator.behaviour.draws import draw, next_visit
from simulator.errors import (
    DeadlinePassed,
    DownstreamFailed,
    DownstreamTooSlow,
    InjectedFault,
    InvalidMessage,
    KeepingFailed,
    MessageError,
    RateLimited,
    Rejected,
)
from simulator.stage.capacity import Place
from simulator.stage.handling import Behaviour
from simulator.telemetry.logs import LogSink, make_logger
from simulator.telemetry.metrics import Metrics
from simulator.telemetry.record import CallOutcome, Clock, Outcome, Via
from simulator.topology.model import Stage

BINARY = bytes(range(256)) * 3


def host(request):
    return requests.utils.urlparse(request.url).hostname


def answering(status, headers=None, body=b""):
    return lambda _: (status, headers or {}, body)


def raising(error):
    def answer(_):
        raise error

    return answer


def binomial_interval(trials, share, confidence):
    """Give the exact central interval: the fewest and most hits that are not in a tail of (1 - confidence) / 2."""
    if share in (0, 1):
        return trials * share, trials * share
    tail, logs = (1 - confidence) / 2, (math.log(share), math.log1p(-share))

    def probability(hits):
        ways = math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
        return math.exp(ways + hits * logs[0] + (trials - hits) * logs[1])

    below = above = 0.0
    low, high = 0, trials
    while below + probability(low) <= tail:
        below += probability(low)
        low += 1
    while above + probability(high) <= tail:
        above += probability(high)
        high -= 1
    return low, high


def test_the_interval_is_exact():
    """The tests' own yardstick is right where it can be worked out by hand: ten throws of a coin."""
    # P(0 or 10) = 2/1024, P(1 or 9) = 20/1024, P(2 or 8) = 90/1024.
    assert binomial_interval(10, 0.5, 1 - 1.9 / 1024) == (0, 10)
    assert binomial_interval(10, 0.5, 1 - 2.1 / 1024) == (1, 9)
    assert binomial_interval(10, 0.5, 1 - 22.1 / 1024) == (2, 8)
    assert binomial_interval(10, 0, 0.999) == (0, 0)


def test_a_message_that_ends_here(make_stage, make_message):
    """A terminator processes a message for its delay, keeps it untouched and delivers it."""
    rig = make_stage(delay=Constant(0.25))
    record = rig.handle(make_message(BINARY, "application/octet-stream"))
    assert rig.kept.messages == [(BINARY, "application/octet-stream")]
    assert rig.sleeps == [0.25]
    assert (record.outcome, record.code) == (Outcome.DELIVERED, 200)
    assert (record.queue_wait_seconds, record.processing_seconds, record.duration_seconds) == (0.0, 0.25, 0.25)
    assert record.pipeline_seconds == pytest.approx(0.75, abs=1e-6)  # due half a second before it came
    assert rig.hearer.records == [record]


def test_the_arrival_is_what_came(make_stage, make_message):
    """What is recorded of the arrival is the message's own data, the clocks' and the trace's."""
    rig = make_stage()
    rig.time.advance(2.0)
    rig.handle(make_message(message_id="m-9", visit="ab12", caller="injector", via=Via.SCHEDULE))
    (arrival,) = rig.hearer.arrivals
    assert (arrival.message_id, arrival.visit, arrival.caller, arrival.via) == ("m-9", "ab12", "injector", "schedule")
    assert (arrival.content_type, arrival.body_bytes) == ("application/json", 8)
    assert (arrival.received_at, arrival.received_unix_ns) == (2.0, 1_700_000_002_000_000_000)
    assert arrival.due_unix_seconds == 1_699_999_999.5
    assert arrival.trace.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_the_chapters_come_in_order(make_stage, make_message):
    """A message is read, then processed, then sent on to each call in turn, each after the answer of the one before."""
    story = []

    def sleep(time, seconds):
        story.append("processing")
        time.advance(seconds)

    def answer(request):
        story.append(host(request))
        return 200, {}, b""

    def read():
        story.append("reading")
        return b"x"

    rig = make_stage(delay=Constant(0.5), calls=("price", "stock", "price", "archive"), answer=answer, sleep=sleep)
    record = rig.handle(make_message(content_type="text/plain", read=read))
    assert story == ["reading", "processing", "price", "stock", "price", "archive"]
    assert record.outcome is Outcome.FORWARDED
    assert rig.hearer.begun == [call.downstream for call in rig.hearer.calls] == story[2:]
    assert record.calls == tuple(rig.hearer.calls)
    assert rig.kept.messages == []


def test_what_is_sent_on_is_what_came(make_stage, make_message):
    """Every call gets the body byte for byte, its content type, the message's id and due time, and nothing besides."""
    rig = make_stage(calls=("price", "stock"))
    rig.handle(make_message(BINARY, "image/x-made-up; q=1", message_id="order/7", visit="abcd"))
    assert [request.body for request in rig.adapter.requests] == [BINARY, BINARY]
    assert [request.url for request in rig.adapter.requests] == [
        "http://price:8080/messages",
        "http://stock:8080/messages",
    ]
    for index, request in enumerate(rig.adapter.requests):
        assert request.method == "POST"
        assert dict(request.headers) == {
            "User-Agent": "simulator/0.1.0",
            "Accept": "*/*",
            "Connection": "keep-alive",
            "Content-Length": "768",
            "Content-Type": "image/x-made-up; q=1",
            "X-Message-Id": "order/7",
            "X-Simulator-Caller": "parse",
            "X-Simulator-Visit": next_visit("abcd", f"parse/{index}", 1),
            "X-Simulator-Due": "1699999999.5",
        }


def test_each_call_is_a_visit_of_its_own(make_stage, make_message):
    """Calls of one stage, and a call of another visit, each cause a different visit, and always the same one."""
    rig = make_stage(calls=("price", "price", "price"))
    for visit in ("0", "1", "0"):
        rig.handle(make_message(visit=visit))
    visits = [request.headers["X-Simulator-Visit"] for request in rig.adapter.requests]
    assert visits[:3] == visits[6:]
    assert len(set(visits[:6])) == 6
    assert visits[:3] == [next_visit("0", f"parse/{index}", 1) for index in range(3)]


def test_the_first_call_that_fails_ends_the_story(make_stage, make_message):
    """After a call that failed nobody else is called, and the record has the calls that were made."""

    def answer(request):
        return (500 if host(request) == "stock" else 200), {}, b""

    rig = make_stage(calls=("price", "stock", "archive"), answer=answer)
    with pytest.raises(DownstreamFailed, match="stock: it answered 500"):
        rig.handle(make_message())
    assert [host(request) for request in rig.adapter.requests] == ["price", "stock"]
    assert [(call.downstream, call.outcome) for call in rig.record.calls] == [
        ("price", CallOutcome.OK),
        ("stock", CallOutcome.ERROR_STATUS),
    ]
    assert (rig.record.outcome, rig.record.code) == (Outcome.FAILED, 502)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_downstream_is_a_success_here(make_stage, make_message, status):
    """Every status 2xx of a call means that the message was forwarded."""
    rig = make_stage(calls=("enrich",), answer=answering(status))
    record = rig.handle(make_message())
    assert (record.outcome, record.code) == (Outcome.FORWARDED, 200)
    assert [call.code for call in record.calls] == [status]


INJECTED = {"X-Simulator-Injected": "true"}


@pytest.mark.parametrize(
    ("answer", "error", "outcome", "code", "tried"),
    [
        (answering(302), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.ERROR_STATUS, 302)),
        (answering(400), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.ERROR_STATUS, 400)),
        (answering(404), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.ERROR_STATUS, 404)),
        (answering(500), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.ERROR_STATUS, 500)),
        (answering(503), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.ERROR_STATUS, 503)),
        (answering(503, INJECTED), DownstreamFailed, Outcome.FAULTED, 502, (CallOutcome.ERROR_STATUS, 503)),
        (answering(418, INJECTED), DownstreamFailed, Outcome.FAULTED, 502, (CallOutcome.ERROR_STATUS, 418)),
        (raising(requests.ReadTimeout()), DownstreamTooSlow, Outcome.FAILED, 504, (CallOutcome.TIMEOUT, None)),
        (raising(requests.ConnectTimeout()), DownstreamTooSlow, Outcome.FAILED, 504, (CallOutcome.TIMEOUT, None)),
        (raising(requests.ConnectionError()), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.BROKEN, None)),
        (raising(OSError("gone")), DownstreamFailed, Outcome.FAILED, 502, (CallOutcome.BROKEN, None)),
    ],
)
def test_a_failure_downstream_is_told_as_what_it_is(make_stage, make_message, answer, error, outcome, code, tried):
    """A call's error, silence or break makes this handling fail with 502 or 504, and faulted where it was injected."""
    rig = make_stage(calls=("enrich",), answer=answer)
    with pytest.raises(error) as raised:
        rig.handle(make_message())
    assert raised.value.injected is (outcome is Outcome.FAULTED)
    assert (rig.record.outcome, rig.record.code, rig.record.faults) == (outcome, code, ())
    (call,) = rig.record.calls
    assert (call.outcome, call.code) == tried


def test_a_success_with_the_mark_of_a_fault_is_a_success(make_stage, make_message):
    """An answer 2xx is a success whatever headers it bears."""
    rig = make_stage(calls=("enrich",), answer=answering(200, INJECTED))
    assert rig.handle(make_message()).outcome is Outcome.FORWARDED


def test_the_time_downstream_is_the_calls_time(make_stage, make_message):
    """The calls' durations are measured each by itself, and their sum is the time downstream."""
    rig = make_stage(delay=Constant(0.5), calls=("price", "stock"))

    def answer(request):
        rig.time.advance({"price": 0.25, "stock": 2.0}[host(request)])
        return 200, {}, b""

    rig.adapter.answer = answer
    record = rig.handle(make_message())
    assert [call.duration_seconds for call in record.calls] == [0.25, 2.0]
    assert (record.processing_seconds, record.downstream_seconds, record.duration_seconds) == (0.5, 2.25, 2.75)


@given(
    seed=st.integers(0, 2**63 - 1),
    message_id=st.text("abc-123", min_size=1, max_size=20),
    visit=st.text("0123456789abcdef", min_size=1, max_size=16),
    delay=st.sampled_from(
        [
            "constant(10ms)",
            "uniform(5ms, 50ms)",
            "exponential(20ms)",
            "normal(20ms, 5ms)",
            "lognormal(p50=12ms, p99=80ms, max=1s)",
            "pareto(min=5ms, shape=1.5, max=5s)",
            "mixture(95%: uniform(5ms, 20ms), 5%: constant(1s))",
            "constant(0s)",
        ]
    ),
)
def test_the_delay_is_the_quantile_that_was_drawn(make_stage, make_message, seed, message_id, visit, delay):
    """The delay is exactly the distribution's quantile of the draw for this seed, stage, message and visit."""
    distribution = parse_delay(delay)
    rig = make_stage(seed=seed, delay=distribution)
    record = rig.handle(make_message(message_id=message_id, visit=visit))
    drawn = distribution.quantile(draw(seed, "parse", message_id, visit, "delay"))
    assert record.delay_drawn_seconds == record.processing_seconds == drawn
    assert rig.sleeps == ([drawn] if drawn else [])


def test_a_sleep_that_wakes_early_is_slept_again(make_stage, make_message):
    """Processing is never shorter than the delay that was drawn, however often the sleep wakes before its time."""
    wakings = []

    def too_short(time, seconds):
        wakings.append(seconds)
        time.advance(seconds * 0.75 if len(wakings) <= 5 else seconds)

    rig = make_stage(delay=Constant(1.0), sleep=too_short)
    record = rig.handle(make_message())
    assert wakings == [1.0, 0.25, 0.0625, 0.015625, 0.00390625, 0.0009765625]
    assert (record.delay_drawn_seconds, record.processing_seconds) == (1.0, 1.0)


def test_a_sleep_that_wakes_late_is_told(make_stage, make_message):
    """Where a sleep took longer than was drawn, the record says both, the drawn and the taken time."""
    rig = make_stage(delay=Constant(1.0), sleep=lambda time, seconds: time.advance(seconds + 0.5))
    record = rig.handle(make_message())
    assert (record.delay_drawn_seconds, record.processing_seconds) == (1.0, 1.5)


def test_no_delay_is_no_sleep(make_stage, make_message):
    """A stage without a delay does not sleep at all."""
    rig = make_stage(delay=Constant(0.0))
    assert rig.handle(make_message()).delay_drawn_seconds == 0.0
    assert rig.sleeps == []


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"", "text/plain"), (b"", "application/json"), (b"{", "application/json")]
)
def test_an_invalid_message_costs_nothing(make_stage, make_message, body, content_type):
    """A message that is empty, or not the JSON it claims to be, gets no worker, no delay, no fault and no call."""
    rig = make_stage(delay=Constant(1.0), faults=["error(503, 100%)"], calls=("enrich",), workers=1, queue=0)
    with rig.capacity.worker(), pytest.raises(InvalidMessage):
        rig.handle(make_message(body, content_type))
    assert (rig.sleeps, rig.adapter.requests) == ([], [])
    assert (rig.record.outcome, rig.record.code, rig.record.queue_wait_seconds) == (Outcome.INVALID, 400, None)


def test_a_message_that_can_t_be_read_is_observed(make_stage, make_message):
    """What is wrong with a body is recorded like every other end of a message."""

    def read():
        raise InvalidMessage("too much", 413, "Content too large")

    rig = make_stage()
    with pytest.raises(InvalidMessage):
        rig.handle(make_message(read=read))
    assert [(record.outcome, record.code) for record in rig.hearer.records] == [(Outcome.INVALID, 413)]


def test_no_room_is_no_delay(make_stage, make_message):
    """A message for which there is no room is rejected with 503 at once, unprocessed."""
    rig = make_stage(delay=Constant(1.0), workers=1, queue=0)
    with rig.capacity.worker(), pytest.raises(Rejected):
        rig.handle(make_message())
    assert rig.sleeps == []
    assert (rig.record.outcome, rig.record.code, rig.record.delay_drawn_seconds) == (Outcome.REJECTED, 503, None)


def test_a_message_that_can_t_be_kept_has_failed(make_stage, make_message):
    """A terminator that can't keep a message says so, after its delay, and counts it as failed."""
    rig = make_stage(delay=Constant(0.5))
    rig.kept.error = KeepingFailed("the disk is full")
    with pytest.raises(KeepingFailed):
        rig.handle(make_message())
    assert (rig.record.outcome, rig.record.code, rig.record.error) == (Outcome.FAILED, 500, "the disk is full")
    assert rig.record.pipeline_seconds is None


def test_the_worker_is_free_whatever_happened(make_stage, make_message):
    """After any end of a message, foreseen or not, the stage holds nothing of it."""
    rig = make_stage(workers=1, queue=0, calls=("enrich",))
    for answer in (answering(500), raising(requests.ReadTimeout()), raising(ZeroDivisionError()), answering(200)):
        rig.adapter.answer = answer
        with contextlib.suppress(MessageError, ZeroDivisionError):
            rig.handle(make_message())
        assert rig.capacity.inside == 0
    assert [record.outcome for record in rig.hearer.records] == ["failed", "failed", "failed", "forwarded"]


def test_a_fault_strikes_after_the_processing(make_stage, make_message):
    """An injected error takes the time that the processing takes, and nothing is sent on or kept."""
    rig = make_stage(delay=Constant(0.5), faults=["error(503, 100%)"], calls=("enrich",))
    with pytest.raises(InjectedFault) as raised:
        rig.handle(make_message())
    assert (raised.value.status, raised.value.injected) == (503, True)
    assert (rig.record.outcome, rig.record.code, rig.record.faults) == (Outcome.FAULTED, 503, ("error",))
    assert (rig.record.processing_seconds, rig.adapter.requests) == (0.5, [])


@pytest.mark.parametrize("share", [0, 0.05, 0.3, 0.45, 0.6, 1])
def test_the_rate_of_a_fault_is_what_was_configured(make_stage, make_message, share):
    """Of 4,000 messages as many are hit as the rate says, and records, metrics and logs count the very same ones."""
    registry, raw = CollectorRegistry(), []
    metrics = Metrics(registry, "parse", "processor", "/messages", Clock(lambda: 0.0, lambda: 0), ())
    rig = make_stage(faults=[f"error(503, {share})"], sinks=(metrics, LogSink(make_logger(raw.append, "info"))))
    hit = set()
    for number in range(4000):
        try:
            rig.handle(make_message(message_id=str(uuid.UUID(int=number))))
        except InjectedFault:
            hit.add(str(uuid.UUID(int=number)))
    low, high = binomial_interval(4000, share, 0.999)
    assert low <= len(hit) <= high
    faulted = {record.arrival.message_id for record in rig.hearer.records if record.outcome is Outcome.FAULTED}
    assert faulted == hit

    def sample(name, **labels):
        return registry.get_sample_value(name, {"stage": "parse", "role": "processor", **labels}) or 0

    assert sample("simulator_messages_total", outcome="faulted") == len(hit)
    assert sample("simulator_messages_total", outcome="delivered") == 4000 - len(hit)
    assert sample("simulator_faults_injected_total", fault="error") == len(hit)
    lines = [json.loads(line) for line in raw]
    assert {line["message_id"] for line in lines if line["event"] == "fault.injected"} == hit
    handled = Counter(line["outcome"] for line in lines if line["event"] == "message.handled")
    assert handled == +Counter(faulted=len(hit), delivered=4000 - len(hit))


def test_each_fault_draws_for_itself(make_stage, make_message):
    """Two faults of 30 % each hit independently: the first 30 % of all, the second 30 % of the rest."""
    rig = make_stage(faults=["error(500, 30%)", "error(503, 30%)"])
    codes = Counter()
    for number in range(4000):
        try:
            rig.handle(make_message(message_id=f"m-{number}"))
        except InjectedFault as fault:
            codes[fault.status] += 1
    for status, share in ((500, 0.3), (503, 0.7 * 0.3)):
        low, high = binomial_interval(4000, share, 0.999)
        assert low <= codes[status] <= high


def faulted(make_stage, make_message, ids, visit="0", **stage):
    """Give which of these messages a fault of 30 % hits."""
    rig, hit = make_stage(faults=["error(503, 30%)"], **stage), set()
    for message_id in ids:
        try:
            rig.handle(make_message(message_id=message_id, visit=visit))
        except InjectedFault:
            hit.add(message_id)
    return hit


def test_the_same_seed_hits_the_same_messages(make_stage, make_message):
    """Whatever their order and whoever handles them, the same seed hits the same messages; another seed, others."""
    ids = [f"m-{number}" for number in range(500)]
    first = faulted(make_stage, make_message, ids)
    backwards = faulted(make_stage, make_message, ids[250:][::-1]) | faulted(make_stage, make_message, ids[:250])
    assert backwards == first
    assert faulted(make_stage, make_message, ids, seed=8) != first
    assert faulted(make_stage, make_message, ids, stage="enrich") != first


def test_another_visit_draws_anew(make_stage, make_message):
    """A message that comes again, on another visit, has the same chance again and not the same fate."""
    ids = [f"m-{number}" for number in range(4000)]
    first, second = (faulted(make_stage, make_message, ids, visit=visit) for visit in ("0", "1"))
    low, high = binomial_interval(4000, 0.09, 0.999)
    assert low <= len(first & second) <= high


def test_the_message_s_id_is_baggage_of_the_calls(make_stage, make_message):
    """While a message is sent on its id is in the baggage of the context, and afterwards it is not."""
    seen = []

    def answer(_):
        seen.append(baggage.get_baggage("simulator.message_id"))
        return 500, {}, b""

    rig = make_stage(calls=("enrich",), answer=answer)
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message(message_id="m-42"))
    assert seen == ["m-42"]
    assert baggage.get_baggage("simulator.message_id") is None


def test_a_change_meets_the_next_message(make_stage, make_message):
    """A message keeps to the behaviour that it began with; what is changed meanwhile holds for the next one."""

    def change(time, seconds):
        time.advance(seconds)
        rig.handling.behaviour = Behaviour("parse", 7, Stage(delay=Constant(2.0)))

    rig = make_stage(delay=Constant(1.0), calls=("price",), sleep=change)
    first = rig.handle(make_message())
    second = rig.handle(make_message())
    assert [(record.delay_drawn_seconds, record.outcome) for record in (first, second)] == [
        (1.0, Outcome.FORWARDED),
        (2.0, Outcome.DELIVERED),
    ]


def test_a_limit_turns_away_what_is_too_much(make_stage, make_message):
    """Beyond the burst a message is turned away unread, with the whole seconds until there is room for it."""
    rig = make_stage(rate_limit="limit(30/min, burst=2)", delay=Constant(0.0))
    for _ in range(2):
        assert rig.handle(make_message()).outcome is Outcome.DELIVERED

    def read():
        raise AssertionError("it is not to be read")

    with pytest.raises(RateLimited, match=r"this stage takes limit\(0\.5/s, burst=2\) and no more") as raised:
        rig.handle(make_message(read=read))
    assert (raised.value.status, raised.value.retry_after_seconds) == (429, 2)
    assert (rig.record.outcome, rig.record.code) == (Outcome.REJECTED, 429)
    rig.time.advance(1.5)
    with pytest.raises(RateLimited) as raised:
        rig.handle(make_message())
    assert raised.value.retry_after_seconds == 1
    rig.time.advance(0.5)
    rig.handle(make_message())
    with pytest.raises(RateLimited):
        rig.handle(make_message())


@given(
    rate=st.integers(1, 50),
    burst=st.none() | st.integers(1, 20),
    gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=60),
)
def test_a_limit_is_never_exceeded(make_stage, make_message, rate, burst, gaps):
    """However messages come, at most the burst and what the rate gives are taken; who waits as told is taken."""
    rig = make_stage(rate_limit=f"limit({rate}/s, burst={burst})" if burst else f"{rate}/s")
    taken = 0
    for gap in gaps:
        rig.time.advance(gap)
        try:
            rig.handle(make_message())
            taken += 1
        except RateLimited:
            pass
        assert taken <= (burst or rate) + rate * rig.time.seconds + 1e-6
    with contextlib.suppress(RateLimited):
        while True:
            rig.handle(make_message())
    with pytest.raises(RateLimited) as raised:
        rig.handle(make_message())
    rig.time.advance(raised.value.retry_after_seconds)
    assert rig.handle(make_message()).outcome is Outcome.DELIVERED


@pytest.mark.parametrize(("busy", "seconds"), [(0, 1.5), (1, 2.0), (2, 2.5), (3, 3.0)])
def test_a_delay_grows_with_the_busy_workers(make_stage, make_message, busy, seconds):
    """A growing delay is stretched by the share of workers that are busy, the message's own among them."""
    rig = make_stage(delay="growing(constant(1s), full=3)", workers=4)
    with contextlib.ExitStack() as others:
        for _ in range(busy):
            others.enter_context(rig.capacity.worker())
        record = rig.handle(make_message())
    assert record.utilisation == (busy + 1) / 4
    assert record.delay_drawn_seconds == record.processing_seconds == seconds
    assert record.delay_spec == str(parse_delay("growing(constant(1s), full=3)"))


@given(busy=st.integers(0, 7), full=st.integers(1, 20), message_id=st.text("abc", min_size=1, max_size=5))
def test_a_growing_delay_is_a_stretched_quantile(make_stage, make_message, busy, full, message_id):
    """What is drawn is the idle stage's quantile of the same draw, stretched in a straight line."""
    rig = make_stage(delay=f"growing(exponential(20ms), full={full})")
    with contextlib.ExitStack() as others:
        for _ in range(busy):
            others.enter_context(rig.capacity.worker())
        record = rig.handle(make_message(message_id=message_id))
    idle = parse_delay("exponential(20ms)").quantile(draw(7, "parse", message_id, "0", "delay"))
    assert record.delay_drawn_seconds == pytest.approx(idle * (1 + (full - 1) * record.utilisation))
    assert record.utilisation == (busy + 1) / 8


def test_other_delays_do_not_grow(make_stage, make_message):
    """The delay of a busy stage is that of an idle one, unless it is a growing one."""
    rig = make_stage(delay=Constant(1.0), workers=2)
    with rig.capacity.worker():
        record = rig.handle(make_message())
    assert (record.delay_drawn_seconds, record.utilisation) == (1.0, 1.0)


def test_a_deadline_that_passes_in_the_line(make_stage, make_message):
    """A message whose deadline passed while it waited for a worker gets no delay, no fault and no call."""
    time_of = {}

    class Slow(Place):
        """A place whose worker comes after three seconds."""

        def wait(self):
            time_of["rig"].time.advance(3.0)
            return 3.0

    rig = time_of["rig"] = make_stage(delay=Constant(1.0), faults=["memory(1KB)", "error(503, 100%)"], calls=("price",))

    @contextlib.contextmanager
    def enter():
        yield Slow(rig.time.clock.monotonic)

    rig.capacity.enter = enter
    with pytest.raises(DeadlinePassed):
        rig.handle(make_message(deadline_seconds=3.0))
    assert (rig.record.outcome, rig.record.code, rig.record.queue_wait_seconds) == (Outcome.REJECTED, 504, 3.0)
    assert (rig.sleeps, rig.adapter.requests, rig.record.faults, rig.work.held) == ([], [], (), [])
    assert rig.record.delay_drawn_seconds is None


def test_the_size_of_an_answer_is_drawn(make_stage, make_message):
    """The answer's size is drawn for each message from its distribution, and is none where none is wanted."""
    rig = make_stage(response_bytes="uniform(1KB, 9KB)")
    sizes = [rig.handling.handle(make_message(message_id=f"m-{number}")).answer_bytes for number in range(5)]
    expected = [1000 + 8000 * draw(7, "parse", f"m-{number}", "0", "response size") for number in range(5)]
    assert sizes == [round(size) for size in expected]
    assert make_stage().handling.handle(make_message()).answer_bytes is None


def test_from_stage_to_stage(make_stage, make_message, make_web):
    """Through two stages, each in a context of its own, body, id, due time and visit arrive as they were sent."""
    archive = make_web(stage="archive", delay=parse_delay("uniform(5ms, 50ms)"))

    def answer(request):
        def post():
            return archive.client.post("/messages", data=request.body, headers=dict(request.headers))

        response = contextvars.Context().run(post)
        return response.status_code, dict(response.headers), response.data

    parse = make_stage(calls=("archive",), answer=answer)
    parse.handle(make_message(BINARY, "application/octet-stream", message_id="m-5", visit="77"))
    (arrival,), (kept,) = archive.rig.hearer.arrivals, archive.rig.kept.messages
    assert kept == (BINARY, "application/octet-stream")
    visit = next_visit("77", "parse/0", 1)
    assert (arrival.message_id, arrival.visit, arrival.due_unix_seconds) == ("m-5", visit, 1_699_999_999.5)
    u = draw(7, "archive", "m-5", visit, "delay")
    assert archive.rig.record.delay_drawn_seconds == parse_delay("uniform(5ms, 50ms)").quantile(u)
