"""Real work for the processor, and real memory."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.stage.machine import RealMachine


class FakeProcessor:
    """CPU time that passes by a step each time that somebody looks."""

    def __init__(self, step):
        self.seconds, self.step, self.elsewhere = 0.0, step, 0

    def clock(self):
        self.seconds += self.step
        return self.seconds

    def give_way(self):
        self.elsewhere += 1
        self.seconds += 10.0  # others work in this thread meanwhile


@given(st.floats(0.0001, 0.2))
def test_so_much_cpu_time_is_used(seconds):
    """Work goes on until it has used its time itself: what others use meanwhile does not count."""
    processor = FakeProcessor(0.0001)
    RealMachine(processor.give_way, processor.clock).compute(seconds)
    used = processor.seconds - 10.0 * processor.elsewhere
    assert seconds <= used <= seconds + 0.0005 * (processor.elsewhere + 2)


def test_others_run_in_between():
    """Work gives way every few milliseconds, and not when it is done."""
    processor = FakeProcessor(0.0001)
    RealMachine(processor.give_way, processor.clock).compute(0.05)
    assert 8 <= processor.elsewhere <= 10
    processor = FakeProcessor(0.0001)
    RealMachine(processor.give_way, processor.clock).compute(0.004)
    assert processor.elsewhere == 0


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_work_is_no_work(seconds):
    """Nothing is nothing."""
    processor = FakeProcessor(0.1)
    RealMachine(processor.give_way, processor.clock).compute(seconds)
    assert processor.seconds == 0.0


def test_the_work_is_real():
    """The processor's own clock says that at least so much time of this thread was used."""
    begin = time.thread_time()
    RealMachine(lambda: None).compute(0.02)
    assert time.thread_time() - begin >= 0.02


@pytest.mark.parametrize("size", [0, 1, 4096, 10**6])
def test_memory_is_written_to(size):
    """So many bytes are held, and none of them is left as the system gave it."""
    held = RealMachine(lambda: None).hold(size)
    assert (len(held), held.count(1)) == (size, size)
