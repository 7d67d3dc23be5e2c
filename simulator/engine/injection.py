"""How the faults of a stage are injected into one of its messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from simulator.behaviour.attributes import Attribute, Sequence
from simulator.behaviour.faults.base import Fault, Phase
from simulator.behaviour.values import Fixed, Value
from simulator.behaviour.weights import chosen
from simulator.behaviour.work import Work
from simulator.engine.identity import Identity
from simulator.engine.message import Message
from simulator.engine.runtime import Runtime, StageStopped
from simulator.errors import BrokenOff, InjectedFault, Rejected
from simulator.telemetry.observe import Observation
from simulator.telemetry.record import ChoiceKind
from simulator.topology.graph import label
from simulator.topology.model import Operation, Role, Stage
from simulator.units import format_size

if TYPE_CHECKING:
    from simulator.topology.requests import Requests


class Machine(Protocol):
    """The processor and the memory that work and faults use."""

    def compute(self, cpu_seconds: float) -> None:
        """Use so much CPU time."""

    def hold(self, size_bytes: int) -> object:
        """Return memory that is really allocated, until it is released. Raise MemoryError if there is not enough."""


@dataclass(frozen=True)
class Behaviour:
    """What a stage does to a message, by its model; a change replaces it as a whole."""

    identity: Identity
    model: Stage

    @cached_property
    def operations(self) -> Mapping[str, OperationBehaviour]:
        """Return what it does in each of its operations, by name."""
        return {
            name: OperationBehaviour(self.identity, name, operation)
            for name, operation in self.model.all_operations.items()
        }


@dataclass(frozen=True)
class OperationBehaviour:
    """What a stage does to a message in one of its operations; `name` is "" if it has only itself."""

    identity: Identity
    name: str
    model: Operation

    @cached_property
    def delay_spec(self) -> str:
        """Return the delay in its notation."""
        return str(self.model.delay)

    @cached_property
    def route(self) -> str:
        """Return the path of its requests, with {names}, for signals."""
        return self.model.route

    @cached_property
    def faults(self) -> Mapping[Phase, tuple[tuple[str, Fault], ...]]:
        """Return the faults of this instance by the phase in which they act, each with the purpose of its draws."""
        mine = [
            (f"fault {number} {fault.name}", fault)
            for number, fault in enumerate(self.model.faults)
            if fault.instance in (None, self.identity.instance)
        ]
        return {phase: tuple(each for each in mine if each[1].phase is phase) for phase in Phase}

    @cached_property
    def has_faults(self) -> bool:
        """Return whether any fault can be injected by this instance."""
        return any(self.faults.values())

    @cached_property
    def _injected(self) -> Requests:
        from simulator.topology.requests import injected_requests  # noqa: PLC0415 - only an injector needs it

        return injected_requests(self.model.calls)

    def request(self, message: Message) -> str:
        """Return what a message asks for that begins here, as a call has it: of an injector what it calls."""
        if not (isinstance(self.model, Stage) and self.model.role is Role.INJECTOR and self.model.calls):
            return label((self.identity.stage, self.name))
        injected = self._injected
        if not injected.weights:
            return injected.names[0]
        if message.turn is not None:
            return injected.names[message.turn]
        u = self.identity.draw(message.message_id, message.visit, f"choose {injected.position}")
        return injected.names[chosen(injected.weights, u)]

    def decisions(self, message: Message) -> Mapping[str, Value]:
        """Return the decisions of a message: those that it came with, and those that are drawn here."""
        drawn = {
            name: rule.value(self.identity.draw(message.message_id, message.visit, f"decide {name}"))
            for name, rule in self.model.decide.items()
        }
        return {**message.decisions, **drawn}

    def attributes(self, message: Message, next_number: Callable[[str], int]) -> Mapping[str, Value]:
        """Return the attributes of a message; `next_number(name)` counts for those that are a sequence."""
        return {name: self._attribute(name, rule, message, next_number) for name, rule in self.model.attributes.items()}

    def _attribute(self, name: str, rule: Attribute, message: Message, next_number: Callable[[str], int]) -> Value:
        if isinstance(rule, Fixed):
            return rule.fixed
        if isinstance(rule, Sequence):
            return next_number(name)
        return rule.value(self.identity.draw(message.message_id, message.visit, f"attribute {name}"))


class Injection:
    """One message as the target of its stage's faults.

    Their effects on its answer are `truncated` and `bytes_per_second`; `slowed_by` is the fault that limits the rate.
    """

    def __init__(
        self,
        behaviour: OperationBehaviour,
        message: Message,
        decisions: Mapping[str, Value],
        seen: Observation,
        runtime: Runtime,
        machine: Machine,
    ) -> None:
        self._behaviour = behaviour
        self._message = message
        self._decisions = decisions
        self._seen = seen
        self._runtime = runtime
        self._machine = machine
        self._fault: Fault | None = None
        self._held: list[object] = []
        self.truncated = False
        self.bytes_per_second: float | None = None
        self.slowed_by = ""

    def inject(self, phase: Phase) -> None:
        """Inject the faults of a phase that hit the message. Raise InjectedFault if one ends its handling."""
        if not self._behaviour.faults[phase]:
            return
        for fault in self._hitting(phase):
            if fault.withholds_answer:
                self._message.exchange.withhold()
            self._seen.injected(fault.name)
            self._fault = fault
            fault.inject(self)

    def work(self, work: Work) -> None:
        """Use what each message uses. Raise Rejected if there is not enough memory."""
        if work.size_bytes:
            try:
                self._held.append(self._machine.hold(work.size_bytes))
            except (MemoryError, OverflowError):
                raise Rejected(f"there was no memory for {format_size(work.size_bytes)}") from None
        if work.cpu_seconds:
            self._machine.compute(work.cpu_seconds)

    def release(self) -> None:
        """Release the memory that is held."""
        self._held.clear()

    def pause(self, seconds: float) -> None:
        """Hold the message idle."""
        self._take_time(lambda begin: sleep_until(self._runtime, begin + seconds))

    def compute(self, cpu_seconds: float) -> None:
        """Use CPU time."""
        self._take_time(lambda begin: self._machine.compute(cpu_seconds))

    def hold(self, size_bytes: int) -> None:
        """Hold memory. Raise InjectedFault if there is not enough."""
        try:
            self._held.append(self._machine.hold(size_bytes))
        except (MemoryError, OverflowError):
            raise InjectedFault(self._name, 503, f"there was no memory for {format_size(size_bytes)}") from None

    def fail(self, status: int, message: str) -> None:
        """Raise InjectedFault, to answer with a status and a message."""
        raise InjectedFault(self._name, status, message=message)

    def reset(self) -> None:
        """Raise InjectedFault, to reset the connection."""
        raise InjectedFault(self._name, None)

    def truncate_answer(self) -> None:
        """Truncate the answer."""
        self.truncated = True
        self._seen.truncated(self._name)

    def slow_answer(self, bytes_per_second: float) -> None:
        """Limit the rate at which the answer is sent; the lowest of several limits counts."""
        if self.bytes_per_second is None or bytes_per_second < self.bytes_per_second:
            self.bytes_per_second, self.slowed_by = bytes_per_second, self._name

    @property
    def _name(self) -> str:
        return "" if self._fault is None else self._fault.name

    def _hitting(self, phase: Phase) -> Iterator[Fault]:
        message, identity = self._message, self._behaviour.identity
        for purpose, fault in self._behaviour.faults[phase]:
            if fault.when is not None and not fault.when.holds(self._decisions):
                continue
            hits = fault.hits(identity.draw(message.message_id, message.visit, purpose))
            self._seen.chose(ChoiceKind.FAULT, purpose, hits)
            if hits:
                yield fault

    def _take_time(self, take: Callable[[float], None]) -> None:
        begin = self._runtime.now()
        try:
            take(begin)
        except StageStopped:
            reason = "the stage was stopped before it was over"
            raise InjectedFault(self._name, BrokenOff.status, reason) from None
        finally:
            self._seen.fault_took(self._name, begin, self._runtime.now() - begin)


def sleep_until(runtime: Runtime, then: float) -> None:
    """Sleep until a point in monotonic time: an event loop that is late may wake a sleeper early."""
    while (left := then - runtime.now()) > 0:
        runtime.sleep(left)
