"""Capacity: workers, the room to wait for one, and who comes first."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from simulator.engine.capacity import Capacity
from simulator.errors import Rejected, ShuttingDown
from tests.support.fake_time import FakeTime
from tests.support.stage_rig import worker


class Guest:
    """A task that asks for a worker, holds it until it is let go, and remembers how that went."""

    def __init__(self, time, capacity, on_enter):
        self._capacity, self._on_enter = capacity, on_enter
        self._let_go = time.event("the word to leave")
        self.is_in = self.is_turned_away = False
        self.waited = None
        self.task = time.start(self._run)

    def _run(self):
        try:
            with worker(self._capacity) as self.waited:
                self._on_enter()
                self.is_in = True
                self._let_go.wait()
        except Rejected:
            self.is_turned_away = True
        self.is_in = False

    def leave(self):
        self._let_go.set()
        self.task.result()


class House:
    """A capacity, and those who come to it."""

    def __init__(self, workers, queue):
        self.time = FakeTime()
        self.capacity = Capacity(workers, queue, self.time)

    def come(self, on_enter=lambda: None):
        return Guest(self.time, self.capacity, on_enter)

    @property
    def counts(self):
        return self.capacity.busy, self.capacity.waiting


def test_a_free_worker_is_had_at_once():
    """While a worker is free no message waits, and the wait is exactly 0."""
    capacity = House(2, 0).capacity
    with worker(capacity) as first, worker(capacity) as second:
        assert (first, second) == (0.0, 0.0)
        assert (capacity.busy, capacity.waiting, capacity.inside) == (2, 0, 2)
    assert (capacity.busy, capacity.waiting, capacity.inside) == (0, 0, 0)


def test_exactly_as_many_wait_as_there_is_room():
    """With every worker busy exactly `queue` more wait, and the next one is rejected at once."""
    house = House(2, 3)
    guests = [house.come() for _ in range(5)]
    assert [guest.is_in for guest in guests] == [True, True, False, False, False]
    with pytest.raises(Rejected) as rejected, worker(house.capacity):
        pass
    assert str(rejected.value) == "all 2 workers are busy and 3 messages wait already"
    assert (house.counts, house.capacity.inside) == ((2, 3), 5)


def test_no_room_to_wait():
    """With a queue of 0 no message waits: one that finds no free worker is rejected."""
    capacity = House(1, 0).capacity
    with worker(capacity):
        for _ in range(3):
            with pytest.raises(Rejected), worker(capacity):
                pass
    with worker(capacity) as wait_seconds:
        assert wait_seconds == 0.0


def test_first_come_first_served():
    """Messages get their workers in the order in which they came."""
    house, order = House(1, 20), []
    holder = house.come()
    waiting = [house.come(lambda number=number: order.append(number)) for number in range(20)]
    holder.leave()
    for guest in waiting:
        assert guest.is_in
        guest.leave()
    assert order == list(range(20))
    assert house.capacity.inside == 0


def test_nobody_overtakes():
    """A released worker goes to the message that has waited longest, even if another one asks at that very moment."""
    house = House(1, 1)
    holder = contextlib.ExitStack()
    holder.enter_context(worker(house.capacity))
    waiting = house.come()
    holder.close()
    # The one who waited has not run yet, and the worker is its own all the same.
    assert (house.counts, waiting.is_in) == ((1, 0), False)
    late = house.come()
    assert (waiting.is_in, late.is_in, house.counts) == (True, False, (1, 1))
    waiting.leave()
    assert late.is_in


def test_the_wait_is_measured():
    """`wait` returns how long a message waited, exactly as the clock says."""
    house = House(1, 1)
    house.time.pass_time(100.0)
    holder = house.come()
    guest = house.come()
    house.time.pass_time(2.75)
    holder.leave()
    assert (guest.is_in, guest.waited) == (True, 2.75)


def test_a_worker_is_free_again_after_an_exception():
    """Whatever is raised out of the `with`, the worker is free afterwards and the exception unchanged."""
    capacity = House(1, 0).capacity
    for error in (ValueError("x"), Rejected("further down"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as flown, worker(capacity):
            raise error
        assert flown.value is error
        assert capacity.inside == 0


def test_an_exception_hands_the_worker_on():
    """A worker that is released by an exception goes to the next that waits, like any other."""
    house = House(1, 1)
    with pytest.raises(ZeroDivisionError), worker(house.capacity):
        guest = house.come()
        raise ZeroDivisionError
    house.time.pass_time(0.0)
    assert (guest.is_in, house.counts) == (True, (1, 0))


def test_who_is_broken_off_in_the_line_leaves_it():
    """A message whose wait is broken off makes room in the line, and those behind it move up."""
    house = House(1, 2)
    holder, first, second = (house.come() for _ in range(3))
    first.task.abandon()
    assert house.counts == (1, 1)
    holder.leave()
    assert (second.is_in, house.counts) == (True, (1, 0))


def test_closing_rejects_newcomers_and_lets_the_others_finish():
    """After `close` new messages are rejected, even with workers free; those inside or waiting go on to their end."""
    house = House(1, 2)
    holder, waiting = house.come(), house.come()
    house.capacity.close()
    assert house.come().is_turned_away
    assert house.counts == (1, 1)
    holder.leave()
    assert waiting.is_in
    waiting.leave()
    assert house.capacity.inside == 0
    with pytest.raises(ShuttingDown, match="the stage is shutting down"), worker(house.capacity):
        pass


def test_the_share_of_busy_workers():
    """Utilisation is the share of workers that hold a message, 0 to 1, also where there are fewer than are busy."""
    capacity, seen = House(4, 0).capacity, []
    with contextlib.ExitStack() as inside:
        for _ in range(4):
            seen.append(capacity.utilisation)
            inside.enter_context(worker(capacity))
        seen.append(capacity.utilisation)
        capacity.resize(2, 0)
        seen.append(capacity.utilisation)
    assert seen == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert capacity.utilisation == 0.0


def test_a_ticket_before_the_wait():
    """An admitted message has its ticket at once, and learns of its worker when it waits."""
    capacity = House(1, 1).capacity
    with capacity.ticket() as first, capacity.ticket() as second, capacity.ticket() as third:
        first.take()
        second.take()
        assert (first.called, second.called) == (True, False)
        assert (capacity.busy, capacity.waiting) == (1, 1)
        with pytest.raises(Rejected):
            third.take()
    assert capacity.inside == 0


def test_a_ticket_that_was_never_taken_holds_nothing():
    """A message that is rejected before it is let in takes no place, and gives none back."""
    capacity = House(1, 1).capacity
    with worker(capacity):
        with capacity.ticket():
            assert (capacity.busy, capacity.waiting) == (1, 0)
        assert (capacity.busy, capacity.waiting) == (1, 0)


def test_a_place_that_is_given_up_without_waiting():
    """A message that leaves the line makes room in it, and takes no worker with it."""
    capacity = House(1, 1).capacity
    with worker(capacity):
        with pytest.raises(ZeroDivisionError), capacity.ticket() as ticket:
            ticket.take()
            raise ZeroDivisionError
        assert (capacity.busy, capacity.waiting) == (1, 0)
    with worker(capacity) as wait_seconds:
        assert wait_seconds == 0.0


def test_a_ticket_that_was_called_before_its_wait():
    """A worker that became free between admission and waiting is taken at once."""
    capacity = House(1, 1).capacity
    with contextlib.ExitStack() as first:
        first.enter_context(worker(capacity))
        with capacity.ticket() as second:
            second.take()
            first.close()
            assert second.called
            assert second.wait() == 0.0
            assert (capacity.busy, capacity.waiting) == (1, 0)


@pytest.mark.parametrize(("is_busy", "wait_seconds"), [(False, 5.0), (True, 3.0)])
def test_a_wait_is_counted_from_the_place_in_the_line(is_busy, wait_seconds):
    """Also if the machine runs something else before it begins, but not while the message does: it is answered then."""
    house, found = House(1, 1), []
    first = house.come()

    def come_second():
        with house.capacity.ticket() as second:
            second.take()
            house.time.advance(2.0)
            found.append(second.wait(house.time.now() if is_busy else None))

    second = house.time.start(come_second)
    house.time.advance(3.0)
    first.leave()
    second.result()
    assert found == [wait_seconds]


def test_more_workers_go_to_those_who_wait():
    """With more workers those who have waited longest are called at once, and the others go on waiting."""
    house = House(1, 5)
    house.come()
    waiting = [house.come() for _ in range(3)]
    house.capacity.resize(3, 5)
    house.time.pass_time(0.0)
    assert [guest.is_in for guest in waiting] == [True, True, False]
    assert house.counts == (3, 1)


def test_fewer_workers_send_nobody_away():
    """With fewer workers those at work go on; a worker that is let go is not given on while there are too many."""
    house = House(3, 5)
    inside = [house.come() for _ in range(3)]
    late = house.come()
    house.capacity.resize(1, 5)
    for busy in (2, 1):
        inside.pop().leave()
        assert house.counts == (busy, 1)
    inside.pop().leave()
    assert (late.is_in, house.counts) == (True, (1, 0))


def test_a_shorter_line_sends_nobody_away():
    """With a shorter queue those who wait keep their place, and nobody else gets one until there is room."""
    house = House(1, 3)
    holder = house.come()
    waiting = [house.come() for _ in range(3)]
    house.capacity.resize(1, 1)
    assert house.come().is_turned_away
    for guest in (holder, *waiting[:2]):
        guest.leave()
    assert waiting[2].is_in
    assert not house.come().is_turned_away
    assert house.come().is_turned_away


def test_under_stress_the_bounds_hold():
    """With twenty tasks coming and going, never more than `workers` are in, and each is admitted or rejected once."""
    house = House(3, 5)
    at_once, most, admitted, rejected = [0], [0], [0], [0]

    def come_and_go(seed):
        dice = random.Random(seed)
        for _ in range(200):
            try:
                with worker(house.capacity):
                    at_once[0] += 1
                    most[0] = max(most[0], at_once[0])
                    admitted[0] += 1
                    house.time.pass_time(dice.choice([0.0, 1.0, dice.random()]))
                    at_once[0] -= 1
            except Rejected:
                rejected[0] += 1
                house.time.pass_time(dice.choice([0.0, 1.0, dice.random()]))

    for task in [house.time.spawn(lambda seed=seed: come_and_go(seed)) for seed in range(20)]:
        task.result()
    assert admitted[0] + rejected[0] == 20 * 200
    assert (admitted[0] > 1000, rejected[0] > 1000, most[0]) == (True, True, 3)
    assert house.counts == (0, 0)


class CapacityMachine(RuleBasedStateMachine):
    """Messages that come and go in any order, against a model of two lists."""

    def __init__(self):
        super().__init__()
        self.house = House(2, 2)
        self.workers, self.queue = 2, 2
        self.inside, self.line = [], []
        self.closed = False

    @rule()
    def come(self):
        guest = self.house.come()
        if self.closed or (len(self.inside) >= self.workers and len(self.line) >= self.queue):
            assert guest.is_turned_away
        elif len(self.inside) < self.workers:
            assert guest.is_in
            self.inside.append(guest)
        else:
            self.line.append(guest)

    @precondition(lambda self: self.inside)
    @rule(which=st.integers(0, 3))
    def leave(self, which):
        self.inside.pop(which % len(self.inside)).leave()
        self.call()

    @precondition(lambda self: self.line)
    @rule(which=st.integers(0, 3))
    def break_off(self, which):
        self.line.pop(which % len(self.line)).task.abandon()

    def call(self):
        self.house.time.pass_time(0.0)
        while self.line and len(self.inside) < self.workers:
            first = self.line.pop(0)
            assert first.is_in
            self.inside.append(first)

    @rule(workers=st.integers(1, 4), queue=st.integers(0, 3))
    def resize(self, workers, queue):
        self.house.capacity.resize(workers, queue)
        self.workers, self.queue = workers, queue
        self.call()

    @rule()
    def close(self):
        self.house.capacity.close()
        self.closed = True

    @invariant()
    def the_counts_are_the_model_s(self):
        assert self.house.counts == (len(self.inside), len(self.line))
        assert not any(guest.is_in for guest in self.line)


CapacityMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestCapacityMachine = CapacityMachine.TestCase
