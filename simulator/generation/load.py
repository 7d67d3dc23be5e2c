"""The load of each stage of a topology, as an upper bound from which its number of workers follows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from simulator.behaviour.faults.hang import Hang
from simulator.behaviour.faults.slow_body import SlowBody
from simulator.behaviour.means import mean_delay_seconds
from simulator.errors import ConfigurationError
from simulator.generation.calls import calls_made
from simulator.generation.chance import Chance
from simulator.topology.model import Role, Stage
from simulator.topology.quantities import Count, PositiveCount
from simulator.topology.steps import DEFAULT_TIMEOUT, Call
from simulator.units import format_rate

# The rest, up to 70%, is for what the bounds below leave out, above all the waiting for a worker.
TARGET_UTILISATION = 0.5
MAX_UTILISATION = 0.7
_USUAL_WORKERS = (4, 8, 8, 16, 16, 32)
_MAX_WORKERS = 100_000
_QUEUE_PER_WORKER = 8
_MIN_QUEUE = 64
# A timeout is far above the mean, and yet some attempts take longer; more take longer than a hedge.
_TIMED_OUT_RATIO = 0.01
_HEDGED_RATIO = 0.5
_RECEIPT_BYTES = 300


@dataclass(frozen=True, kw_only=True)
class StageLoad:
    """Upper bounds for one stage: messages per second with all retries, and how long each holds a worker."""

    per_second: float
    busy_seconds: float

    @property
    def erlangs(self) -> float:
        """Return the workers that are busy on average."""
        return self.per_second * self.busy_seconds


@dataclass(frozen=True, kw_only=True)
class _Visit:
    """Upper bounds for one visit of a stage: how long it holds a worker, and the probability that it fails."""

    busy_seconds: float
    failed_ratio: float


def loads_of(stages: Mapping[str, Stage]) -> dict[str, StageLoad]:
    """Return the load of each stage except the injectors. `stages` has every stage after all of its callers.

    A group of parallel calls counts as the sum of its calls, and retries as if no budget or breaker limited them.
    """
    visits: dict[str, _Visit] = {}
    for name in reversed(list(stages)):
        visits[name] = _visit(stages[name], visits)
    rates = dict.fromkeys(stages, 0.0)
    for name, stage in stages.items():
        if stage.role is Role.INJECTOR and stage.load is not None:
            rates[name] = stage.load.rate_per_second or 0.0
        for call, calls, _ in calls_made(stage.calls):
            _send(call, rates[name] * calls, visits, rates)
    return {
        name: StageLoad(per_second=rates[name], busy_seconds=visits[name].busy_seconds)
        for name, stage in stages.items()
        if stage.role is not Role.INJECTOR
    }


def _visit(stage: Stage, visits: Mapping[str, _Visit]) -> _Visit:
    busy = mean_delay_seconds(stage.delay) + _fault_seconds(stage)
    failed = sum(fault.rate_ratio for fault in stage.faults)
    for call, times, _ in calls_made(stage.calls):
        busy += times * _call_seconds(call, visits)
        failed += times * _call_failed(call, visits)
    return _Visit(busy_seconds=busy, failed_ratio=min(1.0, failed))


def _fault_seconds(stage: Stage) -> float:
    seconds = 0.0
    for fault in stage.faults:
        if isinstance(fault, Hang):
            seconds += fault.rate_ratio * fault.duration_seconds
        elif isinstance(fault, SlowBody):
            seconds += fault.rate_ratio * _RECEIPT_BYTES / fault.bytes_per_second
    return seconds


def _attempt_failed(call: Call, visits: Mapping[str, _Visit]) -> float:
    timed_out = _TIMED_OUT_RATIO if call.timeout_seconds < DEFAULT_TIMEOUT else 0.0
    return min(1.0, visits[call.to].failed_ratio + timed_out)


def _attempts(call: Call, visits: Mapping[str, _Visit]) -> float:
    """Return how many attempts a call makes on average, if they fail independently."""
    failed = _attempt_failed(call, visits)
    attempts = sum(failed**retry for retry in range(call.retries.count + 1))
    return attempts * (1.0 if call.hedge_seconds is None else 1.0 + _HEDGED_RATIO)


def _call_failed(call: Call, visits: Mapping[str, _Visit]) -> float:
    """Return the probability that a call fails for its caller."""
    if call.optional:
        return 0.0
    failed = _all_attempts_failed(call, visits)
    if not call.fallback:
        return failed
    return failed * min(1.0, sum(times * _call_failed(one, visits) for one, times, _ in calls_made(call.fallback)))


def _all_attempts_failed(call: Call, visits: Mapping[str, _Visit]) -> float:
    return _attempt_failed(call, visits) ** (call.retries.count + 1)


def _call_seconds(call: Call, visits: Mapping[str, _Visit]) -> float:
    attempts = _attempts(call, visits)
    pauses = (attempts - 1.0) * call.retries.max_seconds if call.retries.count else 0.0
    seconds = attempts * visits[call.to].busy_seconds + pauses
    for one, times, _ in calls_made(call.fallback):
        seconds += _all_attempts_failed(call, visits) * times * _call_seconds(one, visits)
    return seconds


def _send(call: Call, per_second: float, visits: Mapping[str, _Visit], rates: dict[str, float]) -> None:
    rates[call.to] += per_second * _attempts(call, visits)
    for one, times, _ in calls_made(call.fallback):
        _send(one, per_second * times * _all_attempts_failed(call, visits), visits, rates)


def with_room(stages: Mapping[str, Stage], chance: Chance) -> dict[str, Stage]:
    """Return the stages with workers and queues that carry the load with at most half of the workers busy.

    Raise ConfigurationError if a stage would need more workers than it can have.
    """
    loads = loads_of(stages)
    return {
        name: stage if stage.role is Role.INJECTOR else _with_room(name, stage, loads[name], chance)
        for name, stage in stages.items()
    }


def _with_room(name: str, stage: Stage, load: StageLoad, chance: Chance) -> Stage:
    needed = math.ceil(load.erlangs / TARGET_UTILISATION)
    workers = max(chance.one_of(_USUAL_WORKERS, name, "workers"), _rounded_up(needed))
    if workers > _MAX_WORKERS:
        raise ConfigurationError.of(
            f"{name} would get {format_rate(round(load.per_second, 3))} and need {needed} workers, "
            f"which exceeds {_MAX_WORKERS}: give a lower rate, or fewer visits"
        )
    queue = max(_MIN_QUEUE, _QUEUE_PER_WORKER * workers)
    return replace(stage, workers=PositiveCount(workers), queue=Count(queue))


def _rounded_up(count: int) -> int:
    """Return the next round number: two digits, then zeros."""
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit


def busiest(stages: Mapping[str, Stage]) -> tuple[str, float]:
    """Return the stage with the largest share of its workers busy, and that share as an upper bound."""
    loads = loads_of(stages)
    return max(((name, load.erlangs / stages[name].workers) for name, load in loads.items()), key=lambda pair: pair[1])
