"""Topologies that nobody thought of, with every fault and option: drawn by hypothesis, written as in a file."""

from __future__ import annotations

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
CALL_OPTIONS = {
    "probability": st.just("60%"),
    "times": st.just(2),
    "retries": st.sampled_from(["retries(2, backoff=1ms, budget=50%)", "retries(3, backoff=10ms, max=50ms)", 1]),
    "optional": st.just(True),
    "hedge": st.sampled_from(["15ms", "3ms"]),
    "breaker": st.sampled_from(["breaker(failures=3, reset=50ms)", "breaker(failures=1, reset=1s)"]),
    "request_bytes": st.just("uniform(10B, 5KB)"),
    "timeout": st.sampled_from(["25s", "200ms", "20ms"]),
    "deadline": st.sampled_from(["300ms", "15ms"]),
}
STAGE_OPTIONS = {
    "instances": st.just(2),
    "workers": st.sampled_from([1, 2, 4]),
    "queue": st.sampled_from([0, 1, 10]),
    "rate_limit": st.sampled_from(["30/s", "limit(50/s, burst=2)"]),
    "response_bytes": st.sampled_from(["10B", "uniform(100B, 3KB)"]),
    "delay": DELAYS,
}
LOADS = st.sampled_from(
    [{"rate": "40/s"}, {"rate": "200/s", "arrivals": "poisson"}, {"concurrency": 1}, {"concurrency": 5}]
)


# Without these no message can fail, but by an injected fault.
_GENUINE = {"deadline", "workers", "queue", "rate_limit"}


@st.composite
def options_of(draw, options, max_size):
    """Draw some of these options."""
    chosen = draw(st.sets(st.sampled_from(sorted(options)), max_size=max_size))
    return {key: draw(options[key]) for key in sorted(chosen)}


def _allowed(options, genuine):
    if genuine:
        return options
    allowed = {key: values for key, values in options.items() if key not in _GENUINE}
    return {**allowed, "timeout": st.just("25s")} if "timeout" in allowed else allowed


@st.composite
def single_call(draw, targets, genuine):
    """Draw one call to one of these stages."""
    call = {"to": draw(st.sampled_from(targets)), **draw(options_of(_allowed(CALL_OPTIONS, genuine), 3))}
    if draw(st.integers(0, 4)) == 0:
        call["fallback"] = draw(st.sampled_from(targets))
    return call


@st.composite
def calls_to(draw, targets, genuine, depth=0):
    """Draw the steps of a stage that may call these stages."""
    steps = []
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["call", "call", "parallel", "choose"] if depth < 2 else ["call"]))
        if kind == "parallel":
            inner = draw(st.lists(calls_to(targets, genuine, depth + 1), min_size=1, max_size=3))
            group = {"parallel": [item if len(item) > 1 else item[0] for item in inner]}
            steps.append({**group, **draw(st.sampled_from([{}, {"limit": 1}, {"probability": "50%"}]))})
        elif kind == "choose":
            one, other = draw(st.sampled_from(targets)), draw(st.sampled_from(targets))
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
    for number, name in enumerate(names):
        later = names[number + 1 :]
        stage = {**draw(options_of(_allowed(STAGE_OPTIONS, genuine), 3)), "faults": draw(st.lists(FAULTS, max_size=2))}
        if stage.get("instances") is None:
            stage["faults"] = [fault for fault in stage["faults"] if "instance" not in fault]
        if not later:
            stage["role"] = "terminator"
        else:
            stage["calls"] = draw(calls_to(later, genuine)) if draw(st.booleans()) or number == 0 else [later[0]]
            stage["forward"] = draw(st.sampled_from(["wait", "wait", "wait", "accept"]))
        stages[name] = stage
    load = {**draw(LOADS), "messages": messages}
    stages = {"source": {"role": "injector", "load": load, "calls": [names[0]]}, **stages}
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
