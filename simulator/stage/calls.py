"""Sending a message on, by the steps of a stage: in order, at the same time, perhaps, or one of several."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from opentelemetry.trace import Span

from simulator.behaviour.draws import draw, next_visit
from simulator.behaviour.payloads import CONTENT_TYPE, filled
from simulator.errors import DownstreamFailed, DownstreamTooSlow, MessageError
from simulator.stage.attempts import Attempts, Order
from simulator.stage.message import Message
from simulator.stage.tasks import StageStopped, Task, Tasks
from simulator.telemetry.observe import Observation
from simulator.telemetry.record import CallOutcome, CallRecord
from simulator.telemetry.traces import describe_call
from simulator.topology.model import Call, Choose, InOrder, Parallel, Step

_TOO_SLOW = (CallOutcome.TIMEOUT, CallOutcome.EXPIRED)


@dataclass(frozen=True, slots=True)
class Journey:
    """A message on its way on; `deadline_at`, monotonic, is when its caller gives up, None meaning never."""

    stage: str
    seed: int
    message: Message
    body: bytes
    deadline_at: float | None
    seen: Observation

    def draw(self, purpose: str) -> float:
        """Draw u in (0, 1) for one purpose of this visit."""
        return draw(self.seed, self.stage, self.message.message_id, self.message.visit, purpose)


class Calls:
    """Take the steps of messages. `place` names a step in its stage: "0", "1.parallel.2", "0#3" for a third time."""

    def __init__(
        self,
        attempts: Attempts,
        tasks: Tasks,
        monotonic: Callable[[], float],
        inner_span: Callable[[str], AbstractContextManager[Span]],
    ) -> None:
        self._attempts = attempts
        self._tasks = tasks
        self._monotonic = monotonic
        self._inner_span = inner_span

    def perform(self, steps: tuple[Step, ...], journey: Journey) -> None:
        """Take steps in order. Raise DownstreamFailed or DownstreamTooSlow where one fails that must not."""
        self._in_order(steps, "", journey)

    def _in_order(self, steps: tuple[Step, ...], prefix: str, journey: Journey) -> None:
        for index, step in enumerate(steps):
            self._step(step, f"{prefix}{index}", journey)

    def _step(self, step: Step, place: str, journey: Journey) -> None:
        if isinstance(step, Call):
            self._perhaps(step, place, journey)
        elif isinstance(step, InOrder):
            self._in_order(step.steps, f"{place}.", journey)
        elif isinstance(step, Choose):
            self._choose(step, place, journey)
        elif step.probability_ratio >= 1 or journey.draw(f"probability {place}") < step.probability_ratio:
            self._parallel(step, f"{place}.parallel.", journey)

    def _choose(self, step: Choose, place: str, journey: Journey) -> None:
        u = journey.draw(f"choose {place}")
        sums = itertools.accumulate(alternative.weight_ratio for alternative in step.choose)
        # Weights may add up to a hair less than 1; what lies beyond is the last one's.
        index = next((number for number, reached in enumerate(sums) if u < reached), len(step.choose) - 1)
        self._perhaps(step.choose[index], f"{place}.choose.{index}", journey)

    def _parallel(self, step: Parallel, prefix: str, journey: Journey) -> None:
        """Take all steps at the same time, wait for every one of them, and raise the gravest failure."""
        errors: list[MessageError] = []
        left = iter(enumerate(step.parallel))

        def work() -> None:
            for index, inner in left:
                try:
                    self._step(inner, f"{prefix}{index}", journey)
                except MessageError as error:
                    errors.append(error)

        at_once = min(len(step.parallel), step.limit or len(step.parallel))
        unforeseen: list[Exception] = []
        tasks = [self._tasks.start(work) for _ in range(at_once)]
        try:
            for task in tasks:
                try:
                    task.result()
                except Exception as error:  # noqa: BLE001 - raised below, when all of the others have ended
                    unforeseen.append(error)
        except StageStopped as stopped:
            stopped.injected = _all_injected(tasks)
            raise
        if unforeseen:
            raise unforeseen[0]
        if errors:
            # A failure on purpose must not cover up a genuine one.
            raise min(errors, key=lambda error: error.injected)

    def forget_unused(self, steps: Iterable[Call]) -> None:
        """Forget the breakers that none of these calls has any more."""
        used = {call.to for call in steps if call.breaker is not None}
        self._attempts.forget(lambda downstream: downstream in used)

    def _perhaps(self, call: Call, place: str, journey: Journey, key: str = "") -> None:
        if call.probability_ratio < 1 and journey.draw(f"probability {place}") >= call.probability_ratio:
            return
        if call.times == 1:
            self._call(call, key or place, place, journey)
        else:
            for number in range(1, call.times + 1):
                self._call(call, key or place, f"{place}#{number}", journey)

    def _call(self, call: Call, key: str, place: str, journey: Journey) -> None:
        order = self._order(call, key, place, journey)
        record = self._tried(order, journey)
        failed = record.outcome is not CallOutcome.OK
        forgivable = call.optional or call.fallback is not None
        journey.seen.called(replace(record, forgiven=True) if failed and forgivable else record)
        if not failed:
            return
        try:
            if call.fallback is not None:
                self._perhaps(call.fallback, f"{place}.fallback", journey, f"{key}.fallback")
                return
            # Stages of one deadline give up one right after the other, and a caller that is busy then may hear of the
            # other's before it has noticed its own.
            is_late = record.outcome in _TOO_SLOW or self._is_past(order.deadline_at)
            error = DownstreamTooSlow if is_late else DownstreamFailed
            raise error(f"{call.to}: {record.error}", record.injected)
        except (DownstreamFailed, DownstreamTooSlow):
            if not call.optional:
                raise

    def _is_past(self, deadline_at: float | None) -> bool:
        return deadline_at is not None and self._monotonic() >= deadline_at

    def _tried(self, order: Order, journey: Journey) -> CallRecord:
        if not (order.call.retries.count or order.call.hedge_seconds):
            return self._attempts.make(order, journey.seen)
        with self._inner_span(f"call {order.call.to}") as span:
            record = self._attempts.make(order, journey.seen)
            describe_call(span, record)
            return record

    def _order(self, call: Call, key: str, place: str, journey: Journey) -> Order:
        message, body, content_type = journey.message, journey.body, journey.message.content_type
        content_encoding = message.content_encoding
        if call.request_size is not None:
            size = call.request_size.bytes(journey.draw(f"request size {place}"))
            body, content_type, content_encoding = filled(message.message_id, size), CONTENT_TYPE, ""
        limits = [journey.deadline_at]
        if call.deadline_seconds is not None:
            limits.append(self._monotonic() + call.deadline_seconds)
        return Order(
            call=call,
            key=key,
            message_id=message.message_id,
            from_visit=message.visit,
            body=body,
            content_type=content_type,
            due=message.due,
            deadline_at=min((limit for limit in limits if limit is not None), default=None),
            visit=lambda attempt: next_visit(message.visit, f"{journey.stage}/{place}", attempt),
            draw=lambda purpose: journey.draw(f"{purpose} {place}"),
            content_encoding=content_encoding,
        )


def _all_injected(tasks: list[Task]) -> bool:
    """Stop tasks; return whether all that had not ended yet waited for an injected fault."""
    waited: list[bool] = []
    for task in tasks:
        task.abandon(StageStopped())
        try:
            task.result()
        except StageStopped as stopped:
            waited.append(stopped.injected)
        except Exception:  # noqa: BLE001, S112 - it had ended before, and the whole step is given up
            continue
    return bool(waited) and all(waited)
