"""Anything that a stage may say of its calls and itself, for the tests of the topology."""

from dataclasses import replace

from hypothesis import strategies as st

from simulator.behaviour.attributes import parse_attribute
from simulator.behaviour.breaker import BreakerRule
from simulator.behaviour.conditions import parse_when
from simulator.behaviour.delays import parse_delay
from simulator.behaviour.faults.error import Error
from simulator.behaviour.faults.registry import parse_fault
from simulator.behaviour.limits import RateLimit
from simulator.behaviour.payloads import parse_sizes
from simulator.behaviour.retries import Retries
from simulator.behaviour.templates import parse_template
from simulator.behaviour.times import Times, parse_times
from simulator.behaviour.values import Chance, Weighted, Whole
from simulator.behaviour.work import parse_work
from simulator.topology.headers import parse_headers
from simulator.topology.model import Answering, Forward, LogLevel, LogLine, Method, Operation
from simulator.topology.objectives import LatencyObjective, Slo
from simulator.topology.steps import Alternative, Call, Choose, InOrder, Parallel, Pause

# Some look like numbers in a file, and none are the same as names of hosts.
NAMES = st.from_regex(r"[a-z0-9]{1,5}(\.[a-zA-Z]{1,3})?", fullmatch=True)
SECONDS = st.floats(1e-9, 604_800)
RATIOS = st.just(0.0) | st.floats(1e-12, 1)
LIMITS = st.builds(RateLimit, st.floats(1e-6, 1e6), st.none() | st.integers(1, 999_999_999))
RETRIES = st.just(Retries()) | st.builds(Retries, st.integers(1, 100), SECONDS, SECONDS, st.none() | RATIOS)
BREAKERS = st.builds(BreakerRule, st.integers(1, 999_999_999), SECONDS)
SIZES = st.sampled_from([1, "10KB", "uniform(1KB, 10KB)", "mixture(60%: constant(1B), 40%: constant(1MB))"]).map(
    parse_sizes
)
TIMES = st.integers(1, 100_000).map(Times) | st.sampled_from(["items", "uniform(1, 8)", "poisson(3)"]).map(parse_times)
WHENS = st.none() | st.sampled_from(["hit", "not hit", "tenant = gold", "items >= 3 and hit"]).map(parse_when)
WEIGHTS = st.floats(1e-9, 1) | st.integers(1, 1000).map(float)
DELAYS = st.sampled_from(
    ["constant(15ms)", "exponential(3ms)", "mixture(90%: uniform(1ms, 5ms), 10%: constant(1s))"]
).map(parse_delay)
HEADERS = st.sampled_from([{}, {"Authorization": "Bearer ${TOKEN}"}, {"X-Odd": "yes: '~' # $${A}", "y": "010"}]).map(
    parse_headers
)
LABELS = st.from_regex(r"app\.[a-z]{1,3}([._-][a-z0-9]{1,3})?", fullmatch=True)
# In any script, and like numbers, booleans, percentages and comments of a file.
CONSTANTS = st.sampled_from(["eu", "v1.10", "München (Süd)", "010", "true", "~", "# x", "a: b", 17, -1, True, False])
ATTRIBUTES = CONSTANTS.map(parse_attribute) | st.sampled_from(
    ["90%", "pick(10000)", "uniform(1, 8)", "sequence", {"gold": "5%", "silver": "95%"}]
).map(parse_attribute)
LOG_LINES = st.builds(
    LogLine,
    message=st.sampled_from(["plain", "cart {tenant}: {items}", "{{x}} # {a.b-c}"]).map(parse_template),
    level=st.sampled_from(LogLevel),
    when=WHENS,
)
FAULTS = st.builds(Error, status=st.integers(400, 599), rate_ratio=RATIOS) | st.sampled_from(
    ["hang(30s, 1%)", "reset(0.5%)", "truncate(1%)", "slow_body(20B/s, 5%)", "cpu(20ms)", "memory(50MB, instance=1)"]
).map(parse_fault)


def calls(names, fallbacks=2):
    """Make calls to stages of such names, with a fallback that may have one of its own."""
    return st.builds(
        Call,
        to=names,
        timeout_seconds=SECONDS,
        deadline_seconds=st.none() | SECONDS,
        probability_ratio=RATIOS,
        when=WHENS,
        times=TIMES,
        retries=RETRIES,
        hedge_seconds=st.none() | SECONDS,
        breaker=st.none() | BREAKERS,
        optional=st.booleans(),
        fallback=st.lists(calls(names, fallbacks=fallbacks - 1), max_size=2).map(tuple) if fallbacks else st.just(()),
        request_size=st.none() | SIZES,
        headers=st.none() | HEADERS,
    )


