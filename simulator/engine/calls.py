"""Forwarding a message by the steps of a stage: in order, in parallel, with a probability, or one of several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from simulator.behaviour.draws import next_visit
from simulator.behaviour.payloads import CONTENT_TYPE, filled
from simulator.behaviour.times import Times
from simulator.behaviour.values import Value
from simulator.behaviour.weights import chosen
from simulator.engine.attempts import Attempts, OutgoingCall
from simulator.engine.identity import Identity
from simulator.engine.injection import sleep_until
from simulator.engine.message import Message
from simulator.engine.relay import Relay
from simulator.engine.runtime import Runtime, StageStopped, Task
from simulator.engine.tracing import Tracing
from simulator.errors import DownstreamFailed, DownstreamTooSlow, MessageError
from simulator.records import record
from simulator.telemetry.observe import Observation
from simulator.telemetry.record import CallOutcome, CallRecord, ChoiceKind
from simulator.topology.steps import Call, Choose, Group, Parallel, Pause, Step
from simulator.units import MAX_DURATION_SECONDS

_TOO_SLOW = (CallOutcome.TIMEOUT, CallOutcome.EXPIRED)
_TIME = re.compile(r"#[0-9]+")
_NO_CONTENT_TYPE = "application/octet-stream"


@record()
class Visit:
    """A message that is being forwarded. `deadline_at`, monotonic, is when its caller gives up; None means never."""

    identity: Identity
    message: Message
    body: bytes
    deadline_at: float | None
    seen: Observation
    decisions: Mapping[str, Value]
    relay: Relay | None = None

    def draw(self, purpose: str) -> float:
        """Return u in (0, 1), drawn for one purpose of this visit."""
        return self.identity.draw(self.message.message_id, self.message.visit, purpose)


class Calls:
    """Perform the steps of messages.

    `position` names a step in its operation: "0", "1.parallel.2", "0#3" for a third time.
    """

    def __init__(self, attempts: Attempts, runtime: Runtime, tracing: Tracing) -> None:
        self._attempts = attempts
        self._runtime = runtime
        self._tracing = tracing

    def perform(self, steps: tuple[Step, ...], visit: Visit) -> None:
        """Perform steps in order. Raise DownstreamFailed or DownstreamTooSlow if a required call fails."""
        self._in_order(steps, "", visit)

    def _in_order(self, steps: tuple[Step, ...], prefix: str, visit: Visit, forgiving: bool = False) -> None:
        for index, step in enumerate(steps):
            self._step(step, f"{prefix}{index}", visit, forgiving)

    def _step(self, step: Step, position: str, visit: Visit, forgiving: bool) -> None:
        """Perform a step; `forgiving` means that the message goes on if it fails."""
        if step.when is not None and not step.when.holds(visit.decisions):
            return
        if isinstance(step, Call):
            self._maybe_call(step, position, visit, forgiving)
        elif isinstance(step, Pause):
            self._pause(step, position, visit)
        elif isinstance(step, Choose):
            index = _chosen(step, position, visit)
            self._step(step.choose[index].step, f"{position}.choose.{index}", visit, forgiving)
        elif _is_taken(step.probability_ratio, position, visit):
            self._group(step, position, visit, forgiving)

    def _pause(self, step: Pause, position: str, visit: Visit) -> None:
        drawn = min(step.delay.quantile(visit.draw(f"delay {position}")), MAX_DURATION_SECONDS)
        with visit.seen.paused(str(step.delay), position, drawn) as begin:
            sleep_until(self._runtime, begin + drawn)

    def _group(self, group: Group, position: str, visit: Visit, forgiving: bool) -> None:
        try:
            if isinstance(group, Parallel):
                self._parallel(group, position, visit, forgiving or group.optional)
            else:
                for place in _places(group.times, position, visit):
                    self._in_order(group.steps, f"{place}.", visit, forgiving or group.optional)
        except (DownstreamFailed, DownstreamTooSlow) as error:
            errors: list[MessageError] = [error]
            try:
                self._in_order(group.on_error, f"{position}.on_error.", visit, forgiving or group.optional)
            except (DownstreamFailed, DownstreamTooSlow) as another:
                errors.append(another)
            if not group.optional:
                raise _most_serious(errors) from None

    def _parallel(self, group: Parallel, position: str, visit: Visit, forgiving: bool) -> None:
        """Perform all steps in parallel, wait for every one of them, and raise the most serious failure."""
        errors: list[MessageError] = []
        steps = [
            (group.parallel[index], f"{place}.parallel.{index}")
            for place in _places(group.times, position, visit)
            for index in _picked(group, place, visit)
        ]
        remaining = iter(steps)

        def work() -> None:
            for inner, place in remaining:
                try:
                    self._step(inner, place, visit, forgiving)
                except MessageError as error:
                    errors.append(error)

        concurrency = min(len(steps), group.limit or len(steps))
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
            raise _most_serious(errors)

    def forget_unused(self, calls: Iterable[Call]) -> None:
        """Forget the breakers that none of these calls uses."""
        used = {call.to for call in calls if call.breaker is not None}
        self._attempts.forget(lambda downstream: downstream in used)

    def _maybe_call(self, call: Call, position: str, visit: Visit, forgiving: bool) -> None:
        if not _is_taken(call.probability_ratio, position, visit):
            return
        key = position if "#" not in position else _TIME.sub("", position)
        if visit.message.operation:
            key = f"{visit.message.operation}:{key}"
        for place in _places(call.times, position, visit):
            self._call(call, key, place, visit, forgiving)

    def _call(self, call: Call, key: str, position: str, visit: Visit, forgiving: bool) -> None:
        outgoing = self._outgoing(call, key, position, visit)
        record = self._make(outgoing, visit.seen)
        failed = record.outcome is not CallOutcome.OK
        forgivable = forgiving or call.optional or bool(call.fallback)
        visit.seen.called(replace(record, forgiven=True) if failed and forgivable else record)
        if not failed:
            return
        try:
            if call.fallback:
                self._fall_back(call.fallback, f"{position}.fallback", visit, forgiving or call.optional)
                return
            # Stages that share a deadline give up one right after the other, and a busy caller may learn of the called
            # stage's before it has noticed its own.
            is_late = record.outcome in _TOO_SLOW or self._is_past(outgoing.deadline_at)
            error = DownstreamTooSlow if is_late else DownstreamFailed
            raise error(f"{call.to}: {record.error}", record.injected)
        except (DownstreamFailed, DownstreamTooSlow):
            if not call.optional:
                raise

    def _fall_back(self, steps: tuple[Step, ...], position: str, visit: Visit, forgiving: bool) -> None:
        if len(steps) == 1:
            self._step(steps[0], position, visit, forgiving)
        else:
            self._in_order(steps, f"{position}.", visit, forgiving)

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
            position=position,
            key=key,
            message=message,
            body=body,
            content_type=content_type,
            content_encoding=content_encoding,
            deadline_at=deadline_at,
            decisions=visit.decisions,
            visit=lambda attempt: next_visit(message.visit, f"{visit.identity.stage}/{position}", attempt),
            draw=lambda purpose: visit.draw(f"{purpose} {position}"),
            relay=visit.relay,
        )


def _most_serious(errors: Iterable[MessageError]) -> MessageError:
    """Return the first error that is not injected, which must not hide a genuine one, or else the first."""
    return min(errors, key=lambda error: error.injected)


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


def _is_taken(probability_ratio: float, position: str, visit: Visit) -> bool:
    """Return whether a step is taken, which is drawn unless it always is."""
    if probability_ratio >= 1:
        return True
    is_taken = visit.draw(f"probability {position}") < probability_ratio
    visit.seen.chose(ChoiceKind.PROBABILITY, position, is_taken)
    return is_taken


def _places(times: Times, position: str, visit: Visit) -> Iterable[str]:
    """Yield the position of each of the times that a step is taken."""
    if times.fixed == 1 and not times.decision and times.rule is None:
        return (position,)
    count = times.of(lambda: visit.draw(f"times {position}"), visit.decisions)
    if times.rule is not None:
        visit.seen.chose(ChoiceKind.TIMES, position, count)
    return (f"{position}#{number}" for number in range(1, count + 1))


def _chosen(step: Choose, position: str, visit: Visit) -> int:
    """Return which alternative is taken: of an injector's session the one whose turn it is, else one by weight."""
    if visit.message.turn is not None and position == "0":
        return visit.message.turn
    index = chosen([alternative.weight for alternative in step.choose], visit.draw(f"choose {position}"))
    visit.seen.chose(ChoiceKind.CHOOSE, position, index)
    return index


def _picked(group: Parallel, position: str, visit: Visit) -> Iterable[int]:
    """Return which of a group's steps are taken: each set of `pick` steps with the same probability."""
    everything = range(len(group.parallel))
    if group.pick is None or group.pick >= len(everything):
        return everything
    lots = {index: visit.draw(f"pick {position} {index}") for index in everything}
    picked = sorted(sorted(everything, key=lots.__getitem__)[: group.pick])
    for index in everything:
        visit.seen.chose(ChoiceKind.PICK, f"{position}.parallel.{index}", index in picked)
    return picked
