"""Anything that a stage may say of its calls and itself, for the tests of the topology."""

import itertools

from hypothesis import strategies as st

from simulator.behaviour.breaker import BreakerRule
from simulator.behaviour.faults.error import Error
from simulator.behaviour.faults.registry import parse_fault
from simulator.behaviour.limits import RateLimit
from simulator.behaviour.payloads import parse_sizes
from simulator.behaviour.retries import Retries
from simulator.topology.headers import parse_headers
from simulator.topology.model import Alternative, Call, Choose, InOrder, Parallel

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
HEADERS = st.sampled_from([{}, {"Authorization": "Bearer ${TOKEN}"}, {"X-Odd": "yes: '~' # $${A}", "y": "010"}]).map(
    parse_headers
)
FAULTS = st.builds(Error, status=st.integers(400, 599), rate_ratio=RATIOS) | st.sampled_from(
    ["hang(30s, 1%)", "reset(0.5%)", "truncate(1%)", "slow_body(20B/s, 5%)", "cpu(20ms)", "memory(50MB, instance=1)"]
).map(parse_fault)


def calls(names, kind=Call, fallbacks=2, **own):
    """Make calls to stages of such names, with a fallback that may have one of its own."""
    return st.builds(
        kind,
        to=names,
        timeout_seconds=SECONDS,
        deadline_seconds=st.none() | SECONDS,
        probability_ratio=RATIOS,
        times=st.integers(1, 100_000),
        retries=RETRIES,
        hedge_seconds=st.none() | SECONDS,
        breaker=st.none() | BREAKERS,
        optional=st.booleans(),
        fallback=st.none() | calls(names, fallbacks=fallbacks - 1) if fallbacks else st.none(),
        request_size=st.none() | SIZES,
        headers=st.none() | HEADERS,
        **own,
    )


@st.composite
def choices(draw, names):
    """Make choices between one and four calls, their weights in hundredths of a per cent."""
    cuts = sorted(draw(st.sets(st.integers(1, 9_999), max_size=3)))
    weights = [(high - low) / 10_000 for low, high in itertools.pairwise([0, *cuts, 10_000])]
    return Choose(choose=tuple(draw(calls(names, Alternative, 1, weight_ratio=st.just(weight))) for weight in weights))


def steps(names):
    """Make calls, choices, and groups of them within groups."""
    return st.recursive(
        st.builds(Call, to=names) | calls(names) | choices(names),
        lambda inner: (
            st.builds(
                Parallel,
                parallel=st.lists(inner, max_size=3).map(tuple),
                limit=st.none() | st.integers(1, 100_000),
                probability_ratio=RATIOS,
            )
            | st.builds(InOrder, steps=st.lists(inner, max_size=3).map(tuple))
        ),
        max_leaves=5,
    )
