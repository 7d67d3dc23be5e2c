"""The attempts of one call: timeouts, retries, breaker, hedging and deadline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from simulator.behaviour.breaker import Breaker, BreakerRule, Position
from simulator.behaviour.retries import Budget
from simulator.behaviour.values import Value
from simulator.engine.message import Message
from simulator.engine.relay import Relay
from simulator.engine.runtime import Abandoned, Runtime, StageStopped, Task
from simulator.engine.sender import Sender
from simulator.engine.wire import WireRequest
from simulator.records import record
from simulator.telemetry.observe import Observation
from simulator.telemetry.record import Attempt, CallOutcome, CallRecord
from simulator.topology.steps import Call


@record(kw_only=True)
class OutgoingCall:
    """One call to make for a message.

    `visit(attempt)` names the visit that an attempt causes, `draw(purpose)` returns u in (0, 1).
    `position` names the step in its operation. `key` names the call in its stage, and with it the breaker and the
    budget that it shares with other messages' calls. `deadline_at` is monotonic. `decisions` travel with the message.
    """

    call: Call
    position: str
    key: str
    message: Message
    body: bytes
    content_type: str
    content_encoding: str
    deadline_at: float | None
    decisions: Mapping[str, Value]
    visit: Callable[[int], str]
    draw: Callable[[str], float]
    relay: Relay | None = None


class Attempts:
    """Make calls, each with as many attempts as it may have."""

    def __init__(self, sender: Sender, runtime: Runtime) -> None:
        self._sender = sender
        self.runtime = runtime
        self._breakers: dict[tuple[str, str], tuple[BreakerRule, Breaker]] = {}
        self._budgets: dict[tuple[str, float], Budget] = {}

    def make(self, outgoing: OutgoingCall, seen: Observation) -> CallRecord:
        """Make a call and return its record; a failure is in the record and never raised."""
        return _Making(self, outgoing, seen).run()

    def open_breakers(self, downstream: str) -> int:
        """Return how many breakers of calls to a downstream are open, or let one attempt through as a probe."""
        breakers = [breaker for (to, _), (_, breaker) in self._breakers.items() if to == downstream]
        return sum(breaker.position is not Position.CLOSED for breaker in breakers)

    def forget(self, is_used: Callable[[str], bool]) -> None:
        """Forget the breakers of calls to downstreams for which `is_used(downstream)` is false."""
        self._breakers = {key: kept for key, kept in self._breakers.items() if is_used(key[0])}

    def breaker_of(self, outgoing: OutgoingCall) -> Breaker | None:
        """Return the breaker of a call, None if it has none; a changed rule starts a new one."""
        rule, key = outgoing.call.breaker, (outgoing.call.to, outgoing.key)
        if rule is None:
            self._breakers.pop(key, None)
            return None
        if key not in self._breakers or self._breakers[key][0] != rule:
            self._breakers[key] = (rule, Breaker(rule))
        return self._breakers[key][1]

    def budget_of(self, outgoing: OutgoingCall) -> Budget | None:
        """Return the budget for the retries of a call, None if it has none."""
        ratio = outgoing.call.retries.budget_ratio
        return None if ratio is None else self._budgets.setdefault((outgoing.key, ratio), Budget(ratio))

    def one(self, outgoing: OutgoingCall, number: int) -> Attempt:
        """Make one attempt, within the time that is left."""
        call, deadline_at = outgoing.call, outgoing.deadline_at
        left = None if deadline_at is None else max(0.001, deadline_at - self.runtime.now())
        timeout = call.timeout_seconds

        def request(address: str) -> WireRequest:
            return WireRequest(
                downstream=call.to,
                operation=call.operation,
                address=address,
                body=outgoing.body,
                content_type=outgoing.content_type,
                content_encoding=outgoing.content_encoding,
                message_id=outgoing.message.message_id,
                visit=outgoing.visit(number),
                due=outgoing.message.due,
                deadline_seconds=left,
                attempt=number,
                headers=call.headers,
                decisions=outgoing.decisions,
                on_withheld=outgoing.message.exchange.withhold,
                relay=outgoing.relay,
            )

        return self._sender.attempt(call.to, request, timeout if left is None else min(timeout, left))

    def instances(self, outgoing: OutgoingCall) -> int:
        """Return how many instances the called stage has."""
        return self._sender.instances(outgoing.call.to)


@dataclass(frozen=True, slots=True)
class _Rival:
    number: int
    begin: float
    task: Task


class _Making:
    """One call being made."""

    def __init__(self, attempts: Attempts, outgoing: OutgoingCall, seen: Observation) -> None:
        self._attempts = attempts
        self._runtime, self._now = attempts.runtime, attempts.runtime.now
        self._outgoing = outgoing
        self._seen = seen
        self._breaker = attempts.breaker_of(outgoing)
        self._budget = attempts.budget_of(outgoing)
        self._made: list[Attempt] = []
        self._started = 0

    def run(self) -> CallRecord:
        begin = self._now()
        try:
            return self._run(begin)
        except Abandoned:
            self._seen.broke_off(self._record(begin, CallOutcome.ABANDONED))
            raise

    def _run(self, begin: float) -> CallRecord:
        if self._budget is not None:
            self._budget.call()
        failures = unreachable = resent = 0
        while True:
            if (refusal := self._refusal()) is not None:
                return self._record(begin, refusal)
            attempt = self._attempt()
            if not attempt.retryable:
                return self._ended(begin, attempt)
            unreachable += attempt.outcome is CallOutcome.UNREACHABLE
            if attempt.ending and resent < self._attempts.instances(self._outgoing):
                # It did not accept the message; the next instance may, or the next process at the same address.
                resent += 1
                pause: float | None = 0.0
            elif attempt.outcome is CallOutcome.UNREACHABLE and unreachable < self._attempts.instances(self._outgoing):
                # The message did not reach it; another instance may take it, even an ejected one, which may be back.
                pause = 0.0
            else:
                failures += 1
                pause = self._pause_after(failures)
            if pause is None:
                return self._ended(begin, attempt)
            self._keep(attempt, pause)
            if pause:
                with self._seen.away():
                    self._runtime.sleep(pause)

    def _refusal(self) -> CallOutcome | None:
        """Return why no further attempt is made; None if one may be."""
        now, deadline = self._now(), self._outgoing.deadline_at
        if deadline is not None and now >= deadline:
            return CallOutcome.EXPIRED
        if self._breaker is not None and not self._breaker.lets_through(now):
            return CallOutcome.BREAKER_OPEN
        return None

    def _attempt(self) -> Attempt:
        if self._breaker is None:
            return self._once_or_twice()
        generation = self._breaker.generation
        try:
            attempt = self._once_or_twice()
        except BaseException:
            self._breaker.abandoned(generation)
            raise
        if attempt.ending:
            self._breaker.abandoned(generation)  # it says nothing about the health of the called stage
        elif attempt.retryable:
            self._breaker.failed(self._now(), attempt.injected, generation)
        else:
            self._breaker.succeeded(generation)
        return attempt

    def _once_or_twice(self) -> Attempt:
        if self._outgoing.call.hedge_seconds is None:
            return self._single(self._next_number())
        return self._hedged(self._outgoing.call.hedge_seconds)

    def _single(self, number: int) -> Attempt:
        self._seen.sending(self._outgoing.call.to, self._outgoing.call.operation)
        begin = self._now()
        try:
            with self._seen.away():
                return self._attempts.one(self._outgoing, number)
        except Abandoned as reason:
            self._keep(self._abandoned(number, begin, reason), None)
            raise

    def _hedged(self, hedge_seconds: float) -> Attempt:
        """Make an attempt, and a second one beside it if the first takes long; the first success counts."""
        rivals = [self._rival()]
        try:
            with self._seen.away():
                return self._first_good(rivals, hedge_seconds)
        except StageStopped as stopped:
            abandoned: list[Attempt] = []
            for rival in rivals:
                rival.task.abandon(StageStopped())
                attempt = self._result(rival)
                self._keep(attempt, None)
                if attempt.outcome is CallOutcome.ABANDONED:
                    abandoned.append(attempt)
            stopped.injected = bool(abandoned) and all(attempt.injected for attempt in abandoned)
            raise

    def _first_good(self, rivals: list[_Rival], hedge_seconds: float) -> Attempt:
        self._runtime.wait_any([rivals[0].task], hedge_seconds)
        if not rivals[0].task.done and (self._budget is None or self._budget.take()):
            rivals.append(self._rival())
        running = list(rivals)
        ended: list[Attempt] = []
        while running and not any(attempt.outcome is CallOutcome.OK for attempt in ended):
            self._runtime.wait_any([rival.task for rival in running], None)
            for rival in [rival for rival in running if rival.task.done]:
                running.remove(rival)
                ended.append(self._result(rival))
        for rival in running:
            rival.task.abandon()
            ended.append(self._result(rival))
        decisive = min(ended, key=lambda attempt: (attempt.outcome is not CallOutcome.OK, -attempt.number))
        for attempt in sorted(ended, key=lambda attempt: attempt.number):
            if attempt is not decisive:
                # An attempt that failed, and was not abandoned, failed before the decisive one ended.
                has_failed = attempt.outcome not in (CallOutcome.ABANDONED, CallOutcome.OK)
                self._keep(attempt, 0.0 if has_failed else None)
        return decisive

    def _rival(self) -> _Rival:
        number = self._next_number()
        self._seen.sending(self._outgoing.call.to, self._outgoing.call.operation)
        task = self._runtime.spawn(lambda: self._attempts.one(self._outgoing, number))
        return _Rival(number, self._now(), task)

    def _result(self, rival: _Rival) -> Attempt:
        try:
            return rival.task.result()  # type: ignore[return-value]
        except Abandoned as reason:
            return self._abandoned(rival.number, rival.begin, reason)

    def _abandoned(self, number: int, begin: float, reason: Abandoned) -> Attempt:
        stopped = isinstance(reason, StageStopped)
        return Attempt(
            outcome=CallOutcome.ABANDONED,
            code=None,
            duration_seconds=self._now() - begin,
            injected=isinstance(reason, StageStopped) and reason.injected,
            error="this stage was stopped" if stopped else "the other of two attempts was answered first",
            number=number,
        )

    def _next_number(self) -> int:
        self._started += 1
        return self._started

    def _pause_after(self, failures: int) -> float | None:
        """Return the pause in seconds before the next attempt; None if there is no next one."""
        retries, deadline = self._outgoing.call.retries, self._outgoing.deadline_at
        if failures > retries.count or (self._breaker is not None and self._breaker.position is Position.OPEN):
            return None
        pause = retries.pause_seconds(failures, self._outgoing.draw(f"pause {failures}"))
        if deadline is not None and self._now() + pause >= deadline:
            return None
        return pause if self._budget is None or self._budget.take() else None

    def _keep(self, attempt: Attempt, retry_in_seconds: float | None) -> None:
        self._made.append(attempt if retry_in_seconds is None else replace(attempt, retry_in_seconds=retry_in_seconds))
        call = self._outgoing.call
        self._seen.attempted(call.to, attempt, retry_in_seconds, call.operation)

    def _ended(self, begin: float, attempt: Attempt) -> CallRecord:
        self._keep(attempt, None)
        return self._record(begin, attempt.outcome, attempt)

    def _record(self, begin: float, outcome: CallOutcome, last: Attempt | None = None) -> CallRecord:
        failed = [attempt for attempt in self._made if attempt.outcome is not CallOutcome.ABANDONED]
        injected = outcome is not CallOutcome.OK and bool(failed) and all(attempt.injected for attempt in failed)
        error = last.error if last is not None else "its deadline has passed"
        if outcome is CallOutcome.BREAKER_OPEN and self._breaker is not None:
            error = "the breaker is open"
            injected = self._breaker.injected and (injected or not failed)
        return CallRecord(
            downstream=self._outgoing.call.to,
            operation=self._outgoing.call.operation,
            attempts=tuple(sorted(self._made, key=lambda attempt: attempt.number)),
            duration_seconds=self._now() - begin,
            outcome=outcome,
            code=last.code if last is not None else None,
            injected=injected,
            error=error,
            position=self._outgoing.position,
        )
