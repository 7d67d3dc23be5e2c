"""The faults, each as a stage does it: when, in which order, how long, and what it leaves in the record."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.distributions import Constant
from simulator.behaviour.draws import draw
from simulator.errors import DownstreamFailed, DownstreamTooSlow, InjectedFault
from simulator.telemetry.record import CallOutcome, FaultTime, Outcome
from tests.support.attempts import INJECTED


@pytest.mark.parametrize(
    ("fault", "name", "status", "code"),
    [
        ("error(503, 100%)", "error", 503, 503),
        ("error(418, 100%)", "error", 418, 418),
        ("reset(100%)", "reset", 500, None),
    ],
)
def test_a_fault_that_ends_the_handling(make_stage, make_message, fault, name, status, code):
    """An error and a reset end the handling after the processing; a reset is no answer."""
    rig = make_stage(delay=Constant(0.5), faults=[fault], calls=["enrich"])
    with pytest.raises(InjectedFault) as raised:
        rig.handle(make_message())
    assert (raised.value.status, raised.value.no_answer, raised.value.injected) == (status, code is None, True)
    assert (rig.record.outcome, rig.record.code, rig.record.faults) == (Outcome.FAULTED, code, (name,))
    assert (rig.record.processing_seconds, rig.record.fault_times, rig.adapter.requests) == (0.5, (), [])
    assert rig.record.error == f"the fault {name} was injected here"
    assert rig.sink.faults == [("m-1", name)]


@pytest.mark.parametrize(("fault", "name", "seconds"), [("hang(30s, 100%)", "hang", 30.0), ("cpu(250ms)", "cpu", 0.25)])
def test_a_fault_that_takes_time(make_stage, make_message, fault, name, seconds):
    """A hang and work for the processor take their time after the processing, and then the message goes on."""
    rig = make_stage(delay=Constant(0.5), faults=[fault], calls=["enrich"])
    record = rig.handle(make_message())
    assert (record.outcome, record.code, record.faults) == (Outcome.FORWARDED, 200, (name,))
    assert record.fault_times == (FaultTime(name, 0.5, seconds),)
    assert (record.fault_seconds, record.processing_seconds) == (seconds, 0.5)
    assert record.duration_seconds == 0.5 + seconds
    assert rig.adapter.moments == [0.5 + seconds]
    assert rig.work.burnt == ([seconds] if name == "cpu" else [])


def test_a_hang_holds_the_worker(make_stage, make_message):
    """A message that hangs is inside the stage for all that time."""
    inside = []

    def sleep(time, seconds):
        inside.append((seconds, rig.capacity.busy))
        time.advance(seconds)

    rig = make_stage(faults=["hang(30s, 100%)"], sleep=sleep)
    rig.handle(make_message())
    assert inside == [(30.0, 1)]
    assert rig.capacity.inside == 0


@pytest.mark.parametrize(
    ("fault", "withheld"),
    [
        ("hang(30s, 100%)", 1),
        ("cpu(30s)", 1),
        ("reset(100%)", 1),
        ("truncate(100%)", 1),
        ("slow_body(1KB/s, 100%)", 1),
        ("error(503, 100%)", 0),
        ("memory(1KB)", 0),
        ("hang(30s, 0%)", 0),
    ],
)
def test_the_caller_is_warned_of_a_fault_that_may_keep_its_answer(make_stage, make_message, fault, withheld):
    """Before such a fault acts the caller is told of it; where the answer says all itself, it is not."""
    rig, warned_at = make_stage(delay=Constant(0.5), faults=[fault]), []
    message = make_message()
    message.exchange.withhold = lambda: warned_at.append(rig.time.now())
    with contextlib.suppress(InjectedFault):
        rig.handle(message)
    assert warned_at == [0.5] * withheld


def test_memory_is_held_until_the_message_is_done(make_stage, make_message):
    """Memory is taken before the processing and let go at the end, when the calls have been answered."""
    holding = []

    def sleep(time, seconds):
        holding.append(rig.work.holding)
        time.advance(seconds)

    def answer(_):
        holding.append(rig.work.holding)
        return 200, {}, b""

    rig = make_stage(
        delay=Constant(1.0), faults=["memory(50MB)", "memory(1KB)"], calls=["a"], answer=answer, sleep=sleep
    )
    record = rig.handle(make_message())
    assert holding == [50_001_000, 50_001_000]
    assert (rig.work.held, rig.work.holding) == ([50_000_000, 1000], 0)
    assert (record.outcome, record.faults, record.fault_times) == (Outcome.FORWARDED, ("memory", "memory"), ())


def test_memory_is_let_go_when_the_message_fails(make_stage, make_message):
    """However a message ends, nothing is held for it afterwards."""
    rig = make_stage(faults=["memory(1MB)", "error(500, 100%)"])
    with contextlib.suppress(InjectedFault):
        rig.handle(make_message())
    assert (rig.work.held, rig.work.holding) == ([10**6], 0)


@pytest.mark.parametrize(
    ("faults", "truncated", "rate", "outcome", "injected"),
    [
        (["truncate(100%)"], True, None, Outcome.FAULTED, ("truncate",)),
        (["slow_body(20B/s, 100%)"], False, 20.0, Outcome.FORWARDED, ("slow_body",)),
        (
            ["slow_body(20B/s, 100%)", "truncate(100%)", "slow_body(5B/s, 100%)", "slow_body(9B/s, 100%)"],
            True,
            5.0,
            Outcome.FAULTED,
            ("slow_body", "truncate", "slow_body", "slow_body"),
        ),
        (["truncate(0%)", "slow_body(20B/s, 0%)"], False, None, Outcome.FORWARDED, ()),
    ],
)
def test_a_fault_of_the_answer(make_stage, make_message, faults, truncated, rate, outcome, injected):
    """All the work is done, and only then the answer is spoiled; of several slow ones the slowest counts."""
    rig, message = make_stage(delay=Constant(0.5), faults=faults, calls=["enrich"]), make_message()
    record = rig.handle(message)
    (answer,) = message.exchange.answers
    assert (answer.truncated, answer.bytes_per_second, answer.is_spoiled) == (truncated, rate, bool(injected))
    assert (answer.outcome, answer.duration_seconds) == (outcome, 0.5)
    assert len(rig.adapter.requests) == 1
    assert (record.outcome, record.code, record.faults) == (outcome, 200, injected)


def test_a_slow_answer_is_the_fault_s_time(make_stage, make_message):
    """The worker is held and the message observed until the answer has left, and what that takes is the fault's."""
    rig, busy = make_stage(delay=Constant(0.5), faults=["slow_body(20B/s, 100%)"], workers=1), []

    def leaving(answer):
        rig.time.pass_time(6.0)
        busy.append((rig.capacity.busy, len(rig.sink.records), rig.handling.in_flight))

    record = rig.handle(make_message(leaving=leaving))
    assert busy == [(1, 0, 1)]
    assert record.fault_times == (FaultTime("slow_body", 0.5, 6.0),)
    assert (record.duration_seconds, record.own_seconds, record.overhead_seconds) == (6.5, 0.5, 0.0)
    assert (record.outcome, rig.capacity.busy) == (Outcome.DELIVERED, 0)


