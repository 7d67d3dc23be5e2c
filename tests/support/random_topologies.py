"""Topologies that nobody thought of, with every fault and option: drawn by hypothesis, written as in a file."""

from __future__ import annotations

import functools
import re
from typing import Any

from hypothesis import strategies as st

# Each, in one place or another, can't stay as it is.
NAMES = ("s0", "Mid.one", "2nd", "s_3", "Mid", "v1.5-X_y")
FAULTS = st.sampled_from(
    [
        "error(503, 20%)",
        "error(429, 10%)",
        "error(400, 10%)",
        "reset(10%)",
        "truncate(10%)",
        "hang(30ms, 20%)",
        "hang(2s, 5%)",
        "slow_body(2KB/s, 20%)",
        "slow_body(50B/s, 5%)",
        "cpu(2ms, 50%)",
        "memory(1MB)",
        "error(500, 50%, instance=2)",
        'error(503, "for some", when="tenant = gold")',
    ]
)
DELAYS = st.sampled_from(
    [
        "constant(0s)",
        "constant(5ms)",
        "exponential(3ms)",
        "uniform(1ms, 10ms)",
        "lognormal(p50=4ms, p99=60ms)",
        "growing(constant(2ms), full=3)",
    ]
)
CONDITIONS = st.sampled_from(["hit", "not hit", "tenant = gold", "items >= 1 and hit"])
CALL_OPTIONS = {
    "probability": st.just("60%"),
    "times": st.sampled_from([2, "items", "uniform(0, 2)"]),
    "when": CONDITIONS,
    "retries": st.sampled_from(["retries(2, backoff=1ms, budget=50%)", "retries(3, backoff=10ms, max=50ms)", 1]),
    "optional": st.just(True),
    "hedge": st.sampled_from(["15ms", "3ms"]),
    "breaker": st.sampled_from(["breaker(failures=3, reset=50ms)", "breaker(failures=1, reset=1s)"]),
    "request_bytes": st.just("uniform(10B, 5KB)"),
    "timeout": st.sampled_from(["25s", "200ms", "20ms"]),
    "deadline": st.sampled_from(["300ms", "15ms"]),
}
# Drawn where the messages come from, so that every stage knows them.
DECIDE = {"hit": "70%", "tenant": {"gold": "30%", "silver": "70%"}, "items": "uniform(0, 2)"}
GROUP_OPTIONS = {
    "limit": st.just(1),
    "probability": st.just("50%"),
    "pick": st.just(1),
    "times": st.sampled_from([2, "items"]),
    "when": CONDITIONS,
    "optional": st.just(True),
}
STAGE_OPTIONS = {
    "instances": st.just(2),
    "workers": st.sampled_from([1, 2, 4]),
    "queue": st.sampled_from([0, 1, 10]),
    "rate_limit": st.sampled_from(["30/s", "limit(50/s, burst=2)"]),
    "response_bytes": st.sampled_from(["10B", "uniform(100B, 3KB)"]),
    "delay": DELAYS,
}
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
LOADS = st.sampled_from(
    [{"rate": "40/s"}, {"rate": "200/s", "arrivals": "poisson"}, {"concurrency": 1}, {"concurrency": 5}]
)


# Without these no message can fail, but by an injected fault.
_GENUINE = {"deadline", "workers", "queue", "rate_limit"}


def options_of(options, max_size):
    """Draw some of these options."""
    keys = st.sets(st.sampled_from(sorted(options)), max_size=max_size)

    @st.composite
    def some(draw):
        return {key: draw(options[key]) for key in sorted(draw(keys))}

    return some()


def _allowed(options, genuine):
    if genuine:
        return options
    allowed = {key: values for key, values in options.items() if key not in _GENUINE}
    return {**allowed, "timeout": st.just("25s")} if "timeout" in allowed else allowed


# Hypothesis takes longer to make a strategy than to draw from it, so each is made once.
_OF_STAGES = {genuine: options_of(_allowed(STAGE_OPTIONS, genuine), 3) for genuine in (True, False)}
_OF_CALLS = {genuine: options_of(_allowed(CALL_OPTIONS, genuine), 3) for genuine in (True, False)}
_OF_PARALLEL = options_of(GROUP_OPTIONS, 2)
_OF_STEPS = options_of({key: values for key, values in GROUP_OPTIONS.items() if key not in ("limit", "pick")}, 2)
_KINDS = st.sampled_from(["call", "call", "parallel", "steps", "choose", "delay"])
_FEW_FAULTS = st.lists(FAULTS, max_size=2)
_FEW_METHODS = st.lists(METHODS, min_size=1, max_size=3)


@functools.cache
def one_of(targets):
    """Draw one of these targets."""
    return st.sampled_from(targets)


