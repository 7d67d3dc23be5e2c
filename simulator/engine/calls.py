"""Forwarding a message by the steps of a stage: in order, in parallel, with a probability, or one of several."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace

from simulator.behaviour.draws import next_visit
from simulator.behaviour.payloads import CONTENT_TYPE, filled
from simulator.engine.attempts import Attempts, OutgoingCall
from simulator.engine.identity import Identity
from simulator.engine.message import Message
from simulator.engine.runtime import Runtime, StageStopped, Task
from simulator.engine.tracing import Tracing
from simulator.errors import DownstreamFailed, DownstreamTooSlow, MessageError
from simulator.telemetry.observe import Observation
from simulator.telemetry.record import CallOutcome, CallRecord
from simulator.topology.model import Call, Choose, InOrder, Parallel, Step

_TOO_SLOW = (CallOutcome.TIMEOUT, CallOutcome.EXPIRED)
_NO_CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Visit:
    """A message that is being forwarded. `deadline_at`, monotonic, is when its caller gives up; None means never."""

    identity: Identity
    message: Message
    body: bytes
    deadline_at: float | None
    seen: Observation

    def draw(self, purpose: str) -> float:
        """Return u in (0, 1), drawn for one purpose of this visit."""
        return self.identity.draw(self.message.message_id, self.message.visit, purpose)


class Calls:
    """Perform the steps of messages.

    `position` names a step in its stage: "0", "1.parallel.2", "0#3" for a third time.
    """

    def __init__(self, attempts: Attempts, runtime: Runtime, tracing: Tracing) -> None:
        self._attempts = attempts
        self._runtime = runtime
        self._tracing = tracing

    def perform(self, steps: tuple[Step, ...], visit: Visit) -> None:
        """Perform steps in order. Raise DownstreamFailed or DownstreamTooSlow if a required call fails."""
        self._in_order(steps, "", visit)

    def _in_order(self, steps: tuple[Step, ...], prefix: str, visit: Visit) -> None:
        for index, step in enumerate(steps):
            self._step(step, f"{prefix}{index}", visit)

    def _step(self, step: Step, position: str, visit: Visit) -> None:
        if isinstance(step, Call):
            self._maybe_call(step, position, visit)
        elif isinstance(step, InOrder):
            self._in_order(step.steps, f"{position}.", visit)
        elif isinstance(step, Choose):
            self._choose(step, position, visit)
        elif step.probability_ratio >= 1 or visit.draw(f"probability {position}") < step.probability_ratio:
            self._parallel(step, f"{position}.parallel.", visit)

    def _choose(self, step: Choose, position: str, visit: Visit) -> None:
        u = visit.draw(f"choose {position}")
        sums = itertools.accumulate(alternative.weight_ratio for alternative in step.choose)
        # Weights may add up to slightly less than 1; the rest belongs to the last alternative.
        index = next((number for number, reached in enumerate(sums) if u < reached), len(step.choose) - 1)
        self._maybe_call(step.choose[index], f"{position}.choose.{index}", visit)

    def _parallel(self, step: Parallel, prefix: str, visit: Visit) -> None:
        """Perform all steps in parallel, wait for every one of them, and raise the most serious failure."""
        errors: list[MessageError] = []
        remaining = iter(enumerate(step.parallel))

        def work() -> None:
            for index, inner in remaining:
                try:
                    self._step(inner, f"{prefix}{index}", visit)
                except MessageError as error:
                    errors.append(error)

        concurrency = min(len(step.parallel), step.limit or len(step.parallel))
        unforeseen: list[Exception] = []
        tasks = [self._runtime.spawn(work) for _ in range(concurrency)]
        try:
            for task in tasks:
                try:
                    task.result()
                except Exception as error:  # noqa: BLE001 - raised below, when all others have ended
                    unforeseen.append(error)
        except StageStopped as stopped:
            stopped.injected = _all_injected(tasks)
            raise
        if unforeseen:
            raise unforeseen[0]
        if errors:
            # An injected failure must not hide a genuine one.
            raise min(errors, key=lambda error: error.injected)

    def forget_unused(self, calls: Iterable[Call]) -> None:
        """Forget the breakers that none of these calls uses."""
        used = {call.to for call in calls if call.breaker is not None}
        self._attempts.forget(lambda downstream: downstream in used)

    def _maybe_call(self, call: Call, position: str, visit: Visit, key: str = "") -> None:
        if call.probability_ratio < 1 and visit.draw(f"probability {position}") >= call.probability_ratio:
            return
        if call.times == 1:
            self._call(call, key or position, position, visit)
        else:
            for number in range(1, call.times + 1):
                self._call(call, key or position, f"{position}#{number}", visit)

    def _call(self, call: Call, key: str, position: str, visit: Visit) -> None:
        outgoing = self._outgoing(call, key, position, visit)
        record = self._make(outgoing, visit.seen)
        failed = record.outcome is not CallOutcome.OK
        forgivable = call.optional or call.fallback is not None
        visit.seen.called(replace(record, forgiven=True) if failed and forgivable else record)
        if not failed:
            return
        try:
            if call.fallback is not None:
                self._maybe_call(call.fallback, f"{position}.fallback", visit, f"{key}.fallback")
                return
            # Stages that share a deadline give up one right after the other, and a busy caller may learn of the called
            # stage's before it has noticed its own.
            is_late = record.outcome in _TOO_SLOW or self._is_past(outgoing.deadline_at)
            error = DownstreamTooSlow if is_late else DownstreamFailed
            raise error(f"{call.to}: {record.error}", record.injected)
        except (DownstreamFailed, DownstreamTooSlow):
            if not call.optional:
                raise

    def _is_past(self, deadline_at: float | None) -> bool:
        return deadline_at is not None and self._runtime.now() >= deadline_at

    def _make(self, outgoing: OutgoingCall, seen: Observation) -> CallRecord:
        call = outgoing.call
        if not (call.retries.count or call.hedge_seconds):
            return self._attempts.make(outgoing, seen)
        with self._tracing.calling(call.to) as describe:
            record = self._attempts.make(outgoing, seen)
            describe(record)
            return record

    def _outgoing(self, call: Call, key: str, position: str, visit: Visit) -> OutgoingCall:
        message, body, content_type = visit.message, visit.body, visit.message.content_type
        content_encoding = message.content_encoding
        if call.request_size is not None:
            size = call.request_size.bytes(visit.draw(f"request size {position}"))
            body, content_type, content_encoding = filled(message.message_id, size), CONTENT_TYPE, ""
        if not body:
            content_type, content_encoding = _NO_CONTENT_TYPE, ""  # nothing is not JSON
        deadline_at = visit.deadline_at
        if call.deadline_seconds is not None:
            own = self._runtime.now() + call.deadline_seconds
            deadline_at = own if deadline_at is None else min(own, deadline_at)
        return OutgoingCall(
            call=call,
            key=key,
            message=message,
            body=body,
            content_type=content_type,
            content_encoding=content_encoding,
            deadline_at=deadline_at,
            visit=lambda attempt: next_visit(message.visit, f"{visit.identity.stage}/{position}", attempt),
            draw=lambda purpose: visit.draw(f"{purpose} {position}"),
        )


def _all_injected(tasks: list[Task]) -> bool:
    """Stop tasks; return whether all that had not ended were waiting for an injected fault."""
    waited: list[bool] = []
    for task in tasks:
        task.abandon(StageStopped())
        try:
            task.result()
        except StageStopped as stopped:
            waited.append(stopped.injected)
        except Exception:  # noqa: BLE001, S112 - it had already ended, and the whole step is abandoned
            continue
    return bool(waited) and all(waited)
