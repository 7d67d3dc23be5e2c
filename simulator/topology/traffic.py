"""What one message leads to on average while nothing fails: how often each operation is called, and how long it works.

A message is followed with its decisions, so that what depends on the same decision in several places agrees: of the
messages that miss a cache, all are looked up and all are set. Only decisions that are still asked for are told apart.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from simulator.behaviour.means import mean_delay_seconds
from simulator.behaviour.outcomes import mean_times, outcomes
from simulator.behaviour.times import MAX_TIMES, Times
from simulator.behaviour.values import Value
from simulator.topology.graph import Node
from simulator.topology.model import Forward, Operation, Stage
from simulator.topology.steps import Call, Choose, InOrder, Parallel, Pause, Step
from simulator.topology.walking import all_steps

# A message at an operation with these decisions, sorted by name.
Drawn = tuple[tuple[str, Value], ...]
State = tuple[Node, Drawn]
# Calls followed, beyond which the means are not computed: a few seconds.
MAX_WORK = 1_000_000


class Traffic:
    """The means of a topology, of whose operations `order` has each after all that it calls."""

    def __init__(self, stages: Mapping[str, Stage], order: Sequence[Node], max_work: int = MAX_WORK) -> None:
        self._operations = {
            (name, key): operation for name, stage in stages.items() for key, operation in stage.all_operations.items()
        }
        self._order = {node: place for place, node in enumerate(reversed(order))}
        self._asked = _asked_for(self._operations, list(self._order))
        self._seconds: dict[State, float] = {}
        self._visited: dict[Node, dict[State, float] | None] = {}
        self._work = max_work

    def calls(self, entry: Node) -> Mapping[Node, float] | None:
        """Return how often a message at `entry` leads to a call of each operation; None if that takes too long."""
        visits = self._visits_from(entry)
        if visits is None:
            return None
        means: dict[Node, float] = defaultdict(float)
        for (node, _), mean in visits.items():
            if node != entry:
                means[node] += mean
        return means

    def calls_seconds(self, entry: Node) -> Mapping[Node, float] | None:
        """Return for each operation that a message at `entry` leads to how long the steps after its delay take."""
        visits = self._visits_from(entry)
        if visits is None:
            return None
        sums: dict[Node, float] = defaultdict(float)
        weights: dict[Node, float] = defaultdict(float)
        # What is called comes last, and is known first.
        for (node, drawn), mean in reversed(visits.items()):
            operation = self._operations[node]
            seconds = sum(
                ratio * self._of_steps(operation.calls, dict(decisions)) for decisions, ratio in self._own(node, drawn)
            )
            self._seconds[node, drawn] = mean_delay_seconds(operation.delay) + seconds
            sums[node] += mean * seconds
            weights[node] += mean
        return {node: sums[node] / weight if weight else 0.0 for node, weight in weights.items()}

    def _visits_from(self, entry: Node) -> dict[State, float] | None:
        if entry not in self._visited:
            self._visited[entry] = self._visits(entry)
        return self._visited[entry]

    def _visits(self, entry: Node) -> dict[State, float] | None:
        """Return the mean number of visits in each state, callers first."""
        visits: dict[State, float] = {}
        waiting: dict[int, dict[State, float]] = {self._order[entry]: {(entry, ()): 1.0}}
        places = [self._order[entry]]
        while places:
            for (node, drawn), mean in waiting.pop(heapq.heappop(places)).items():
                visits[node, drawn] = mean
                for decisions, ratio in self._own(node, drawn):
                    for call, count in _calls(self._operations[node].calls, dict(decisions), mean * ratio):
                        state = self._state(call, decisions)
                        place = self._order[state[0]]
                        if place not in waiting:
                            waiting[place] = {}
                            heapq.heappush(places, place)
                        waiting[place][state] = waiting[place].get(state, 0.0) + count
                        self._work -= 1
                    self._work -= 1
                    if self._work < 0:
                        return None
        return visits

    def _own(self, node: Node, drawn: Drawn) -> Iterator[tuple[Drawn, float]]:
        """Yield the decisions of a message after those that are drawn at a node, each with its probability."""
        decide = self._operations[node].decide
        names = [name for name in decide if name in self._asked[node]]
        if not names:
            yield drawn, 1.0
            return
        for values in product(*(outcomes(decide[name]) for name in names)):
            ratio = 1.0
            for _, each in values:
                ratio *= each
            own = {name: value for name, (value, _) in zip(names, values, strict=True)}
            yield tuple(sorted({**dict(drawn), **own}.items())), ratio

    def _state(self, call: Call, decisions: Drawn) -> State:
        node = call.to, call.operation
        return node, tuple(pair for pair in decisions if pair[0] in self._asked[node])

    def _of_steps(self, steps: Sequence[Step], decisions: Mapping[str, Value]) -> float:
        return sum(self._of_step(step, decisions) for step in steps)

    def _of_step(self, step: Step, decisions: Mapping[str, Value]) -> float:
        """Return how long a step takes on average; of parallel steps at least the longest one's mean."""
        if step.when is not None and not step.when.holds(decisions):
            return 0.0
        match step:
            case Pause(delay=delay):
                return mean_delay_seconds(delay)
            case Choose(choose=alternatives, ratios=ratios):
                pairs = zip(alternatives, ratios, strict=True)
                return sum(ratio * self._of_step(one.step, decisions) for one, ratio in pairs)
            case InOrder(steps=inner):
                return step.probability_ratio * _number(step.times, decisions) * self._of_steps(inner, decisions)
            case Parallel(parallel=inner, limit=limit, pick=pick):
                each = [self._of_step(one, decisions) for one in inner]
                share = 1.0 if pick is None else min(1.0, pick / len(each))
                at_least = max(each) if share == 1 else sum(each) / len(each)
                total = _number(step.times, decisions) * share * sum(each)
                return step.probability_ratio * min(total, at_least if limit is None else max(at_least, total / limit))
            case Call():
                return step.probability_ratio * _number(step.times, decisions) * self._answer(step, decisions)

    def _answer(self, call: Call, decisions: Mapping[str, Value]) -> float:
        node = call.to, call.operation
        if self._operations[node].forward is Forward.ACCEPT:
            return 0.0
        seconds = self._seconds.get(self._state(call, tuple(sorted(decisions.items()))), 0.0)
        return min(call.timeout_seconds, seconds)