def test_the_time_of_a_slow_answer_is_the_slowest_fault_s(make_stage, make_message):
    """Where several faults slow an answer the one that limits its rate has its time, once."""
    rig = make_stage(faults=["slow_body(5B/s, 100%)", "slow_body(20B/s, 100%)", "truncate(100%)"])
    record = rig.handle(make_message(leaving=lambda answer: rig.time.pass_time(6.0)))
    assert record.fault_times == (FaultTime("slow_body", 0.0, 6.0),)


@pytest.mark.parametrize("faults", [[], ["truncate(100%)"]])
def test_a_client_that_is_slow_by_itself_is_the_stage_s_own_time(make_stage, make_message, faults):
    """An answer that no fault slows and that takes time to leave takes the stage's own time."""
    rig = make_stage(delay=Constant(0.5), faults=faults)
    record = rig.handle(make_message(leaving=lambda answer: rig.time.pass_time(6.0)))
    assert (record.fault_times, record.duration_seconds, record.overhead_seconds) == ((), 6.5, 6.0)


def test_memory_is_held_until_the_answer_has_left(make_stage, make_message):
    """What a fault holds is held as long as the worker is."""
    rig, holding = make_stage(faults=["memory(1MB)", "slow_body(20B/s, 100%)"]), []
    rig.handle(make_message(leaving=lambda answer: holding.append(rig.work.holding)))
    assert (holding, rig.work.holding) == ([10**6], 0)


