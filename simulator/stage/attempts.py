"""The tries of one call: timeouts, retries, breaker, hedging and deadline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simulator.behaviour.breaker import Breaker, BreakerRule, Position
from simulator.behaviour.retries import Budget
from simulator.stage.downstream import Parcel, Sender
from simulator.stage.tasks import Abandoned, StageStopped, Task, Tasks
from simulator.stage.travel import Due
from simulator.telemetry.observe import Observation
from simulator.telemetry.record import Attempt, CallOutcome, CallRecord
from simulator.topology.model import Call

_SERVER_ERRORS = range(500, 600)
_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Order:
    """One call to be made: `visit(attempt)` names the visit that a try causes, `draw(purpose)` draws u for it.

    `key` names the call in its stage, and with it the breaker and the budget that it shares with other messages' calls.
    """

    call: Call
    key: str
    message_id: str
    from_visit: str
    body: bytes
    content_type: str
    due: Due
    deadline_at: float | None
    visit: Callable[[int], str]
    draw: Callable[[str], float]
    content_encoding: str = ""


class Attempts:
    """Make calls, with as many tries as each may have."""

    def __init__(
        self, sender: Sender, tasks: Tasks, monotonic: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._sender = sender
        self._tasks = tasks
        self._monotonic = monotonic
        self._sleep = sleep
        self._breakers: dict[tuple[str, str], tuple[BreakerRule, Breaker]] = {}
        self._budgets: dict[tuple[str, float], Budget] = {}

    def make(self, order: Order, seen: Observation) -> CallRecord:
        """Make a call to its end; whatever happens is told by the record, nothing is raised."""
        return _Making(self, order, seen).run()

    def open_breakers(self, downstream: str) -> int:
        """Give how many breakers of calls to a downstream let nothing through, or one try to see."""
        of_it = [breaker for (to, _), (_, breaker) in self._breakers.items() if to == downstream]
        return sum(breaker.position is not Position.CLOSED for breaker in of_it)

    def forget(self, is_used: Callable[[str], bool]) -> None:
        """Forget the breakers of calls to downstreams that none is used for any more."""
        self._breakers = {key: kept for key, kept in self._breakers.items() if is_used(key[0])}

    def breaker_of(self, order: Order) -> Breaker | None:
        """Give the breaker of a call; one whose rule was changed begins anew."""
        rule, key = order.call.breaker, (order.call.to, order.key)
        if rule is None:
            self._breakers.pop(key, None)
            return None
        if key not in self._breakers or self._breakers[key][0] != rule:
            self._breakers[key] = (rule, Breaker(rule))
        return self._breakers[key][1]

    def budget_of(self, order: Order) -> Budget | None:
        """Give the budget for the retries of a call."""
        ratio = order.call.retries.budget_ratio
        return None if ratio is None else self._budgets.setdefault((order.key, ratio), Budget(ratio))

    def one(self, order: Order, number: int) -> Attempt:
        """Make one try, within what is left of the time."""
        left = None if order.deadline_at is None else max(0.001, order.deadline_at - self._monotonic())
        timeout = order.call.timeout_seconds
        parcel = Parcel(
            order.body,
            order.content_type,
            order.message_id,
            order.visit(number),
            order.due,
            order.from_visit,
            left,
            number,
            order.call.headers,
            order.content_encoding,
        )
        return self._sender.attempt(order.call.to, parcel, timeout if left is None else min(timeout, left))

    def instances(self, order: Order) -> int:
        """Return how many instances the called stage has."""
        return self._sender.instances(order.call.to)

    def start(self, function: Callable[[], Attempt]) -> Task:
        """Make a try beside what else is going on."""
        return self._tasks.start(function)

    def wait_for_one(self, tasks: list[Task], timeout_seconds: float | None) -> None:
        """Wait until one of the tries has ended."""
        self._tasks.wait_for_one(tasks, timeout_seconds)

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self._sleep(seconds)

    def now(self) -> float:
        """Give the time, monotonic."""
        return self._monotonic()


@dataclass(frozen=True, slots=True)
class _Rival:
    number: int
    begin: float
    task: Task


class _Making:
    """One call being made."""

    def __init__(self, attempts: Attempts, order: Order, seen: Observation) -> None:
        self._attempts = attempts
        self._order = order
        self._seen = seen
        self._breaker = attempts.breaker_of(order)
        self._budget = attempts.budget_of(order)
        self._made: list[Attempt] = []
        self._begun = 0

    def run(self) -> CallRecord:
        begin = self._attempts.now()
        if self._budget is not None:
            self._budget.call()
        failures = unreachable = resent = 0
        while True:
            if (refusal := self._refusal()) is not None:
                return self._record(begin, refusal)
            attempt = self._try()
            if attempt.outcome is CallOutcome.OK or not _is_worth_a_retry(attempt):
                return self._told(begin, attempt)
            unreachable += attempt.outcome is CallOutcome.UNREACHABLE
            if attempt.ending and resent < self._attempts.instances(self._order):
                # It has not taken the message: the next instance may, or the next process at the same address.
                resent += 1
                pause: float | None = 0.0
            elif attempt.outcome is CallOutcome.UNREACHABLE and unreachable < self._attempts.instances(self._order):
                # It has not seen the message, and another one may; also one that is passed over, which may be back.
                pause = 0.0
            else:
                failures += 1
                pause = self._pause_after(failures)
            if pause is None:
                return self._told(begin, attempt)
            self._note(attempt, pause)
            if pause:
                self._attempts.pause(pause)

    def _refusal(self) -> CallOutcome | None:
        """Say why no further try is made, where that is so."""
        now, deadline = self._attempts.now(), self._order.deadline_at
        if deadline is not None and now >= deadline:
            return CallOutcome.EXPIRED
        if self._breaker is not None and not self._breaker.lets_through(now):
            return CallOutcome.BREAKER_OPEN
        return None

    def _try(self) -> Attempt:
        if self._breaker is None:
            return self._once_or_twice()
        generation = self._breaker.generation
        try:
            attempt = self._once_or_twice()
        except BaseException:
            self._breaker.abandoned(generation)
            raise
        if attempt.ending:
            self._breaker.abandoned(generation)  # it says nothing about how the called stage is
        elif _is_worth_a_retry(attempt):
            self._breaker.failed(self._attempts.now(), attempt.injected, generation)
        else:
            self._breaker.succeeded(generation)
        return attempt

    def _once_or_twice(self) -> Attempt:
        if self._order.call.hedge_seconds is None:
            return self._single(self._next_number())
        return self._hedged(self._order.call.hedge_seconds)

    def _single(self, number: int) -> Attempt:
        self._seen.sending(self._order.call.to)
        begin = self._attempts.now()
        try:
            return self._attempts.one(self._order, number)
        except Abandoned as reason:
            self._note(self._given_up(number, begin, reason), None)
            raise

    def _hedged(self, hedge_seconds: float) -> Attempt:
        """Make a try, and beside it a second one where the first takes long; the first good answer counts."""
        rivals = [self._rival()]
        try:
            return self._first_good(rivals, hedge_seconds)
        except StageStopped:
            for rival in rivals:
                rival.task.abandon(StageStopped())
                self._note(self._result(rival), None)
            raise

    def _first_good(self, rivals: list[_Rival], hedge_seconds: float) -> Attempt:
        self._attempts.wait_for_one([rivals[0].task], hedge_seconds)
        if not rivals[0].task.done and (self._budget is None or self._budget.take()):
            rivals.append(self._rival())
        running = list(rivals)
        ended: list[Attempt] = []
        while running and not any(attempt.outcome is CallOutcome.OK for attempt in ended):
            self._attempts.wait_for_one([rival.task for rival in running], None)
            for rival in [rival for rival in running if rival.task.done]:
                running.remove(rival)
                ended.append(self._result(rival))
        for rival in running:
            rival.task.abandon()
            ended.append(self._result(rival))
        decisive = min(ended, key=lambda attempt: (attempt.outcome is not CallOutcome.OK, -attempt.number))
        for attempt in sorted(ended, key=lambda attempt: attempt.number):
            if attempt is not decisive:
                # A try that failed, and was not given up, failed before the one that decides had ended.
                came_to_nothing = attempt.outcome not in (CallOutcome.ABANDONED, CallOutcome.OK)
                self._note(attempt, 0.0 if came_to_nothing else None)
        return decisive

    def _rival(self) -> _Rival:
        number = self._next_number()
        self._seen.sending(self._order.call.to)
        task = self._attempts.start(lambda: self._attempts.one(self._order, number))
        return _Rival(number, self._attempts.now(), task)

    def _result(self, rival: _Rival) -> Attempt:
        try:
            return rival.task.result()  # type: ignore[return-value]
        except Abandoned as reason:
            return self._given_up(rival.number, rival.begin, reason)

    def _given_up(self, number: int, begin: float, reason: Abandoned) -> Attempt:
        stopped = isinstance(reason, StageStopped)
        return Attempt(
            CallOutcome.ABANDONED,
            None,
            self._attempts.now() - begin,
            injected=isinstance(reason, StageStopped) and reason.injected,
            error="this stage had to end" if stopped else "the other of two tries was answered first",
            number=number,
        )

    def _next_number(self) -> int:
        self._begun += 1
        return self._begun

    def _pause_after(self, failures: int) -> float | None:
        """Give the pause before the next try; None where there is none."""
        retries, deadline = self._order.call.retries, self._order.deadline_at
        if failures > retries.count or (self._breaker is not None and self._breaker.position is Position.OPEN):
            return None
        pause = retries.pause_seconds(failures, self._order.draw(f"pause {failures}"))
        if deadline is not None and self._attempts.now() + pause >= deadline:
            return None
        return pause if self._budget is None or self._budget.take() else None

    def _note(self, attempt: Attempt, retry_in_seconds: float | None) -> None:
        self._made.append(attempt)
        self._seen.attempted(self._order.call.to, attempt, retry_in_seconds)

    def _told(self, begin: float, attempt: Attempt) -> CallRecord:
        self._note(attempt, None)
        return self._record(begin, attempt.outcome, attempt)

    def _record(self, begin: float, outcome: CallOutcome, last: Attempt | None = None) -> CallRecord:
        failed = [attempt for attempt in self._made if attempt.outcome is not CallOutcome.ABANDONED]
        injected = outcome is not CallOutcome.OK and bool(failed) and all(attempt.injected for attempt in failed)
        error = last.error if last is not None else "its deadline has passed"
        if outcome is CallOutcome.BREAKER_OPEN and self._breaker is not None:
            error = "the breaker is open"
            injected = self._breaker.injected and (injected or not failed)
        return CallRecord(
            self._order.call.to,
            tuple(sorted(self._made, key=lambda attempt: attempt.number)),
            self._attempts.now() - begin,
            outcome,
            last.code if last is not None else None,
            injected,
            error,
        )


def _is_worth_a_retry(attempt: Attempt) -> bool:
    """Tell whether a try failed in a way that another one may not: no answer, an error of the server, or its limit."""
    if attempt.outcome is CallOutcome.ERROR_STATUS:
        return attempt.code in _SERVER_ERRORS or attempt.code == _TOO_MANY_REQUESTS
    return attempt.outcome is not CallOutcome.OK