def _calls(steps: Sequence[Step], decisions: Mapping[str, Value], mean: float) -> Iterator[tuple[Call, float]]:
    """Yield each call with how often it is made on average, without retries, hedges and fallbacks."""
    for step in steps:
        if step.when is not None and not step.when.holds(decisions):
            continue
        match step:
            case Parallel(parallel=inner, pick=pick):
                share = 1.0 if pick is None else min(1.0, pick / len(inner))
                share *= step.probability_ratio * _number(step.times, decisions)
                yield from _calls(inner, decisions, mean * share)
            case InOrder(steps=inner):
                yield from _calls(inner, decisions, mean * step.probability_ratio * _number(step.times, decisions))
            case Choose(choose=alternatives, ratios=ratios):
                for alternative, ratio in zip(alternatives, ratios, strict=True):
                    yield from _calls([alternative.step], decisions, mean * ratio)
            case Call():
                yield step, mean * step.probability_ratio * _number(step.times, decisions)
            case Pause():
                continue


def _number(times: Times, decisions: Mapping[str, Value]) -> float:
    if not times.decision:
        return mean_times(times)
    found = decisions.get(times.decision, 0)
    return float(max(0, min(MAX_TIMES, found))) if isinstance(found, int) else 0.0


def _asked_for(operations: Mapping[Node, Operation], callers_first: Sequence[Node]) -> dict[Node, frozenset[str]]:
    """Return for each operation the decisions that it, or what it leads to, asks for without drawing them itself."""
    found: dict[Node, frozenset[str]] = {}
    none: frozenset[str] = frozenset()
    for node in reversed(callers_first):
        names: set[str] = set()
        for _, step in all_steps(operations[node].calls):
            if step.when is not None:
                names |= {condition.name for condition in step.when.conditions}
            if not isinstance(step, Pause | Choose) and step.times.decision:
                names.add(step.times.decision)
            if isinstance(step, Call):
                called = step.to, step.operation
                names |= found.get(called, none) - set(operations[called].decide)
        found[node] = frozenset(names) if names else none
    return found