def test_a_truncated_answer_is_a_message_that_arrived(make_stage, make_message):
    """A message whose answer is cut has ended all the same, and is kept."""
    rig = make_stage(faults=["truncate(100%)"])
    assert rig.handle(make_message()).outcome is Outcome.FAULTED
    assert len(rig.kept.messages) == 1


def test_the_answer_to_a_failure_is_not_spoiled(make_stage, make_message):
    """Faults of the answer are injected into messages that went well; those that failed have their own answer."""
    rig = make_stage(faults=["truncate(100%)"], calls=["enrich"], answer=lambda _: (500, {}, b""))
    with pytest.raises(DownstreamFailed):
        rig.handle(make_message())
    assert (rig.record.faults, rig.record.outcome) == ((), Outcome.FAILED)


def test_the_phases_come_in_their_order(make_stage, make_message):
    """Whatever their order in the file: memory before the processing, then what acts after it, then the answer."""
    rig = make_stage(
        delay=Constant(1.0),
        faults=["truncate(100%)", "hang(2s, 100%)", "memory(5B)", "cpu(3s)", "slow_body(9B/s, 100%)"],
    )
    record = rig.handle(make_message())
    assert record.faults == ("memory", "hang", "cpu", "truncate", "slow_body")
    assert record.fault_times == (
        FaultTime("hang", 1.0, 2.0),
        FaultTime("cpu", 3.0, 3.0),
        FaultTime("slow_body", 6.0, 0.0),
    )
    assert record.duration_seconds == 6.0


@pytest.mark.parametrize(
    ("faults", "injected"),
    [
        (["hang(1s, 100%)", "error(503, 100%)", "cpu(1s)", "reset(100%)"], ("hang", "error")),
        (["reset(100%)", "error(503, 100%)"], ("reset",)),
        (["error(500, 100%)", "error(503, 100%)"], ("error",)),
        (["memory(1B)", "truncate(100%)", "error(503, 100%)"], ("memory", "error")),
    ],
)
def test_the_first_that_ends_the_handling_is_the_last(make_stage, make_message, faults, injected):
    """Faults act in the order of the file until one ends the handling; those behind it are not injected."""
    rig = make_stage(faults=faults)
    with pytest.raises(InjectedFault):
        rig.handle(make_message())
    assert rig.record.faults == injected == tuple(name for _, name in rig.sink.faults)


def test_a_hang_before_an_error_counts_as_time(make_stage, make_message):
    """A message that hangs and then fails has both in its record."""
    rig = make_stage(faults=["hang(3s, 100%)", "error(503, 100%)"])
    with pytest.raises(InjectedFault):
        rig.handle(make_message())
    assert (rig.record.code, rig.record.fault_seconds, rig.record.duration_seconds) == (503, 3.0, 3.0)


@pytest.mark.parametrize("instance", [1, 2, 3])
def test_a_fault_of_one_instance(make_stage, make_message, instance):
    """A fault that names an instance acts there alone, and the others draw as if it stood there."""
    rig = make_stage(faults=["hang(1s, 100%, instance=2)", "hang(2s, 50%)"], instance=instance)
    expected = []
    for number in range(40):
        record = rig.handle(make_message(message_id=f"m-{number}"))
        half = draw(7, "parse", f"m-{number}", "0", "fault 1 hang") < 0.5
        expected = [*([1.0] if instance == 2 else []), *([2.0] if half else [])]
        assert [time.duration_seconds for time in record.fault_times] == expected


