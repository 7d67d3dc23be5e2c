"""How a generated stage makes its calls: one after the other, in parallel, or one of several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from simulator.behaviour.times import Times
from simulator.generation.chance import Chance
from simulator.topology.quantities import Name
from simulator.topology.steps import Alternative, Call, Choose, InOrder, Parallel, Pause, Step

# The share of calls that are made several times (Luo et al., "An In-Depth Study of Microservice Call Graph and Runtime
# Performance", IEEE TPDS 33(12), 2022).
REPEATED_RATIO = 0.162
_PARALLEL_RATIO = 0.5
_CHOOSE_RATIO = 0.15
_IN_ORDER_RATIO = 0.3
_MAX_GROUP = 4
_WEIGHTS = {
    2: ((0.95, 0.05), (0.8, 0.2), (0.5, 0.5)),
    3: ((0.7, 0.2, 0.1), (0.5, 0.3, 0.2)),
    4: ((0.6, 0.2, 0.15, 0.05), (0.4, 0.3, 0.2, 0.1)),
}
_WEIGHT_UNITS = 100_000  # a weight is a percentage with three decimals


def arrange(caller: str, called: Sequence[str], chance: Chance) -> tuple[Step, ...]:
    """Return the steps in which `caller` calls each of the stages `called`."""
    left = chance.shuffled(called, caller, "order of its calls")
    steps: list[Step] = []
    if len(left) >= 3 and chance.happens(_CHOOSE_RATIO, caller, "choose"):
        size = chance.between(2, min(_MAX_GROUP, len(left) - 1), caller, "alternatives")
        weights = chance.one_of(_WEIGHTS[size], caller, "weights")
        steps.append(_choose(left[:size], weights))
        left = left[size:]
    while left:
        about = f"{caller} {len(left)}"
        size = 1
        if len(left) > 1 and chance.happens(_PARALLEL_RATIO, about, "parallel"):
            size = chance.between(2, min(_MAX_GROUP, len(left)), about, "group")
        steps.append(_group([_call(caller, to, chance) for to in left[:size]], about, chance))
        left = left[size:]
    return tuple(chance.shuffled(steps, caller, "order of its steps"))


def choose_by_popularity(entries: Sequence[str]) -> tuple[Step, ...]:
    """Return the step in which an injector calls one of the entries, the nth with a weight of 1/n (Zipf's law)."""
    if len(entries) == 1:
        return (Call(to=Name(entries[0])),)
    total = sum(1 / (place + 1) for place in range(len(entries)))
    units = [max(1, round(_WEIGHT_UNITS / total / (place + 1))) for place in range(len(entries))]
    units[0] += _WEIGHT_UNITS - sum(units)
    return (_choose(entries, [part / _WEIGHT_UNITS for part in units]),)


def _choose(names: Sequence[str], weights: Sequence[float]) -> Choose:
    alternatives = (
        Alternative(step=Call(to=Name(name)), weight=weight) for name, weight in zip(names, weights, strict=True)
    )
    return Choose(choose=tuple(alternatives))


def _call(caller: str, to: str, chance: Chance) -> Call:
    about = f"{caller} {to}"
    if not chance.happens(REPEATED_RATIO, about, "repeated"):
        return Call(to=Name(to))
    return Call(to=Name(to), times=Times(chance.one_of((2, 2, 3), about, "times")))


def _group(calls: list[Call], about: str, chance: Chance) -> Step:
    if len(calls) == 1:
        return calls[0]
    if len(calls) > 2 and chance.happens(_IN_ORDER_RATIO, about, "in order"):
        return Parallel(parallel=(*calls[:-2], InOrder(steps=tuple(calls[-2:]))))
    return Parallel(parallel=tuple(calls))


def with_calls_changed(steps: Sequence[Step], change: Callable[[Call], Call]) -> tuple[Step, ...]:
    """Return the steps with every call, except for the alternatives of a choice, replaced by `change(call)`."""

    def changed(step: Step) -> Step:
        match step:
            case Parallel(parallel=inner):
                return replace(step, parallel=with_calls_changed(inner, change))
            case InOrder(steps=inner):
                return replace(step, steps=with_calls_changed(inner, change))
            case Call():
                return change(step)
            case Choose() | Pause():
                return step

    return tuple(map(changed, steps))


def calls_made(steps: Sequence[Step], mean: float = 1.0) -> Iterator[tuple[Call, float, bool]]:
    """Yield each call with how many times it is made on average, without fallbacks, and whether it is chosen.

    Conditions count as fulfilled.
    """
    for step in steps:
        match step:
            case Parallel(parallel=inner) | InOrder(steps=inner):
                yield from calls_made(inner, mean * step.probability_ratio * step.times.mean)
            case Choose(choose=alternatives, ratios=ratios):
                for alternative, ratio in zip(alternatives, ratios, strict=True):
                    yield from ((call, count, True) for call, count, _ in calls_made([alternative.step], mean * ratio))
            case Call():
                yield step, mean * step.probability_ratio * step.times.mean, False
            case Pause():
                continue
