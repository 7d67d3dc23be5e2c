"""The story of one message in one stage, from top to bottom: admit, wait for a worker, process, send on, answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simulator.behaviour.distributions import Delay
from simulator.behaviour.draws import draw, next_visit
from simulator.behaviour.faults import Error, Fault
from simulator.errors import DownstreamFailed, DownstreamTooSlow, InjectedFault
from simulator.stage.capacity import Capacity
from simulator.stage.downstream import Parcel, Sender
from simulator.stage.keeping import Keeper
from simulator.stage.message import Message, check_body
from simulator.telemetry.observe import Observation, Observer
from simulator.telemetry.record import Arrival, CallOutcome, CallRecord, Clock, Outcome, StageRecord, TraceIds
from simulator.telemetry.traces import with_message_id
from simulator.units import MAX_DURATION_SECONDS


@dataclass(frozen=True)
class Behaviour:
    """What a stage does to a message: how long it takes, what goes wrong, whom it calls, in order."""

    stage: str
    seed: int
    delay: Delay
    faults: tuple[Fault, ...]
    calls: tuple[str, ...]


class Handling:
    """Handle messages, one `handle` each, many at once."""

    def __init__(
        self,
        behaviour: Behaviour,
        capacity: Capacity,
        sender: Sender,
        keeper: Keeper,
        observer: Observer,
        clock: Clock,
        sleep: Callable[[float], None],
        current_trace: Callable[[], TraceIds],
    ) -> None:
        self.behaviour = behaviour
        self._capacity = capacity
        self._sender = sender
        self._keeper = keeper
        self._observer = observer
        self._clock = clock
        self._sleep = sleep
        self._current_trace = current_trace

    def handle(self, message: Message) -> StageRecord:
        """Handle a message to its end. Raise the MessageError that says why it did not end well."""
        behaviour = self.behaviour
        with self._observer.observing(self._arrival(message)) as seen:
            body = message.read()
            check_body(body, message.content_type)
            seen.admitted()
            with self._capacity.worker() as wait_seconds:
                seen.waited(wait_seconds)
                self._process(behaviour, message, seen)
                _strike(behaviour, message)
                self._send_on(behaviour, message, body, seen)
                if not behaviour.calls:
                    self._keeper.keep(body, message.content_type)
            seen.ended(Outcome.FORWARDED if behaviour.calls else Outcome.DELIVERED)
        return seen.record

    def _arrival(self, message: Message) -> Arrival:
        return Arrival(
            message.message_id,
            message.visit,
            message.caller,
            message.via,
            message.content_type,
            message.body_bytes,
            message.due_unix_seconds,
            self._clock.unix_ns(),
            self._clock.monotonic(),
            self._current_trace(),
        )

    def _process(self, behaviour: Behaviour, message: Message, seen: Observation) -> None:
        begin = self._clock.monotonic()
        u = draw(behaviour.seed, behaviour.stage, message.message_id, message.visit, "delay")
        # The far end of a heavy tail is longer than anything that can be slept.
        drawn = min(behaviour.delay.quantile(u), MAX_DURATION_SECONDS)
        # Until a point in time, not for a time: an event loop may wake a sleeper early by its own lateness.
        while (left := begin + drawn - self._clock.monotonic()) > 0:
            self._sleep(left)
        seen.processed(drawn, self._clock.monotonic() - begin)

    def _send_on(self, behaviour: Behaviour, message: Message, body: bytes, seen: Observation) -> None:
        if not behaviour.calls:
            return
        with with_message_id(message.message_id):
            for index, downstream in enumerate(behaviour.calls):
                visit = next_visit(message.visit, f"{behaviour.stage}/{index}", 1)
                parcel = Parcel(body, message.content_type, message.message_id, visit, message.due_unix_seconds)
                self._call(downstream, parcel, seen)

    def _call(self, downstream: str, parcel: Parcel, seen: Observation) -> None:
        seen.sending(downstream)
        attempt = self._sender.attempt(downstream, parcel)
        seen.called(CallRecord(downstream, (attempt,), attempt.duration_seconds))
        if attempt.outcome is CallOutcome.TIMEOUT:
            raise DownstreamTooSlow(f"{downstream}: {attempt.error}")
        if attempt.outcome is not CallOutcome.OK:
            raise DownstreamFailed(f"{downstream}: {attempt.error}", attempt.injected)


def _strike(behaviour: Behaviour, message: Message) -> None:
    """Let each fault draw for itself; the first that hits decides."""
    for index, fault in enumerate(behaviour.faults):
        purpose = f"fault {index} {fault.name}"
        u = draw(behaviour.seed, behaviour.stage, message.message_id, message.visit, purpose)
        if isinstance(fault, Error) and fault.strikes(u):
            raise InjectedFault(fault.name, fault.status)
