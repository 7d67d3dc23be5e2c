"""Capacity, with real threads: workers, the room to wait for one, and who comes first."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from simulator.errors import Rejected
from simulator.stage.capacity import Capacity

LONG_SECONDS = 20.0


def frozen():
    return 0.0


class Guest:
    """A thread that asks for a worker, holds it until it is let go, and remembers how that went."""

    def __init__(self, capacity, on_enter=lambda: None):
        self._capacity = capacity
        self._on_enter = on_enter
        self._let_go = threading.Event()
        self.entered, self.rejected, self.left = threading.Event(), threading.Event(), threading.Event()
        self.waited = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            with self._capacity.worker() as self.waited:
                self._on_enter()
                self.entered.set()
                self._let_go.wait(LONG_SECONDS)
        except Rejected:
            self.rejected.set()
        self.left.set()

    def leave(self):
        self._let_go.set()
        assert self.left.wait(LONG_SECONDS)
        self.thread.join(LONG_SECONDS)

    def is_in(self):
        return self.entered.wait(LONG_SECONDS)

    def is_turned_away(self):
        return self.rejected.wait(LONG_SECONDS)


@contextlib.contextmanager
def guests(capacity):
    """Give a function that lets a guest come, and see all of them off at the end."""
    came = []

    def come(**options):
        came.append(Guest(capacity, **options))
        return came[-1]

    try:
        yield come
    finally:
        for guest in came:
            guest._let_go.set()
        for guest in came:
            guest.thread.join(LONG_SECONDS)
            assert not guest.thread.is_alive()


def test_a_free_worker_is_had_at_once():
    """While a worker is free nobody waits, and the wait is exactly 0."""
    capacity = Capacity(2, 0, frozen)
    with capacity.worker() as first, capacity.worker() as second:
        assert (first, second) == (0.0, 0.0)
        assert (capacity.busy, capacity.waiting, capacity.inside) == (2, 0, 2)
    assert (capacity.busy, capacity.waiting, capacity.inside) == (0, 0, 0)


def test_exactly_as_many_wait_as_there_is_room(wait_for):
    """With every worker busy exactly `queue` more wait, and the next one is rejected at once."""
    capacity = Capacity(2, 3, frozen)
    with guests(capacity) as come:
        for _ in range(2):
            assert come().is_in()
        for number in range(1, 4):
            come()
            wait_for(lambda number=number: capacity.waiting == number)
        with pytest.raises(Rejected) as rejected, capacity.worker():
            pass
        assert str(rejected.value) == "all 2 workers are busy and 3 messages wait already"
        assert (capacity.busy, capacity.waiting, capacity.inside) == (2, 3, 5)


def test_no_room_to_wait():
    """With a queue of 0 nobody waits: whoever finds no free worker is rejected."""
    capacity = Capacity(1, 0, frozen)
    with capacity.worker():
        for _ in range(3):
            with pytest.raises(Rejected), capacity.worker():
                pass
    with capacity.worker() as wait_seconds:
        assert wait_seconds == 0.0


def test_first_come_first_served(wait_for):
    """Those who wait get their worker in the order in which they came."""
    capacity, order = Capacity(1, 20, frozen), []
    with guests(capacity) as come:
        holder = come()
        assert holder.is_in()
        waiting = []
        for number in range(20):
            waiting.append(come(on_enter=lambda number=number: order.append(number)))
            wait_for(lambda number=number: capacity.waiting == number + 1)
        holder.leave()
        for guest in waiting:
            assert guest.is_in()
            guest.leave()
    assert order == list(range(20))
    assert capacity.inside == 0


def test_nobody_overtakes(wait_for):
    """A worker that is let go belongs to whoever has waited longest, also where somebody asks in that very moment."""
    capacity = Capacity(1, 1, frozen)
    with guests(capacity) as come:
        holder = come()
        assert holder.is_in()
        waiting = come()
        wait_for(lambda: capacity.waiting == 1)
        holder.leave()
        # Whether or not the one who waited has noticed yet, the worker is its own.
        assert capacity.busy == 1
        late = come()
        assert waiting.is_in()
        wait_for(lambda: capacity.waiting == 1)
        assert not late.entered.is_set()
        waiting.leave()
        assert late.is_in()


def test_the_wait_is_measured(wait_for):
    """Whoever waited is told for how long, exactly as the clock says."""
    now, asked = [100.0], threading.Event()

    def monotonic():
        asked.set()
        return now[0]

    capacity = Capacity(1, 1, monotonic)
    with guests(capacity) as come:
        with capacity.worker():
            guest = come()
            assert asked.wait(LONG_SECONDS)
            wait_for(lambda: capacity.waiting == 1)
            now[0] = 102.75
        assert guest.is_in()
        assert guest.waited == 2.75


def test_a_worker_is_free_again_after_an_exception():
    """Whatever flies out of the `with`, the worker is free afterwards and the exception unharmed."""
    capacity = Capacity(1, 0, frozen)
    for error in (ValueError("x"), Rejected("further down"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as flown, capacity.worker():
            raise error
        assert flown.value is error
        assert capacity.inside == 0


def test_an_exception_hands_the_worker_on(wait_for):
    """A worker that is let go by an exception goes to whoever waits, as any other."""
    capacity = Capacity(1, 1, frozen)
    with guests(capacity) as come:
        with pytest.raises(ZeroDivisionError), capacity.worker():
            guest = come()
            wait_for(lambda: capacity.waiting == 1)
            raise ZeroDivisionError
        assert guest.is_in()
        assert (capacity.busy, capacity.waiting) == (1, 0)


def test_closing_rejects_newcomers_and_lets_the_others_finish(wait_for):
    """After `close` whoever comes is rejected, even with workers free; those inside or waiting go on to their end."""
    capacity = Capacity(1, 2, frozen)
    with guests(capacity) as come:
        holder = come()
        assert holder.is_in()
        waiting = come()
        wait_for(lambda: capacity.waiting == 1)
        capacity.close()
        assert come().is_turned_away()
        assert (capacity.busy, capacity.waiting) == (1, 1)
        holder.leave()
        assert waiting.is_in()
        waiting.leave()
    assert capacity.inside == 0
    with pytest.raises(Rejected, match="the stage is shutting down"), capacity.worker():
        pass


def test_the_share_of_busy_workers():
    """Utilisation is the share of workers that hold a message, 0 to 1, also where there are fewer than are busy."""
    capacity, seen = Capacity(4, 0, frozen), []
    with contextlib.ExitStack() as inside:
        for _ in range(4):
            seen.append(capacity.utilisation)
            inside.enter_context(capacity.worker())
        seen.append(capacity.utilisation)
        capacity.resize(2, 0)
        seen.append(capacity.utilisation)
    assert seen == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert capacity.utilisation == 0.0


def test_a_place_before_the_wait():
    """Whoever is inside has its place at once, and hears of its worker when it waits."""
    capacity = Capacity(1, 1, frozen)
    with capacity.enter() as first, capacity.enter() as second:
        assert (first.called_up, second.called_up) == (True, False)
        assert (capacity.busy, capacity.waiting) == (1, 1)
        with pytest.raises(Rejected), capacity.enter():
            pass
    assert capacity.inside == 0


def test_a_place_that_is_given_up_without_waiting():
    """A message that leaves the line makes room in it, and takes no worker with it."""
    capacity = Capacity(1, 1, frozen)
    with capacity.enter():
        with pytest.raises(ZeroDivisionError), capacity.enter():
            raise ZeroDivisionError
        assert (capacity.busy, capacity.waiting) == (1, 0)
    with capacity.worker() as wait_seconds:
        assert wait_seconds == 0.0


def test_a_place_that_was_called_up_before_its_wait():
    """A worker that became free between coming and waiting is had at once."""
    capacity = Capacity(1, 1, frozen)
    with contextlib.ExitStack() as first:
        first.enter_context(capacity.enter())
        with capacity.enter() as second:
            first.close()
            assert second.called_up
            assert second.wait() == 0.0
            assert (capacity.busy, capacity.waiting) == (1, 0)


def test_more_workers_go_to_those_who_wait(wait_for):
    """With more workers those who have waited longest are called up at once, and the others go on waiting."""
    capacity = Capacity(1, 5, frozen)
    with guests(capacity) as come:
        assert come().is_in()
        waiting = []
        for number in range(1, 4):
            waiting.append(come())
            wait_for(lambda number=number: capacity.waiting == number)
        capacity.resize(3, 5)
        assert waiting[0].is_in() and waiting[1].is_in()
        assert (capacity.busy, capacity.waiting) == (3, 1)
        assert not waiting[2].entered.is_set()


def test_fewer_workers_send_nobody_away(wait_for):
    """With fewer workers those at work go on; a worker that is let go is not given on while there are too many."""
    capacity = Capacity(3, 5, frozen)
    with guests(capacity) as come:
        inside = [come() for _ in range(3)]
        assert all(guest.is_in() for guest in inside)
        late = come()
        wait_for(lambda: capacity.waiting == 1)
        capacity.resize(1, 5)
        for busy in (2, 1):
            inside.pop().leave()
            assert (capacity.busy, capacity.waiting) == (busy, 1)
        inside.pop().leave()
        assert late.is_in()
        assert (capacity.busy, capacity.waiting) == (1, 0)


def test_a_shorter_line_sends_nobody_away(wait_for):
    """With a shorter queue those who wait keep their place, and nobody else gets one until there is room."""
    capacity = Capacity(1, 3, frozen)
    with guests(capacity) as come:
        holder = come()
        assert holder.is_in()
        waiting = []
        for number in range(1, 4):
            waiting.append(come())
            wait_for(lambda number=number: capacity.waiting == number)
        capacity.resize(1, 1)
        assert come().is_turned_away()
        for guest in (holder, *waiting[:2]):
            guest.leave()
        assert waiting[2].is_in()
        come()
        wait_for(lambda: capacity.waiting == 1)
        assert come().is_turned_away()


def test_under_stress_the_bounds_hold():
    """With twenty threads coming and going, never more than `workers` are in, and each is admitted or rejected once."""
    capacity = Capacity(3, 5, frozen)
    lock, at_once, most, admitted, rejected = threading.Lock(), [0], [0], [0], [0]
    start = threading.Barrier(20)

    def come_and_go(seed):
        dice = random.Random(seed)
        start.wait(LONG_SECONDS)
        for _ in range(200):
            try:
                with capacity.worker():
                    with lock:
                        at_once[0] += 1
                        most[0] = max(most[0], at_once[0])
                        admitted[0] += 1
                    for _ in range(dice.randrange(100)):
                        pass
                    with lock:
                        at_once[0] -= 1
            except Rejected:
                with lock:
                    rejected[0] += 1

    threads = [threading.Thread(target=come_and_go, args=(seed,)) for seed in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_SECONDS)
        assert not thread.is_alive()
    assert admitted[0] + rejected[0] == 20 * 200
    assert admitted[0] >= 3
    assert most[0] <= 3
    assert (capacity.busy, capacity.waiting) == (0, 0)


class CapacityMachine(RuleBasedStateMachine):
    """Guests that come and go in any order, against a model of two lists."""

    def __init__(self):
        super().__init__()
        self.capacity = Capacity(2, 2, frozen)
        self.workers, self.queue = 2, 2
        self.inside, self.line, self.gone = [], [], []
        self.closed = False
        self.numbers = itertools.count()

    def teardown(self):
        for guest in (*self.inside, *self.line):
            guest._let_go.set()
        for guest in (*self.inside, *self.line, *self.gone):
            guest.thread.join(LONG_SECONDS)

    @rule()
    def come(self):
        guest = Guest(self.capacity)
        if self.closed or (len(self.inside) >= self.workers and len(self.line) >= self.queue):
            assert guest.is_turned_away()
            self.gone.append(guest)
        elif len(self.inside) < self.workers:
            assert guest.is_in()
            self.inside.append(guest)
        else:
            self.line.append(guest)
            while self.capacity.waiting < len(self.line):
                assert not guest.left.wait(0.0001)

    @precondition(lambda self: self.inside)
    @rule(which=st.integers(0, 3))
    def leave(self, which):
        guest = self.inside.pop(which % len(self.inside))
        guest.leave()
        self.gone.append(guest)
        self.call_up()

    def call_up(self):
        while self.line and len(self.inside) < self.workers:
            first = self.line.pop(0)
            assert first.is_in()
            self.inside.append(first)

    @rule(workers=st.integers(1, 4), queue=st.integers(0, 3))
    def resize(self, workers, queue):
        self.capacity.resize(workers, queue)
        self.workers, self.queue = workers, queue
        self.call_up()

    @rule()
    def close(self):
        self.capacity.close()
        self.closed = True

    @invariant()
    def the_counts_are_the_model_s(self):
        assert self.capacity.busy == len(self.inside)
        assert self.capacity.waiting == len(self.line)
        assert not any(guest.entered.is_set() for guest in self.line)


CapacityMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestCapacityMachine = CapacityMachine.TestCase
