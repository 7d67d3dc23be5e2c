"""What keeps a system from a higher rate: workers, a queue, a rate limit, a breaker, or the machine that it runs on.

A limit of the machine is never reported as one of the system: where the machine was busy, late or slow, it is said that
the system's own limit is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from simulator.proof.capacity.figures import LATE_SECONDS, ProbeFigures, StageWork, workers_of
from simulator.topology.graph import reached_from
from simulator.topology.model import Topology
from simulator.units import format_rate, human_duration

_BUSY = 0.95  # of all workers
_MIN_SHARE = 0.001  # of visits refused, or of calls not made, below which they are no reason
_LONG_WAITS = 0.05  # of the time in a stage
MACHINE_BUSY = 0.95  # of all cores
_MIN_WAITED = 0.03  # of the time, for a core, below which busy cores do not matter
MAX_WAITED = 0.15  # from which on they were too busy whatever their own figures say
MAX_LATE = 0.01  # of the messages
_MIN_OVERHEAD = 0.005
MAX_OVERHEAD = 0.1  # of the time that a message has a worker


class BottleneckKind(StrEnum):
    """The kind of a bottleneck."""

    WORKERS = "workers"
    QUEUE = "queue"
    RATE_LIMIT = "rate limit"
    BREAKER = "breaker"
    DELAYS = "delays"
    INJECTOR = "injector"
    MACHINE = "machine"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """A bottleneck and the evidence; `stage` is "" if it is no stage."""

    limit: BottleneckKind
    stage: str
    why: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.stage}: {self.why}" if self.stage else self.why


@dataclass(frozen=True, kw_only=True)
class MachineLoad:
    """How the machine fared during a probe; None where that can't be read.

    `busy_ratio` is the busy share of its cores, by all programs. `waited_ratio` is the share of the time in which the
    stage that waited longest for a core did.
    """

    cores: int
    busy_ratio: float | None
    waited_ratio: float | None = None


def machine_limit(figures: ProbeFigures, machine: MachineLoad) -> Bottleneck | None:
    """Return what of a probe the machine, and not the system, is to blame for; None if it had room."""
    waited = machine.waited_ratio
    if waited is not None and waited >= MAX_WAITED:
        return _of_machine(f"a stage waited {waited:.0%} of the time for a core")
    # Other programs may keep the cores busy, and yet give way at once.
    has_waited = waited is None or waited >= _MIN_WAITED
    if machine.busy_ratio is not None and machine.busy_ratio >= MACHINE_BUSY and has_waited:
        cores = "only core was" if machine.cores == 1 else f"{machine.cores} cores were"
        return _of_machine(f"its {cores} {machine.busy_ratio:.0%} busy")
    if figures.late > MAX_LATE * figures.messages:
        late = f"{figures.late / figures.messages:.1%} of the messages"
        return _of_machine(f"the injector sent {late} at least {human_duration(LATE_SECONDS)} late")
    return None


def overhead_limit(figures: ProbeFigures, name: str) -> Bottleneck | None:
    """Return that a stage without free workers kept them busy with its own overhead; None if that was little."""
    load = figures.loads[name]
    if load.overhead_seconds <= MAX_OVERHEAD * load.held_seconds:
        return None
    each = human_duration(load.overhead_seconds / load.visits)
    return _of_machine(f"{name} took {each} more than its delay for each message, which kept its workers busy")


def _of_machine(what: str) -> Bottleneck:
    return Bottleneck(
        limit=BottleneckKind.MACHINE, stage="", why=f"this machine: {what}; the system's own limit is not known"
    )


def bottleneck(
    topology: Topology, figures: ProbeFigures, rate: float, quiet_demands: Mapping[str, float] | None = None
) -> Bottleneck:
    """Return what broke the thresholds at a rate.

    `quiet_demands` are what a message took of each stage's workers where hardly any waited: a stage that waits for the
    answer of another holds its workers for longer, and must not be taken for the cause.
    """
    refusing = list(_rate_limits(topology, figures))
    if refusing:
        return refusing[0]
    utilisations = figures.utilisations(rate)
    busy = [name for name, utilisation in utilisations.items() if utilisation >= _BUSY]
    if busy:
        causes = figures.utilisations(rate, quiet_demands) if quiet_demands else utilisations
        return _workers(topology, figures, _cause(topology, busy, causes), utilisations)
    found = [*_queues(topology, figures, utilisations), *_breakers(figures), *_injectors(topology, figures)]
    return found[0] if found else _waiting(topology, figures, utilisations)


def _cause(topology: Topology, busy: Sequence[str], causes: Mapping[str, float]) -> str:
    """Return the stage that is busy by itself: of those that are about equally so, one that calls no other."""
    most = max(causes[name] for name in busy)
    equals = [name for name in busy if causes[name] >= 0.98 * most]
    last = [name for name in equals if not set(equals) & (set(reached_from(topology, name)) - {name})]
    return max(last or equals, key=lambda name: causes[name])


def _workers(topology: Topology, figures: ProbeFigures, name: str, utilisations: Mapping[str, float]) -> Bottleneck:
    load, count = figures.loads[name], workers_of(topology.stages[name])
    each = human_duration(load.held_seconds / max(1, load.visits))
    workers = f"its {count} workers are" if count > 1 else "its only worker is"
    busy = f"{workers} {min(1.0, utilisations[name]):.0%} busy, {each} with each message"
    why = f"{busy}{_overhead(load)}{_refused(load)}"
    return Bottleneck(limit=BottleneckKind.WORKERS, stage=name, why=why)


def _overhead(load: StageWork) -> str:
    """Return what of a stage's time is its own overhead on this machine; "" if that is next to nothing."""
    if load.overhead_seconds < _MIN_OVERHEAD * load.held_seconds:
        return ""
    return f", of which {human_duration(load.overhead_seconds / load.visits)} is overhead of this machine"


