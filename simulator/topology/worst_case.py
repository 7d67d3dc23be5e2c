"""What one message can multiply to: the most calls of each operation, with every retry, hedge, time and fallback.

The calls of t that one message at n can lead to are the sum over n's steps of

    call of m             times * (attempts * ([m is t] + calls of t from m) + those of its fallback),
                          attempts = (1 + retries) * (2 if it is hedged)
    steps in sequence     times * the sum, and on_error
    parallel steps        times * the sum of the `pick` largest, and on_error
    choose                the largest

so three levels with three retries each lead to (1 + 3)^3 = 64 calls of the last stage. It is an upper bound: breakers,
budgets, deadlines and conditions can only make it less.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from simulator.behaviour.outcomes import max_times
from simulator.behaviour.times import Times
from simulator.topology.decisions import Known, known_decisions
from simulator.topology.graph import Node
from simulator.topology.model import Stage
from simulator.topology.steps import Call, Choose, InOrder, Parallel, Pause, Step
from simulator.topology.walking import all_steps

Counts = Mapping[Node, int]
# Entries of all counts together, beyond which they are not computed: seconds, and hundreds of megabytes.
MAX_WORK = 1_000_000
# Counts stop here: twenty levels of retries make more, and a number for each level of a deep system would fill memory.
MAX_COUNT = 10**18
_NOTHING: Counts = {}


def worst_cases(
    stages: Mapping[str, Stage], order: Sequence[Node], entries: Sequence[Node], max_work: int = MAX_WORK
) -> dict[Node, Counts]:
    """Return for each entry how often one message there can lead to a call of each operation, at most.

    `order` has each operation after all that it calls. No count exceeds `MAX_COUNT`. Return nothing if the stages are
    so many and deep that it would take more than `max_work` additions.
    """
    known = known_decisions(stages) if _count_by_decisions(stages) else {}
    found: dict[Node, Counts] = {}
    work = 0

    def of(call: Call) -> Counts:
        nonlocal work
        node = call.to, call.operation
        below = found.get(node, _NOTHING)
        work += len(below) + 1
        return {**below, node: 1}

    for node in order:
        walk = _Walk(known.get(node, {}), of)
        found[node] = walk.in_order(stages[node[0]].all_operations[node[1]].calls)
        if work > max_work:
            return {}
    return {entry: found[entry] for entry in entries}


def _count_by_decisions(stages: Mapping[str, Stage]) -> bool:
    operations = (operation for stage in stages.values() for operation in stage.all_operations.values())
    steps = (step for operation in operations for _, step in all_steps(operation.calls))
    return any(not isinstance(step, Pause | Choose) and step.times.decision for step in steps)


class _Walk:
    """The counts of the steps of one operation, where `known` decisions may have been drawn."""

    def __init__(self, known: Known, of: Callable[[Call], Counts]) -> None:
        self._known = known
        self._of = of

    def in_order(self, steps: Sequence[Step]) -> Counts:
        """Return the counts of steps that are all taken."""
        return _summed([self._of_step(step) for step in steps])

    def _of_step(self, step: Step) -> Counts:
        if isinstance(step, Pause) or (not isinstance(step, Choose) and not step.probability_ratio):
            return _NOTHING
        match step:
            case Choose(choose=alternatives):
                return _largest([self._of_step(one.step) for one in alternatives if one.weight], 1)
            case Call():
                attempts = (1 + step.retries.count) * (1 if step.hedge_seconds is None else 2)
                once = _summed([_times(attempts, self._of(step)), self.in_order(step.fallback)])
                return _times(self._max(step.times), once)
            case InOrder(steps=inner, on_error=on_error):
                return _summed([_times(self._max(step.times), self.in_order(inner)), self.in_order(on_error)])
            case Parallel(parallel=inner, on_error=on_error, pick=pick):
                once = _largest([self._of_step(one) for one in inner], len(inner) if pick is None else pick)
                return _summed([_times(self._max(step.times), once), self.in_order(on_error)])

    def _max(self, times: Times) -> int:
        if times.decision:
            return max(map(max_times, self._known.get(times.decision, ())), default=0)
        return times.fixed if times.rule is None else max_times(times.rule)


def _summed(counts: Sequence[Counts]) -> Counts:
    if len(counts) == 1:
        return counts[0]
    sums: dict[Node, int] = {}
    for each in counts:
        for node, count in each.items():
            sums[node] = min(MAX_COUNT, sums.get(node, 0) + count)
    return sums


def _times(number: int, counts: Counts) -> Counts:
    return counts if number == 1 else {node: min(MAX_COUNT, number * count) for node, count in counts.items()}


def _largest(counts: Sequence[Counts], number: int) -> Counts:
    """Return for each node the sum of the `number` largest of its counts."""
    if number >= len(counts):
        return _summed(counts)
    by_node: dict[Node, list[int]] = defaultdict(list)
    for each in counts:
        for node, count in each.items():
            by_node[node].append(count)
    return {node: min(MAX_COUNT, sum(heapq.nlargest(number, found))) for node, found in by_node.items()}
