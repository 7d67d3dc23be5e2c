"""A whole topology in virtual time: every instance of every stage, on one kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from simulator.engine.attempts import Attempts
from simulator.engine.calls import Calls
from simulator.engine.capacity import Capacity
from simulator.engine.handling import Handling
from simulator.engine.identity import Identity
from simulator.engine.injection import Behaviour
from simulator.engine.injector import Injector
from simulator.engine.load import LoadListener, make_load
from simulator.engine.output import Discarding, Output
from simulator.engine.sender import Sender
from simulator.telemetry.observe import Observer, Sink
from simulator.topology.graph import callers_first, calls_of, edges
from simulator.topology.model import Topology
from simulator.virtual.kernel import Kernel
from simulator.virtual.machine import ModelledMachine
from simulator.virtual.tracing import VirtualTracing
from simulator.virtual.wire import Endpoint, MemoryWire


@dataclass(frozen=True, kw_only=True)
class InstanceSetup:
    """What one instance of a stage is connected to: its telemetry, and where its messages come from and go to.

    `sinks(capacity)` record messages, `listener` the load. `lines` of None means that messages are generated;
    `pool` has the lines from which they are drawn, if they are.
    """

    sinks: Callable[[Capacity], Sequence[Sink]]
    listener: LoadListener
    output: Output
    lines: Iterator[bytes] | None = None
    pool: Iterable[bytes] = ()


@dataclass(frozen=True, kw_only=True)
class VirtualStage:
    """One instance of a stage; `inject` runs its load, None if it has none."""

    name: str
    instance: int
    capacity: Capacity
    handling: Handling
    injector: Injector | None
    inject: Callable[[], None] | None


class VirtualSystem:
    """The stages of a topology with a seed, and the wires between them.

    `setup(name, instance)` says what an instance is connected to; a request takes `overhead_seconds` to get to a stage.
    """

    def __init__(
        self,
        topology: Topology,
        kernel: Kernel,
        setup: Callable[[str, int], InstanceSetup],
        overhead_seconds: Mapping[str, float] | float = 0.0,
    ) -> None:
        if topology.seed is None:
            raise ValueError("a topology in virtual time needs a seed")
        self._topology = topology
        self._kernel = kernel
        self._loads = 0
        self._callers: dict[str, set[str]] = {name: set() for name in topology.stages}
        for caller, called in edges(topology.stages):
            self._callers[called].add(caller)
        self._endpoints: dict[str, Endpoint] = {}
        self._overhead_seconds = overhead_seconds
        self.stages = [
            self._make(name, instance, topology.seed, setup(name, instance))
            for name, stage in topology.stages.items()
            for instance in range(1, stage.instances + 1)
        ]

    def start(self) -> None:
        """Start every load; the kernel pauses when all have finished."""
        loads = [stage.inject for stage in self.stages if stage.inject is not None]
        self._loads = len(loads)

        def run(inject: Callable[[], None]) -> None:
            inject()
            self._loads -= 1
            if not self._loads:
                self._kernel.pause()

        for inject in loads:
            self._kernel.spawn(partial(run, inject))

    @property
    def has_ended(self) -> bool:
        """Return whether every load has finished."""
        return not self._loads

    def stop_loads(self) -> None:
        """Start no further message."""
        for stage in self.stages:
            if stage.injector is not None:
                stage.injector.stop()

    @property
    def has_loads(self) -> bool:
        """Return whether any stage creates messages."""
        return any(stage.inject is not None for stage in self.stages)

    @property
    def in_flight(self) -> int:
        """Return how many messages are being handled."""
        return sum(stage.handling.in_flight for stage in self.stages)

    def break_off(self) -> int:
        """Break off what is in flight, callers before the stages that they call; return how many messages that were."""
        count = 0
        for names in callers_first(self._topology):
            for stage in self.stages:
                if stage.name in names:
                    count += stage.handling.break_off()
            self._kernel.run(0)
        return count

    def _make(self, name: str, instance: int, seed: int, setup: InstanceSetup) -> VirtualStage:
        model, kernel, topology = self._topology.stages[name], self._kernel, self._topology
        identity = Identity(stage=name, seed=seed, topology=topology.name, instance=instance)
        tracing = VirtualTracing(name)
        capacity = Capacity(model.workers, model.queue, kernel)
        called = dict.fromkeys(call.to for _, call in calls_of(model))
        addresses: dict[str, list[str]] = {
            to: [f"{to}.{n}" for n in range(1, topology.stages[to].instances + 1)] for to in called
        }
        sender = Sender(addresses, MemoryWire(name, self._endpoints, kernel), kernel.now)
        handling = Handling(
            Behaviour(identity, model),
            kernel,
            Observer(setup.sinks(capacity), kernel),
            tracing,
            capacity=capacity,
            calls=Calls(Attempts(sender, kernel), kernel, tracing),
            output=setup.output,
            machine=ModelledMachine(kernel.sleep),
        )
        overhead = self._overhead_seconds
        self._endpoints[f"{name}.{instance}"] = Endpoint(
            handling=handling,
            callers=frozenset(self._callers[name]),
            tracing=tracing,
            overhead_seconds=overhead if isinstance(overhead, float) else overhead.get(name, 0.0),
        )
        injector, inject = make_load(handling, kernel, setup.listener, tracing, setup.lines, setup.pool) or (None, None)
        return VirtualStage(
            name=name, instance=instance, capacity=capacity, handling=handling, injector=injector, inject=inject
        )


class NoListener:
    """A listener that ignores the load."""

    def due(self, lag_seconds: float) -> None:
        """Do nothing."""

    def missed(self) -> None:
        """Do nothing."""

    def unstarted(self, count: int, oldest_lag_seconds: float) -> None:
        """Do nothing."""

    def line(self) -> None:
        """Do nothing."""

    def bad_line(self, number: int, reason: str) -> None:
        """Do nothing."""

    def finished(self) -> None:
        """Do nothing."""


def bare_setup(*sinks: Sink) -> Callable[[str, int], InstanceSetup]:
    """Return a function that gives every instance these sinks and nothing else."""
    return lambda name, instance: InstanceSetup(
        sinks=lambda capacity: sinks, listener=NoListener(), output=Discarding()
    )