def _refused(load: StageWork) -> str:
    full = load.rejected - load.rate_limited
    return f", and its queue is full for {full / load.visits:.1%} of them" if full > _MIN_SHARE * load.visits else ""


def _rate_limits(topology: Topology, figures: ProbeFigures) -> Iterator[Bottleneck]:
    for name, load in _by_share(figures, lambda load: load.rate_limited):
        limit = topology.stages[name].rate_limit
        if limit is not None:
            why = f"its rate limit of {format_rate(limit.rate_per_second)} refuses {_share(load.rate_limited, load)}"
            yield Bottleneck(limit=BottleneckKind.RATE_LIMIT, stage=name, why=why)


def _queues(topology: Topology, figures: ProbeFigures, utilisations: Mapping[str, float]) -> Iterator[Bottleneck]:
    for name, load in _by_share(figures, lambda load: load.rejected - load.rate_limited):
        if name in utilisations:
            full = _share(load.rejected - load.rate_limited, load)
            why = f"its queue of {topology.stages[name].queue} is full for {full}"
            why += f", although its workers are only {utilisations[name]:.0%} busy on average"
            yield Bottleneck(limit=BottleneckKind.QUEUE, stage=name, why=why)


def _breakers(figures: ProbeFigures) -> Iterator[Bottleneck]:
    for name, load in figures.loads.items():
        for called, stopped in load.stopped_by_breaker.items():
            if stopped > _MIN_SHARE * load.calls[called]:
                why = f"the breaker of its calls to {called} stops {stopped / load.calls[called]:.1%} of them"
                yield Bottleneck(limit=BottleneckKind.BREAKER, stage=name, why=why)


def _injectors(topology: Topology, figures: ProbeFigures) -> Iterator[Bottleneck]:
    for name, load in _by_share(figures, lambda load: load.rejected):
        why = (
            f"all of its {workers_of(topology.stages[name])} workers wait for answers, so {_share(load.rejected, load)}"
        )
        yield Bottleneck(limit=BottleneckKind.INJECTOR, stage=name, why=f"{why} can't be sent")


def _waiting(topology: Topology, figures: ProbeFigures, utilisations: Mapping[str, float]) -> Bottleneck:
    """Return the stage at which messages wait longest; if they do not wait, the delays themselves are the reason."""
    name = max(utilisations, key=lambda name: figures.loads[name].waited_seconds, default="")
    load = figures.loads.get(name, StageWork())
    if load.waited_seconds > _LONG_WAITS * (load.waited_seconds + load.held_seconds):
        mean = human_duration(load.waited_seconds / load.visits)
        count = workers_of(topology.stages[name])
        why = f"messages wait {mean} on average for one of its {count} workers, which are {utilisations[name]:.0%} busy"
        return Bottleneck(limit=BottleneckKind.WORKERS, stage=name, why=why)
    why = "no stage lacks workers, and nothing waits: it is what the stages are configured to do that breaks it"
    return Bottleneck(limit=BottleneckKind.DELAYS, stage="", why=why)


def _by_share(figures: ProbeFigures, count: Any) -> list[tuple[str, StageWork]]:
    """Return the stages with more than a few such visits, that with the greatest share first."""
    found = [(name, load) for name, load in figures.loads.items() if count(load) > _MIN_SHARE * load.visits]
    return sorted(found, key=lambda one: count(one[1]) / one[1].visits, reverse=True)


def _share(count: int, load: StageWork) -> str:
    return f"{count / load.visits:.1%} of its messages"