FAULTS = {
    "error": "error(503, {})",
    "reset": "reset({})",
    "hang": "hang(1s, {})",
    "cpu": "cpu(1ms, {})",
    "memory": "memory(1KB, {})",
    "truncate": "truncate({})",
    "slow_body": "slow_body(1KB/s, {})",
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("share", [0, 0.05, 0.3, 0.6, 1])
def test_each_fault_hits_its_share(make_stage, make_message, name, share):
    """Each fault hits exactly the messages whose draw is below its rate: about as many as configured."""
    rig = make_stage(faults=[FAULTS[name].format(share)])
    for number in range(400):
        with contextlib.suppress(InjectedFault):
            rig.handle(make_message(message_id=f"m-{number}"))
    drawn = {n: draw(7, "parse", f"m-{n}", "0", f"fault 0 {name}") for n in range(400)}
    assert rig.sink.faults == [(f"m-{n}", name) for n, u in drawn.items() if u < share]
    assert abs(len(rig.sink.faults) - 400 * share) <= 5 * (400 * share * (1 - share)) ** 0.5


@given(
    names=st.lists(st.tuples(st.sampled_from(list(FAULTS)), st.sampled_from([0, 0.3, 0.7, 1])), max_size=6),
    message_id=st.text("abc123", min_size=1, max_size=8),
    visit=st.text("0123456789abcdef", min_size=1, max_size=8),
)
@settings(max_examples=80)
def test_any_faults_together(make_stage, make_message, names, message_id, visit):
    """Whatever faults there are, a message meets those that its own draws say, phase by phase, up to the first end."""
    rig = make_stage(faults=[FAULTS[name].format(share) for name, share in names])
    with contextlib.suppress(InjectedFault):
        rig.handle(make_message(message_id=message_id, visit=visit))
    hit = [
        name
        for number, (name, share) in enumerate(names)
        if draw(7, "parse", message_id, visit, f"fault {number} {name}") < share
    ]
    before = [name for name in hit if name == "memory"]
    after = [name for name in hit if name in ("error", "reset", "hang", "cpu")]
    ends = next((number for number, name in enumerate(after, 1) if name in ("error", "reset")), None)
    answer = [name for name in hit if name in ("truncate", "slow_body")] if ends is None else []
    assert rig.record.faults == (*before, *after[:ends], *answer)
    slow = [name for name in ("slow_body",) if name in answer]
    assert [time.fault for time in rig.record.fault_times] == [
        *(name for name in after[:ends] if name in ("hang", "cpu")),
        *slow,
    ]
    failed = ends is not None or "truncate" in answer
    assert rig.record.outcome is (Outcome.FAULTED if failed else Outcome.DELIVERED)
    assert rig.work.holding == 0


@pytest.mark.parametrize("warns", [True, False])
def test_a_warning_from_further_down_is_passed_on(make_stage, make_message, warns):
    """What a called stage says before its answer is said to this stage's own caller at once."""
    heard = []

    def answer(request):
        if warns:
            request.on_interim(INJECTED)
            request.on_interim(INJECTED)
        heard.append(message.exchange.withheld)
        return 1.0, 200, {}, b""

    rig, message = make_stage(calls=["enrich", "price"], answer=answer, calls_stages=True), make_message()
    record = rig.handle(message)
    assert heard == ([1, 2] if warns else [0, 0])
    assert (record.outcome, record.faults) == (Outcome.FORWARDED, ())


def test_a_call_that_was_withheld_and_timed_out_failed_on_purpose(make_stage, make_message):
    """A stage whose called stage warned it and kept silent fails by an injected fault, just after its timeout."""

    def answer(request):
        request.on_interim(INJECTED)
        return 60.0, 200, {}, b""

    rig = make_stage(calls=[{"to": "enrich", "timeout": "200ms"}], answer=answer, calls_stages=True)
    with pytest.raises(DownstreamTooSlow) as raised:
        rig.handle(make_message())
    assert raised.value.injected is True
    (call,) = rig.record.calls
    assert (call.outcome, call.injected, call.duration_seconds) == (CallOutcome.TIMEOUT, True, 0.2)
    assert (rig.record.outcome, rig.record.duration_seconds) == (Outcome.FAULTED, 0.2)


def test_a_silence_without_a_warning_is_genuine(make_stage, make_message):
    """A stage that is stopped gives no warning, and its timeout is recorded as what it is, after just its own time."""
    rig = make_stage(
        calls=[{"to": "enrich", "timeout": "200ms"}], answer=lambda _: (60.0, 200, {}, b""), calls_stages=True
    )
    with pytest.raises(DownstreamTooSlow) as raised:
        rig.handle(make_message())
    assert raised.value.injected is False
    assert (rig.record.outcome, rig.record.duration_seconds) == (Outcome.FAILED, 0.2)
