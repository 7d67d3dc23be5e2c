"""Normal work in a stage: part of its delay as far as it fits, held until the answer has left, and no fault."""

from __future__ import annotations

import pytest

from simulator.behaviour.distributions import Constant
from simulator.errors import Rejected
from simulator.telemetry.record import Outcome


def test_work_is_part_of_the_delay(make_stage, make_message):
    """What is computed is not slept once more, and no signal calls it a fault."""
    rig = make_stage(delay=Constant(0.5), work="cpu(200ms)")
    record = rig.handle(make_message())
    assert (rig.work.burnt, rig.sleeps) == ([0.2], pytest.approx([0.3]))
    assert (record.duration_seconds, record.overhead_seconds) == pytest.approx((0.5, 0.0))
    assert (record.outcome, record.faults, record.fault_times, rig.sink.faults) == (Outcome.DELIVERED, (), (), [])


def test_work_that_takes_longer_than_the_delay_is_the_stage_s_own_time(make_stage, make_message):
    record = make_stage(delay=Constant(0.1), work=["cpu(200ms)", "memory(1KB)"]).handle(make_message())
    assert (record.own_seconds, record.processing_seconds) == pytest.approx((0.2, 0.2))


def test_memory_is_held_until_the_answer_has_left(make_stage, make_message):
    held = []
    rig = make_stage(work="memory(1KB)")
    rig.handle(make_message(leaving=lambda _: held.append(rig.work.holding)))
    assert (held, rig.work.holding) == ([1000], 0)


def test_a_message_without_room_for_its_work_is_rejected(make_stage, make_message, monkeypatch):
    """It is not an injected fault: the machine has no memory."""
    rig = make_stage(work="memory(1KB)")

    def no_memory(_):
        raise MemoryError

    monkeypatch.setattr(rig.work, "hold", no_memory)
    with pytest.raises(Rejected, match="there was no memory for 1KB"):
        rig.handle(make_message())
    assert (rig.record.outcome, rig.record.code) == (Outcome.REJECTED, 503)


@pytest.mark.parametrize(("work", "has_worked"), [("cpu(200ms)", True), ("memory(1KB)", True), ([], False)])
def test_whether_a_message_was_worked_for_is_in_its_record(make_stage, make_message, work, has_worked):
    """Its span of processing is there for it, even if there was no delay."""
    assert make_stage(work=work).handle(make_message()).has_worked is has_worked
