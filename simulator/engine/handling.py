"""The story of one message in one stage, from top to bottom: admit, wait for a worker, process, forward, answer."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from simulator.behaviour.corrections import Correction
from simulator.behaviour.faults.base import Phase
from simulator.behaviour.limits import Bucket, retry_after_seconds
from simulator.behaviour.values import Value
from simulator.behaviour.work import NO_WORK
from simulator.engine.bodies import check_body
from simulator.engine.calls import Calls, Visit
from simulator.engine.capacity import Capacity, Ticket
from simulator.engine.encodings import decompressed, is_compressed
from simulator.engine.injection import Behaviour, Injection, Machine, OperationBehaviour, sleep_until
from simulator.engine.message import Answer, Message
from simulator.engine.output import Output
from simulator.engine.relay import Relay, RelayedAnswer
from simulator.engine.runtime import Event, Runtime, StageStopped
from simulator.engine.tracing import Tracing
from simulator.errors import (
    BrokenOff,
    DeadlinePassed,
    DownstreamFailed,
    DownstreamTooSlow,
    InvalidMessage,
    MessageError,
    RateLimited,
    ShuttingDown,
    Unforeseen,
)
from simulator.telemetry.observe import Observation, Observer
from simulator.telemetry.record import NO_DECISIONS, Arrival, Outcome, StageRecord
from simulator.topology.graph import calls_of
from simulator.topology.model import Answering, Method
from simulator.topology.steps import Step
from simulator.units import MAX_DURATION_SECONDS

_SERVER_ERROR = 500
_MEDIAN = 0.5


class Handling:
    """Handle messages, each in one call of `handle`, many concurrently."""

    def __init__(
        self,
        behaviour: Behaviour,
        runtime: Runtime,
        observer: Observer,
        tracing: Tracing,
        *,
        capacity: Capacity,
        calls: Calls,
        output: Output,
        machine: Machine,
    ) -> None:
        self._behaviour = behaviour
        self._runtime = runtime
        self._observer = observer
        self._tracing = tracing
        self._capacity = capacity
        self._calls = calls
        self._output = output
        self._machine = machine
        self._running: set[object] = set()
        self._numbers: dict[str, int] = {}
        self._correction = Correction()
        self.known_downstreams = frozenset((call.to, call.operation) for _, call in calls_of(behaviour.model))
        self._bucket = self._new_bucket()
        self._only_from: frozenset[str] | None = None

    @property
    def behaviour(self) -> Behaviour:
        """Return the behaviour that messages meet which arrive now."""
        return self._behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        limit_changed = behaviour.model.rate_limit != self._behaviour.model.rate_limit
        self._behaviour = behaviour
        self._calls.forget_unused(call for _, call in calls_of(behaviour.model))
        if limit_changed:
            self._bucket = self._new_bucket()

    def take_only_from(self, callers: Collection[str]) -> None:
        """Refuse every message of another caller from now on: the stage is stopping, and these may call it back."""
        self._only_from = frozenset(callers)

    @property
    def in_flight(self) -> int:
        """Return how many messages are being handled, including those whose body is still being read."""
        return len(self._running)

    def handle(self, message: Message) -> StageRecord:
        """Handle a message until its answer has been sent, and return its record."""
        return self._handle(message, None)

    def accept(self, message: Message) -> None:
        """Admit a message, answer, and handle it afterwards; or answer why it is not admitted."""
        admission = _Admission(self._runtime.event("an admission"))

        def work() -> None:
            try:
                with self._tracing.accepted():
                    self._handle(message, admission)
            finally:
                admission.answered.set()

        task = self._runtime.spawn(work)
        admission.answered.wait()
        if not admission.given:
            task.result()  # raises what kept the message from being answered

    def break_off(self) -> int:
        """End the handling of every message in flight, each with BrokenOff; return how many there were."""
        stopped = tuple(self._running)
        for running in stopped:
            self._runtime.stop(running, lambda running=running: running in self._running)  # type: ignore[misc]
        return len(stopped)

    def _handle(self, message: Message, admission: _Admission | None) -> StageRecord:
        behaviour = self._behaviour
        operation = behaviour.operations[message.operation]
        model = operation.model
        decisions = operation.decisions(message) if model.decide else message.decisions
        attributes = operation.attributes(message, self._next_number) if model.attributes else NO_DECISIONS
        arrival = self._arrival(message, operation, decisions, attributes)
        with self._observer.observing(arrival) as seen, self._capacity.ticket() as ticket:
            injection = Injection(operation, message, decisions, seen, self._runtime, self._machine)
            case = _Case(
                message=message,
                behaviour=behaviour,
                operation=operation,
                decisions=decisions,
                attributes=attributes,
                seen=seen,
                ticket=ticket,
                injection=injection,
                admission=admission,
                relay=Relay(message.request) if model.answer is Answering.DOWNSTREAM else None,
            )
            running = self._runtime.current()
            self._running.add(running)
            try:
                try:
                    answer = self._outcome(case)
                finally:
                    message.exchange.release()  # sending the answer may take long
                left_at = None
                if admission is None or not admission.given:
                    left_at = self._answer(case, answer)
            finally:
                self._running.discard(running)
                injection.release()
            seen.read(message.exchange.waited_seconds)  # also for the rest of a body that is not wanted
            record = seen.left(left_at)
        # Where there was nothing to wait for, an overhead says nothing about the waiting.
        if answer.error is None and (seen.has_waited or record.overhead_seconds < 0):
            self._correction.learn(record.overhead_seconds)
        return record

    def _outcome(self, case: _Case) -> Answer:
        """Handle a message up to its answer, and return the answer."""
        seen = case.seen
        try:
            return self._work(case)
        except MessageError as error:
            seen.failed(error)
            # Its traceback would hold the body for as long as the answer takes.
            return Answer(error=error.with_traceback(None), relayed=case.relayed)
        except Exception as error:
            logging.getLogger(__name__).exception("the message %s could not be handled", case.message.message_id)
            seen.broke(error)
            return Answer(error=Unforeseen())
        except BaseException as reason:  # noqa: BLE001 - only the end of the stage raises one here
            broken_off = BrokenOff(isinstance(reason, StageStopped) and reason.injected)
            seen.failed(broken_off)
            return Answer(error=broken_off)

    def _work(self, case: _Case) -> Answer:
        message, seen, injection, operation = case.message, case.seen, case.injection, case.operation
        if self._bucket is not None:
            self._check_rate_limit(self._bucket)
        deadline_at = None
        if message.deadline_seconds is not None:
            deadline_at = seen.received_at + message.deadline_seconds
            self._check_deadline(deadline_at)
        if self._only_from is not None and message.caller not in self._only_from:
            raise ShuttingDown
        self._capacity.check_room()
        body = self._read(case)
        if deadline_at is not None:
            self._check_deadline(deadline_at)
        case.ticket.take()
        answered_at = None
        if case.admission is not None:
            self._admit(case.admission, case)
            deadline_at, answered_at = None, self._runtime.now()  # the caller has its answer
        seen.waited(case.ticket.wait(answered_at), case.ticket.taken_at)
        if deadline_at is not None:
            self._check_deadline(deadline_at)
        if operation.has_faults:
            injection.inject(Phase.BEFORE)
        self._process(case)
        if operation.model.log:
            self._log(case)
        if operation.has_faults:
            injection.inject(Phase.AFTER)
        calls = operation.model.calls
        if calls:
            visit = Visit(case.behaviour.identity, message, body, deadline_at, seen, case.decisions, case.relay)
            self._perform(calls, visit)
        else:
            self._output.write(body, message.content_type)
        relayed = case.relayed
        seen.ended(Outcome.FORWARDED if calls else Outcome.DELIVERED, 200 if relayed is None else relayed.status)
        if operation.has_faults and case.admission is None:
            injection.inject(Phase.ANSWER)
        size = operation.model.response_size
        return Answer(
            outcome=seen.outcome,
            duration_seconds=self._runtime.now() - seen.received_at,
            size_bytes=None if size is None else size.bytes(case.draw("response size")),
            truncated=injection.truncated,
            bytes_per_second=injection.bytes_per_second,
            relayed=relayed,
        )

    def _perform(self, calls: tuple[Step, ...], visit: Visit) -> None:
        """Make the calls. An error that is relayed has the status that came, and one below 500 is the client's."""
        try:
            self._calls.perform(calls, visit)
        except (DownstreamFailed, DownstreamTooSlow) as error:
            relayed = None if visit.relay is None else visit.relay.answer
            if relayed is None:
                raise
            if relayed.status < _SERVER_ERROR and not error.injected:
                raise InvalidMessage(str(error), relayed.status) from None
            error.status = relayed.status
            raise

    def _answer(self, case: _Case, answer: Answer) -> float:
        """Send the answer and return when it left; the time of a slow one is the time of the fault that slows it."""
        begin = self._runtime.now()
        left_at = None
        try:
            left_at = case.message.exchange.answer(answer)
        except StageStopped:
            case.seen.failed(BrokenOff(injected=answer.is_spoiled))
        if left_at is None:
            left_at = self._runtime.now()
        if answer.bytes_per_second is not None:
            case.seen.fault_took(case.injection.slowed_by, begin, left_at - begin)
        return left_at

    def _admit(self, admission: _Admission, case: _Case) -> None:
        admission.given = True
        case.seen.accepted(case.message.exchange.answer(Answer(accepted=True)))
        admission.answered.set()

    def _read(self, case: _Case) -> bytes:
        """Return the body as it is forwarded, or decompressed if it is delivered here."""
        message, operation, seen = case.message, case.operation.model, case.seen
        encoding = message.content_encoding
        # What is relayed may be anything, in any encoding.
        compressed = bool(encoding) and case.relay is None and is_compressed(encoding)
        try:
            body = message.exchange.read()
        finally:
            seen.read(message.exchange.waited_seconds)
        seen.sized(len(body))
        if case.relay is not None:
            return body
        plain = decompressed(body, encoding, case.behaviour.model.max_body_bytes) if compressed else body
        if operation.method.has_body:
            check_body(plain, message.content_type)
        elif body and operation.method is not Method.DELETE:
            raise InvalidMessage(f"a {operation.method} has no body, but this one has {len(body)} bytes")
        return body if operation.calls else plain

    def _next_number(self, attribute: str) -> int:
        number = self._numbers[attribute] = self._numbers.get(attribute, 0) + 1
        return number

    def _arrival(
        self,
        message: Message,
        operation: OperationBehaviour,
        decisions: Mapping[str, Value],
        attributes: Mapping[str, Value],
    ) -> Arrival:
        received_at, received_unix_ns = message.received_at, message.received_unix_ns
        return Arrival(
            message_id=message.message_id,
            visit=message.visit,
            caller=message.caller,
            via=message.via,
            content_type=message.content_type,
            body_bytes=message.body_bytes,
            due_unix_seconds=message.due.unix_seconds,
            due_at=message.due.at,
            received_unix_ns=self._runtime.unix_ns() if received_unix_ns is None else received_unix_ns,
            received_at=self._runtime.now() if received_at is None else received_at,
            trace=self._tracing.ids(message.message_id, message.visit),
            deadline_seconds=message.deadline_seconds,
            request=operation.request(message) if message.begins_here else "",
            operation=message.operation,
            method=operation.model.method if message.request is None else message.request.method,
            route=operation.route,
            decisions=decisions,
            attributes=attributes,
        )

    def _new_bucket(self) -> Bucket | None:
        limit = self._behaviour.model.rate_limit
        return None if limit is None else Bucket(limit, self._runtime.now())

    def _check_rate_limit(self, bucket: Bucket) -> None:
        wait_seconds = bucket.take(self._runtime.now())
        if wait_seconds:
            limit = self._behaviour.model.rate_limit
            raise RateLimited(f"this stage takes at most {limit}", retry_after_seconds(wait_seconds))

    def _check_deadline(self, deadline_at: float) -> None:
        if self._runtime.now() >= deadline_at:
            raise DeadlinePassed("the caller no longer waits for the answer")

    def _process(self, case: _Case) -> None:
        """Sleep for what is left of the delay, which includes the stage's own time before and after this point.

        The time before it is measured, the time after it is estimated from earlier messages.
        """
        delay, utilisation = case.operation.model.delay, self._capacity.utilisation
        # One that has only one value needs no draw. A heavy tail may draw more than can be slept.
        u = _MEDIAN if delay.is_constant else case.draw("delay")
        drawn = min(delay.under_load(u, utilisation), MAX_DURATION_SECONDS)
        work = case.operation.model.work
        if work is not NO_WORK:
            case.injection.work(work)
        if drawn > 0:
            end = case.seen.own_time_over_at(drawn) - self._correction.seconds
            if end > self._runtime.now():
                case.seen.has_waited = True
                sleep_until(self._runtime, end)
        case.seen.processed(drawn, case.operation.delay_spec, utilisation, has_worked=work is not NO_WORK)

    def _log(self, case: _Case) -> None:
        """Log the lines of the service itself."""
        values = {
            **case.decisions,
            **case.attributes,
            "message_id": case.message.message_id,
            "operation": case.message.operation,
        }
        for line in case.operation.model.log:
            if line.when is None or line.when.holds(case.decisions):
                case.seen.logged(line.level, line.message.filled(values))


class _Admission:
    """Whether a message that is answered before it is processed has been admitted."""

    def __init__(self, answered: Event) -> None:
        self.given = False
        self.answered = answered


@dataclass(slots=True, kw_only=True)  # one is made per message, and making a frozen one takes twice as long
class _Case:
    """One message being handled, and all that belongs to it; `admission` of None means that it is answered last."""

    message: Message
    behaviour: Behaviour
    operation: OperationBehaviour
    decisions: Mapping[str, Value]
    attributes: Mapping[str, Value]
    seen: Observation
    ticket: Ticket
    injection: Injection
    admission: _Admission | None
    relay: Relay | None

    @property
    def relayed(self) -> RelayedAnswer | None:
        """Return the answer of the called stage or service if that is the stage's own, None if there is none."""
        return None if self.relay is None else self.relay.answer

    def draw(self, purpose: str) -> float:
        """Return u in (0, 1) for one purpose of this visit."""
        return self.behaviour.identity.draw(self.message.message_id, self.message.visit, purpose)
