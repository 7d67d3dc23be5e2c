"""The story of one message in one stage, from top to bottom: admit, wait for a worker, process, send on, answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property

from simulator.behaviour.draws import draw
from simulator.behaviour.faults.base import Effect, Fault, Phase
from simulator.behaviour.limits import Bucket, retry_after_seconds
from simulator.errors import BrokenOff, DeadlinePassed, InjectedFault, MessageError, RateLimited
from simulator.stage.calls import Calls, Journey
from simulator.stage.capacity import Capacity
from simulator.stage.encodings import is_packed, unpacked
from simulator.stage.injections import Injections
from simulator.stage.keeping import Keeper
from simulator.stage.message import Message, check_body
from simulator.stage.tasks import StageStopped, Tasks
from simulator.telemetry.baggage import with_message_id
from simulator.telemetry.observe import Observation, Observer
from simulator.telemetry.record import Arrival, Clock, Outcome, StageRecord, TraceIds
from simulator.topology.graph import calls_of
from simulator.topology.model import Stage
from simulator.units import MAX_DURATION_SECONDS, format_size


@dataclass(frozen=True)
class Behaviour:
    """What a stage does to a message, as its model says; replaced as a whole when it is changed."""

    stage: str
    seed: int
    model: Stage
    instance: int = 1

    @cached_property
    def delay_spec(self) -> str:
        """Write the delay down."""
        return str(self.model.delay)

    @cached_property
    def faults(self) -> Mapping[Phase, tuple[tuple[int, Fault], ...]]:
        """Give the faults of this instance by the phase that they act in, with their numbers."""
        mine = [(n, fault) for n, fault in enumerate(self.model.faults) if fault.instance in (None, self.instance)]
        return {phase: tuple((n, fault) for n, fault in mine if fault.phase is phase) for phase in Phase}


@dataclass(frozen=True)
class Handled:
    """A message whose handling has ended, and what its answer is to be like.

    `answer` is the effect of the faults that act on it, `answer_bytes` its size, None meaning no particular one.
    """

    record: StageRecord
    answer: Effect
    answer_bytes: int | None = None


@dataclass(frozen=True)
class World:
    """What the handling of messages needs of everything around it; `burn` takes CPU time, `hold` memory."""

    clock: Clock
    sleep: Callable[[float], None]
    burn: Callable[[float], None]
    hold: Callable[[int], object]
    current_trace: Callable[[], TraceIds]
    inner_span: Callable[[str], AbstractContextManager[object]]
    tasks: Tasks


class Handling:
    """Handle messages, one `handle` each, many at once."""

    def __init__(
        self,
        behaviour: Behaviour,
        capacity: Capacity,
        calls: Calls,
        keeper: Keeper,
        observer: Observer,
        injections: Injections,
        world: World,
    ) -> None:
        self._behaviour = behaviour
        self._capacity = capacity
        self._calls = calls
        self._keeper = keeper
        self._observer = observer
        self._injections = injections
        self._world = world
        self._running: set[object] = set()
        self.known_downstreams = frozenset(call.to for _, call in calls_of(behaviour.model))
        self._bucket = self._new_bucket()

    @property
    def behaviour(self) -> Behaviour:
        """Give what is done to messages that come now."""
        return self._behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        limit_changed = behaviour.model.rate_limit != self._behaviour.model.rate_limit
        self._behaviour = behaviour
        self._calls.forget_unused(call for _, call in calls_of(behaviour.model))
        if limit_changed:
            self._bucket = self._new_bucket()

    def handle(self, message: Message) -> Handled:
        """Handle a message to its end. Raise the MessageError that says why it did not end well."""
        return self._handle(message, None)

    def accept(self, message: Message) -> None:
        """Take a message in, and handle it when there is a worker. Raise the MessageError that turns it away."""
        admitted = _Admission()

        def work() -> None:
            try:
                with self._world.inner_span("accepted"):
                    self._handle(message, admitted)
            except MessageError:
                if not admitted.given:
                    raise
            except Exception:
                if not admitted.given:
                    raise
                logging.getLogger(__name__).exception("an accepted message could not be handled")
            finally:
                admitted.decided.set()

        task = self._world.tasks.start(work)
        admitted.decided.wait()
        if not admitted.given:
            task.result()

    def _handle(self, message: Message, admitted: _Admission | None) -> Handled:
        behaviour = self._behaviour
        arrival = self._arrival(message)
        effect, answer_bytes = Effect(), None
        with self._observer.observing(arrival) as seen, self._under_watch(message):
            self._keep_to_limit()
            deadline_at = None if message.deadline_seconds is None else arrival.received_at + message.deadline_seconds
            self._check_deadline(deadline_at)
            self._capacity.check_room()
            body = self._read(message, behaviour, seen)
            self._check_deadline(deadline_at)
            seen.admitted()
            with self._capacity.enter() as place:
                if admitted is not None:
                    seen.accepted()
                    admitted.given = True
                    admitted.decided.set()
                    deadline_at = None  # nobody waits any longer
                seen.waited(place.wait())
                self._check_deadline(deadline_at)
                before = self._struck_by(behaviour, Phase.BEFORE, message)
                held = [self._strike(fault, message, seen) for fault in before]
                self._process(behaviour, message, seen)
                for fault in self._struck_by(behaviour, Phase.AFTER, message):
                    self._strike(fault, message, seen)
                self._send_on(Journey(behaviour.stage, behaviour.seed, message, body, deadline_at, seen), behaviour)
                held.clear()
            calls = behaviour.model.calls
            seen.ended(Outcome.FORWARDED if calls else Outcome.DELIVERED)
            if admitted is None:
                effect = self._spoil_answer(behaviour, message, seen)
                answer_bytes = self._answer_bytes(behaviour, message)
        return Handled(seen.record, effect, answer_bytes)

    def _read(self, message: Message, behaviour: Behaviour, seen: Observation) -> bytes:
        """Return the body as it is sent on, or unpacked where it ends its way here."""
        packed = is_packed(message.content_encoding)
        body = message.read()
        seen.sized(len(body))
        plain = unpacked(body, message.content_encoding, behaviour.model.max_body_bytes) if packed else body
        check_body(plain, message.content_type)
        return body if behaviour.model.calls else plain

    def _arrival(self, message: Message) -> Arrival:
        return Arrival(
            message.message_id,
            message.visit,
            message.caller,
            message.via,
            message.content_type,
            message.body_bytes,
            message.due.unix_seconds,
            message.due.at,
            self._world.clock.unix_ns(),
            self._world.clock.monotonic(),
            self._world.current_trace(),
            message.deadline_seconds,
        )

    def _new_bucket(self) -> Bucket | None:
        limit = self._behaviour.model.rate_limit
        return None if limit is None else Bucket(limit, self._world.clock.monotonic())

    def _keep_to_limit(self) -> None:
        wait_seconds = self._bucket.take(self._world.clock.monotonic()) if self._bucket is not None else 0.0
        if wait_seconds:
            limit = self._behaviour.model.rate_limit
            raise RateLimited(f"this stage takes {limit} and no more", retry_after_seconds(wait_seconds))

    def _check_deadline(self, deadline_at: float | None) -> None:
        if deadline_at is not None and self._world.clock.monotonic() >= deadline_at:
            raise DeadlinePassed("whoever sent this message no longer waits for the answer")

    @contextmanager
    def _under_watch(self, message: Message) -> Iterator[None]:
        """Let the handling in the body of the `with` be broken off.

        Remember, for callers that get no answer, that a message failed on purpose, here or further down.
        """
        running = self._world.tasks.current()
        self._running.add(running)
        try:
            yield
        except MessageError as error:
            if error.injected:
                self._injections.strike(message.message_id, message.visit)
            raise
        except Exception:
            raise
        except BaseException as reason:  # noqa: BLE001 - raised as what it means here
            # Nothing but the end of the stage raises what is no Exception in here.
            raise BrokenOff(isinstance(reason, StageStopped) and reason.injected) from None
        finally:
            self._running.discard(running)
            message.release()

    @property
    def under_way(self) -> int:
        """Return how many messages are being handled, those included whose body is still being read."""
        return len(self._running)

    def break_off(self) -> int:
        """End the handling of every message that is not done, each with BrokenOff; return how many they were."""
        stopped = tuple(self._running)
        for running in stopped:
            self._world.tasks.stop(running, lambda running=running: running in self._running)  # type: ignore[misc]
        return len(stopped)

    def _process(self, behaviour: Behaviour, message: Message, seen: Observation) -> None:
        begin = self._world.clock.monotonic()
        delay, utilisation = behaviour.model.delay, self._capacity.utilisation
        u = draw(behaviour.seed, behaviour.stage, message.message_id, message.visit, "delay")
        # The far end of a heavy tail is longer than anything that can be slept.
        drawn = min(delay.under_load(u, utilisation), MAX_DURATION_SECONDS)
        self._sleep_until(begin + drawn)
        seen.processed(drawn, self._world.clock.monotonic() - begin, behaviour.delay_spec, utilisation)

    def _sleep_until(self, then: float) -> None:
        # Until a point in time, not for a time: an event loop may wake a sleeper early by its own lateness.
        while (left := then - self._world.clock.monotonic()) > 0:
            self._world.sleep(left)

    def _struck_by(self, behaviour: Behaviour, phase: Phase, message: Message) -> Iterator[Fault]:
        """Give, one after the other, the faults of a phase that strike; each draws for itself."""
        for number, fault in behaviour.faults[phase]:
            purpose = f"fault {number} {fault.name}"
            if fault.strikes(draw(behaviour.seed, behaviour.stage, message.message_id, message.visit, purpose)):
                yield fault

    def _strike(self, fault: Fault, message: Message, seen: Observation) -> object:
        """Do to a message what a fault says; give whatever has to be kept until the message is done."""
        effect = fault.effect()
        if effect.hides_the_answer:
            self._injections.strike(message.message_id, message.visit)
        seen.struck(fault.name)
        if effect.hang_seconds or effect.cpu_seconds:
            self._take_time(fault, effect, seen)
        if effect.status is not None or effect.reset:
            raise InjectedFault(fault.name, effect.status)
        return self._hold(fault, effect.hold_bytes) if effect.hold_bytes else None

    def _take_time(self, fault: Fault, effect: Effect, seen: Observation) -> None:
        begin = self._world.clock.monotonic()
        try:
            if effect.hang_seconds:
                self._sleep_until(begin + effect.hang_seconds)
            if effect.cpu_seconds:
                self._world.burn(effect.cpu_seconds)
        except StageStopped:
            raise InjectedFault(fault.name, BrokenOff.status, "the stage had to end before it was over") from None
        finally:
            seen.suffered(fault.name, begin, self._world.clock.monotonic() - begin)

    def _hold(self, fault: Fault, size: int) -> object:
        try:
            return self._world.hold(size)
        except (MemoryError, OverflowError):
            raise InjectedFault(fault.name, 503, f"there was no memory for {format_size(size)}") from None

    def _send_on(self, journey: Journey, behaviour: Behaviour) -> None:
        calls = behaviour.model.calls
        if not calls:
            self._keeper.keep(journey.body, journey.message.content_type)
            return
        begin = self._world.clock.monotonic()
        try:
            with with_message_id(journey.message.message_id):
                self._calls.perform(calls, journey)
        finally:
            journey.seen.sent_on(self._world.clock.monotonic() - begin)

    def _spoil_answer(self, behaviour: Behaviour, message: Message, seen: Observation) -> Effect:
        """Let the faults strike that act on the answer to a message that went well."""
        truncate, slowest = False, None
        for fault in self._struck_by(behaviour, Phase.ANSWER, message):
            self._strike(fault, message, seen)
            effect = fault.effect()
            if effect.truncate:
                truncate = True
                seen.cut_short(fault.name)
            rates = [rate for rate in (slowest, effect.body_bytes_per_second) if rate is not None]
            slowest = min(rates, default=None)
        return Effect(truncate=truncate, body_bytes_per_second=slowest)

    def _answer_bytes(self, behaviour: Behaviour, message: Message) -> int | None:
        size = behaviour.model.response_size
        if size is None:
            return None
        return size.bytes(draw(behaviour.seed, behaviour.stage, message.message_id, message.visit, "response size"))


class _Admission:
    """Whether a message that is answered before the work has been let in."""

    def __init__(self) -> None:
        self.given = False
        self.decided = threading.Event()