def choices(steps):
    """Make choices between one and four steps, by weights of any sum; a file has steps in order under their key."""
    one = st.builds(Alternative, step=steps.filter(lambda step: not is_list(step)), weight=WEIGHTS)
    return st.builds(
        Choose,
        choose=st.lists(one, min_size=1, max_size=4).map(tuple),
        when=WHENS,
    )


def in_order(inner):
    """Make steps in order, of which none is a mere list."""
    return st.lists(inner.filter(lambda step: not is_list(step)), max_size=3).map(tuple)


def is_list(step):
    return isinstance(step, InOrder) and step.is_plain


def group(inner):
    """Return what a group may say besides its steps."""
    return {
        "times": TIMES,
        "probability_ratio": RATIOS,
        "when": WHENS,
        "optional": st.booleans(),
        "on_error": in_order(inner),
    }


def steps(names):
    """Make calls, choices, and groups of them within groups."""
    return st.recursive(
        st.builds(Call, to=names) | calls(names) | st.builds(Pause, delay=DELAYS, when=WHENS),
        lambda inner: (
            st.builds(
                Parallel,
                parallel=st.lists(inner, max_size=3).map(tuple),
                limit=st.none() | st.integers(1, 100_000),
                pick=st.none() | st.integers(1, 100_000),
                **group(inner),
            )
            | st.builds(InOrder, steps=in_order(inner))
            | st.builds(InOrder, steps=in_order(inner), **group(inner))
            | choices(inner)
        ),
        max_leaves=5,
    )


DECISIONS = {"hit": Chance(0.9), "tenant": Weighted(("gold", "silver"), (1.0, 9.0)), "items": Whole(1, 8)}
# None is that of a stage, whose name may have a dot and up to three letters behind it.
OPERATION_NAMES = st.from_regex(r"[a-zA-Z0-9]{4,5}|[A-Z][a-z]_[0-9]{2}|0[0-9]-[0-9]{2}", fullmatch=True)
_LATENCY = LatencyObjective(0.3, 0.99)
_SLOS = st.sampled_from([None, Slo(latency=_LATENCY), Slo(errors_ratio=0.01), Slo(latency=_LATENCY, errors_ratio=0.05)])
_OF_OPERATIONS = {
    "method": st.sampled_from(Method),
    "delay": DELAYS,
    "work": st.sampled_from([[], ["cpu(20ms)"], ["cpu(1ms)", "memory(50MB)"]]).map(parse_work),
    "faults": st.lists(FAULTS, max_size=2).map(tuple),
    "forward": st.sampled_from(Forward),
    "response_size": st.none() | SIZES,
    "slo": _SLOS,
    "span": st.none() | st.sampled_from(["shop.Cart/Get", "010", "{a: b}"]),
}


@st.composite
def with_operations(draw, stage, calls, **more):
    """Make a stage with one to three operations; each has some keys of its own, and all else is the stage's.

    `more` are further keys that an operation may have of its own.
    """
    operations = {}
    for number, name in enumerate(draw(st.lists(OPERATION_NAMES, min_size=1, max_size=3, unique=True))):
        of = {**_OF_OPERATIONS, **more}
        own = {key: draw(of[key]) for key in draw(st.lists(st.sampled_from(sorted(of)), max_size=4, unique=True))}
        paths = [f"/{name}", f"/{number}/{{id}}"] if stage.path == "/messages" else [stage.path, f"/{number}"]
        shared = {key: getattr(stage, key) for key in Operation.__dataclass_fields__}
        operations[name] = Operation(
            **shared
            | own
            | {
                "path": draw(st.sampled_from(paths)),
                "calls": draw(st.just(stage.calls) | calls),
                # Those of the stage can be others, but not be taken away.
                "decide": {**stage.decide, **draw(st.sampled_from([{}, {"hit": Chance(0.5)}, {"warm": Chance(0.1)}]))},
                "attributes": {**stage.attributes, **draw(st.dictionaries(LABELS, ATTRIBUTES, max_size=2))},
            }
        )
    return replace(stage, operations=operations)


# What is right only in certain topologies.
UNCHECKED = {"answer": st.sampled_from(Answering), "log": st.lists(LOG_LINES, max_size=2).map(tuple)}