@functools.cache
def fallbacks(targets):
    """Draw one of these targets, or two."""
    return one_of(targets) | st.lists(one_of(targets), min_size=2, max_size=2)


@functools.cache
@st.composite
def single_call(draw, targets, genuine):
    """Draw one call to one of these stages."""
    call = {"to": draw(one_of(targets)), **draw(_OF_CALLS[genuine])}
    if "." in call["to"].removeprefix("Mid.one").removeprefix("v1.5"):
        call.pop("request_bytes", None)  # its method may have no body
    if draw(st.integers(0, 4)) == 0:
        call["fallback"] = draw(fallbacks(targets))
    return call


@functools.cache
@st.composite
def on_errors(draw, targets):
    """Draw what a group does after a failure, mostly nothing."""
    return {"on_error": [draw(one_of(targets))]} if draw(st.integers(0, 3)) == 0 else {}


def with_operations(stage, operations):
    """Return a stage with what it does as the defaults of these operations, the last of which calls none."""
    *methods, last = operations
    made = {f"o{number}": {"method": method, "path": f"/{number}/{{id}}"} for number, method in enumerate(methods)}
    return {**stage, "operations": {**made, "last": {"method": last, "calls": []}}}


@functools.cache
def groups_of(targets, genuine, depth):
    """Draw the steps of up to three members of a group."""
    return st.lists(calls_to(targets, genuine, depth), min_size=1, max_size=3)


@functools.cache
@st.composite
def calls_to(draw, targets, genuine, depth=0):
    """Draw the steps of a stage that may call these stages."""
    steps = []
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(_KINDS) if depth < 2 else "call"
        if kind == "parallel":
            inner = draw(groups_of(targets, genuine, depth + 1))
            group = {"parallel": [item if len(item) > 1 else item[0] for item in inner]}
            steps.append({**group, **draw(_OF_PARALLEL), **draw(on_errors(targets))})
        elif kind == "steps":
            inner = draw(calls_to(targets, genuine, depth + 1))
            steps.append({"steps": inner, **draw(_OF_STEPS), **draw(on_errors(targets))})
        elif kind == "delay":
            steps.append({"delay": draw(DELAYS), **draw(st.sampled_from([{}, {"when": "not hit"}]))})
        elif kind == "choose":
            one, other = draw(one_of(targets)), draw(one_of(targets))
            steps.append({"choose": [{"to": one, "weight": "70%"}, {"to": other, "weight": "30%"}]})
        else:
            steps.append(draw(single_call(targets, genuine)))
    return steps


@st.composite
def topologies(draw, messages, genuine=True):
    """Draw an injector and up to six stages, each of which calls only later ones.

    Where `genuine` is False, no message fails but by an injected fault.
    """
    names = NAMES[: draw(st.integers(2, len(NAMES)))]
    stages = {}
    targets = {}
    for number, name in reversed(list(enumerate(names))):
        later = tuple(target for after in names[number + 1 :] for target in targets[after])
        stage = {**draw(_OF_STAGES[genuine]), "faults": draw(_FEW_FAULTS)}
        if stage.get("instances") is None:
            stage["faults"] = [fault for fault in stage["faults"] if "instance" not in fault]
        if not later:
            stage["role"] = "terminator"
        else:
            stage["calls"] = draw(calls_to(later, genuine)) if draw(st.booleans()) or number == 0 else [later[0]]
            stage["forward"] = draw(st.sampled_from(["wait", "wait", "wait", "accept"]))
        targets[name] = [name]
        if draw(st.integers(0, 2)) == 0:
            stage = with_operations(stage, draw(_FEW_METHODS))
            targets[name] = [f"{name}.{operation}" for operation in stage["operations"]]
        stages[name] = stage
    load = {**draw(LOADS), "messages": messages}
    # Calls that are never made, so that the decisions are known wherever a condition asks for them.
    never = [{"to": target, "probability": "0%"} for name in names for target in targets[name]]
    source = {"role": "injector", "load": load, "decide": DECIDE, "calls": [targets[names[0]][0], *never]}
    stages = {"source": source, **{name: stages[name] for name in names}}
    return {"name": "random", "seed": draw(st.integers(0, 1000)), "stages": stages}


# What makes a message's way hang on what comes first, or on how many others there are.
_RACES = {"hedge", "breaker", "instances"}


def without_races(drawn: Any) -> Any:
    """Return a topology, or a part of it, in which all that becomes of a message follows from the seed."""
    if isinstance(drawn, dict):
        return {key: without_races(value) for key, value in drawn.items() if key not in _RACES}
    if isinstance(drawn, list):
        return [without_races(value) for value in drawn if "instance=" not in str(value) or not isinstance(value, str)]
    if isinstance(drawn, str):
        return re.sub(r", budget=\d+%", "", drawn).replace("growing(constant(2ms), full=3)", "constant(2ms)")
    return drawn
