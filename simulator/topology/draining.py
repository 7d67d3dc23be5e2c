"""How long a stopping stage, or a whole run, may take to finish what it has admitted.

Unless a key sets it, the bound follows from the topology: the longest that a message admitted just now can still take.
That is an upper bound, not a forecast: a stage that has nothing left to do stops immediately.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from simulator.behaviour.distributions import Delay
from simulator.behaviour.faults.base import Fault
from simulator.behaviour.times import Times
from simulator.topology.graph import Node, calls_of, operations_called_first
from simulator.topology.model import DEFAULT_WORKERS, Operation, Stage, Topology
from simulator.topology.steps import Call, Choose, InOrder, Parallel, Pause, Step

MIN_DRAIN_SECONDS = 10.0
MAX_DRAIN_SECONDS = 600.0
# Most delays have no maximum: one in ten thousand is longer than this quantile.
_PRACTICAL_MAXIMUM = 0.9999
# A fault that holds a message for longer than this is not waited for, for example `cpu(168h)`.
_MAX_FAULT_SECONDS = 60.0
_RECEIPT_BYTES = 300
# How many times a step may be taken whose number a decision says.
_TIMES_OF_A_DECISION = 10


def run_drain_seconds(topology: Topology) -> float:
    """Return the bound for a whole run: the topology's own, or the longest of its stages' bounds."""
    if topology.drain_timeout_seconds is not None:
        return topology.drain_timeout_seconds
    longest = _longest_by_stage(topology.stages)
    return max(_bound(stage, longest[name]) for name, stage in topology.stages.items())


def stage_drain_seconds(name: str, stage: Stage, topology: Topology | None) -> float:
    """Return the bound for one stage; a `topology` of None means that the stages it calls are unknown."""
    if topology is None:
        return _bound(stage, _longest_by_stage({name: stage})[name])
    return drain_seconds_by_stage(replace(topology, stages={**topology.stages, name: stage}))[name]


def drain_seconds_by_stage(topology: Topology) -> dict[str, float]:
    """Return for every stage of a topology what `stage_drain_seconds` returns, in one pass over all calls."""
    default = topology.drain_timeout_seconds
    longest = _longest_by_stage(topology.stages)
    return {
        name: default if default is not None and stage.drain_timeout_seconds is None else _bound(stage, longest[name])
        for name, stage in topology.stages.items()
    }


def _bound(stage: Stage, longest_seconds: float) -> float:
    if stage.drain_timeout_seconds is not None:
        return stage.drain_timeout_seconds
    return min(MAX_DRAIN_SECONDS, max(MIN_DRAIN_SECONDS, 1.1 * longest_seconds + 1.0))


def _longest_by_stage(stages: Mapping[str, Stage]) -> dict[str, float]:
    """Return for each stage how long a message may take there, including the wait for a worker and all calls."""
    longest: dict[Node, float] = {}
    by_stage = dict.fromkeys(stages, 0.0)
    for name, operation in operations_called_first(stages):
        stage = stages[name]
        seconds = min(MAX_DRAIN_SECONDS, _longest_in(stage, stage.all_operations[operation], longest))
        longest[name, operation] = seconds
        by_stage[name] = max(by_stage[name], seconds)
    return by_stage


def _longest_in(stage: Stage, operation: Operation, called: Mapping[Node, float]) -> float:
    calls = sum(_step_seconds(step, called) for step in operation.calls)
    faults = sum(_fault_seconds(fault, operation) for fault in operation.faults if fault.rate_ratio > 0)
    # With the default number of workers, which is practically unlimited, no message waits for one.
    in_front = stage.queue // stage.workers if stage.workers < DEFAULT_WORKERS else 0
    queue = in_front * (operation.delay.under_load(0.5, 1.0) + calls)
    return queue + _practical_maximum(operation.delay) + faults + calls


def _practical_maximum(delay: Delay) -> float:
    return min(MAX_DRAIN_SECONDS, delay.under_load(_PRACTICAL_MAXIMUM, 1.0))


def _fault_seconds(fault: Fault, operation: Operation) -> float:
    size = _RECEIPT_BYTES if operation.response_size is None else operation.response_size.bytes(_PRACTICAL_MAXIMUM)
    timed = _Timed(size)
    fault.inject(timed)
    return timed.seconds if timed.seconds <= _MAX_FAULT_SECONDS else 0.0


class _Timed:
    """A message that faults are injected into for the time alone that they take of it."""

    def __init__(self, answer_bytes: int) -> None:
        self._answer_bytes = answer_bytes
        self.seconds = 0.0

    def pause(self, seconds: float) -> None:
        self.seconds += seconds

    compute = pause

    def slow_answer(self, bytes_per_second: float) -> None:
        self.seconds += self._answer_bytes / bytes_per_second

    def hold(self, size_bytes: int) -> None:
        pass

    def fail(self, status: int, message: str) -> None:
        pass

    def reset(self) -> None:
        pass

    truncate_answer = reset


def _step_seconds(step: Step, called: Mapping[Node, float]) -> float:
    def all_of(steps: Iterable[Step], combine: Callable[[Iterable[float]], float]) -> float:
        return combine([_step_seconds(inner, called) for inner in steps])

    match step:
        case Parallel(parallel=steps, limit=limit, on_error=on_error):
            times = 1 if limit is None else _most(step.times)
            return times * all_of(steps, max if limit is None else sum) + all_of(on_error, sum)
        case Choose(choose=alternatives):
            return all_of((alternative.step for alternative in alternatives), max)
        case InOrder(steps=steps, on_error=on_error):
            return _most(step.times) * all_of(steps, sum) + all_of(on_error, sum)
        case Pause(delay=delay):
            return _practical_maximum(delay)
        case Call():
            return _call_seconds(step, called)


def _most(times: Times) -> int:
    return times.most if times.most is not None else _TIMES_OF_A_DECISION


def _call_seconds(call: Call, called: Mapping[Node, float]) -> float:
    """Return how long a call can occupy its caller, and the called stage after the caller has given up."""
    there = called.get((call.to, call.operation), call.timeout_seconds)
    attempt = min(call.timeout_seconds, there) + (call.hedge_seconds or 0.0)
    retries = call.retries
    pauses = sum(retries.pause_seconds(failed, 1.0) for failed in range(1, retries.count + 1))
    waited = (1 + retries.count) * attempt + pauses
    if call.deadline_seconds is not None:
        waited = min(waited, call.deadline_seconds)
    after = max(0.0, there - attempt)
    fallback = sum(_step_seconds(step, called) for step in call.fallback)
    return _most(call.times) * waited + after + fallback


def waits_for(topology: Topology, in_flight: Mapping[str, int]) -> dict[str, int]:
    """Return {stage: messages} of the stages that have messages in flight and wait for no other stage."""
    busy = {name for name, count in in_flight.items() if count > 0}
    return {
        name: in_flight[name]
        for name, stage in topology.stages.items()
        if name in busy and not any(call.to in busy for _, call in calls_of(stage))
    }
