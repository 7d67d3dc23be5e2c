"""Plain values to records and back: what each key takes, and that nothing is lost."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.arrivals import BurstyArrivals, ConstantArrivals, PoissonArrivals
from simulator.behaviour.breaker import BreakerRule
from simulator.behaviour.delays import Growing
from simulator.behaviour.distributions import Constant, Exponential, Uniform
from simulator.behaviour.faults.error import Error
from simulator.behaviour.labels import label_name
from simulator.behaviour.limits import RateLimit
from simulator.behaviour.payloads import parse_sizes
from simulator.behaviour.profiles.registry import parse_profile
from simulator.behaviour.retries import Retries
from simulator.behaviour.times import Times
from simulator.topology.keys import key_of
from simulator.topology.load import Load
from simulator.topology.model import Forward, OnBadLine, Role, Stage
from simulator.topology.steps import Alternative, Call, Choose, InOrder, Parallel
from simulator.topology.structure import structure, unstructure
from tests.unit.topology.strategies import (
    ATTRIBUTES,
    CONSTANTS,
    FAULTS,
    LABELS,
    LIMITS,
    LOG_LINES,
    NAMES,
    SECONDS,
    SIZES,
    UNCHECKED,
    steps,
    with_operations,
)

TEXT = st.text(string.digits + string.ascii_letters + string.punctuation + " ", min_size=1)
DELAYS = st.builds(Constant, SECONDS) | st.builds(Exponential, SECONDS) | st.just(Growing(Constant(0.01), 2.5))
PROFILES = [parse_profile(text) for text in ("ramp(1/s, 9/s, 1m)", "constant(5/s, 1m); spike(1/s, 9/s, 1m, 2s)")]
ALONE = st.builds(
    Stage,
    role=st.sampled_from(Role),
    host=st.none() | st.sampled_from(["127.0.0.1", "::1", "parse.example"]),
    port=st.none() | st.integers(0, 65535),
    path=st.just("/messages")
    | st.from_regex(r"(/[A-Za-z0-9_~-]{1,6}){1,3}/?", fullmatch=True).filter(lambda path: path not in ("/metrics",)),
    delay=DELAYS,
    faults=st.lists(FAULTS, max_size=3).map(tuple),
    workers=st.integers(1, 100_000),
    queue=st.integers(0, 1_000_000),
    rate_limit=st.none() | LIMITS,
    instances=st.integers(1, 100),
    forward=st.sampled_from(Forward),
    response_size=st.none() | SIZES,
    max_body_bytes=st.integers(1, 2**30),
    calls=st.lists(steps(NAMES), max_size=3).map(tuple),
    load=st.none()
    | st.builds(
        Load,
        rate_per_second=st.none() | st.floats(1e-6, 1e6),
        arrivals=st.sampled_from([ConstantArrivals(), PoissonArrivals()]),
        messages=st.none() | st.integers(0, 10**12),
        concurrency=st.integers(1, 100_000),
    )
    | st.builds(
        Load,
        profile=st.sampled_from(PROFILES),
        arrivals=st.sampled_from([None, BurstyArrivals(10.0)]),
    ),
    attributes=st.dictionaries(LABELS, ATTRIBUTES, max_size=3),
    log=st.lists(LOG_LINES, max_size=2).map(tuple),
    labels=st.lists(LABELS, max_size=3, unique_by=label_name).map(tuple),
    baggage=st.booleans(),
    resource=st.dictionaries(LABELS, CONSTANTS, max_size=3),
    input=st.none() | TEXT,
    on_bad_line=st.sampled_from(OnBadLine),
    output=st.none() | TEXT,
)
STAGES = ALONE | ALONE.flatmap(
    lambda stage: with_operations(stage, st.lists(steps(NAMES), max_size=2).map(tuple), **UNCHECKED)
)


@settings(deadline=None)
@given(STAGES)
def test_a_stage_comes_back_from_its_plain_values(stage):
    """Unstructuring a stage and structuring it again gives an equal one, whatever its values and its operations'."""
    assert structure(unstructure(stage), Stage) == (stage, [])


@settings(deadline=None)
@given(ALONE)
def test_a_stage_comes_back_from_all_its_plain_values(stage):
    """With its defaults included it has every key, and reads back from those that have a value."""
    whole = unstructure(stage, whole=True)
    assert set(whole) == {key_of(name) for name in Stage.__dataclass_fields__}
    assert structure({key: value for key, value in whole.items() if value is not None}, Stage) == (stage, [])


def test_defaults_are_left_out():
    """A stage in a file has only what differs from the defaults."""
    assert unstructure(Stage()) == {}
    assert unstructure(Stage(role=Role.PROCESSOR, calls=(), workers=3, max_body_bytes=9)) == {
        "workers": 3,
        "max_body": 9,
    }
    assert structure({}, Stage) == (Stage(), [])
    assert structure(None, Stage) == (Stage(), [])


def test_every_key_is_read_in_its_own_unit():
    """Durations, rates and sizes are text in a file, and seconds, per-second and bytes in the record."""
    stage, problems = structure(
        {
            "role": "injector",
            "delay": "uniform(5ms, 40ms)",
            "faults": ["error(503, 1%)", "error(500, 2%)"],
            "rate_limit": "limit(50/s, burst=10)",
            "instances": 3,
            "forward": "accept",
            "response_bytes": "10KB",
            "max_body": "10KB",
            "calls": ["parse", {"to": "audit", "timeout": "500ms"}],
            "load": {"rate": "300/min", "arrivals": "constant", "messages": 0},
            "on_bad_line": "skip",
        },
        Stage,
    )
    assert problems == []
    assert stage == Stage(
        role=Role.INJECTOR,
        delay=Uniform(0.005, 0.04),
        faults=(Error(status=503, rate_ratio=0.01), Error(status=500, rate_ratio=0.02)),
        rate_limit=RateLimit(50.0, 10),
        instances=3,
        forward=Forward.ACCEPT,
        response_size=parse_sizes("10KB"),
        max_body_bytes=10_000,
        calls=(Call(to="parse", timeout_seconds=30.0), Call(to="audit", timeout_seconds=0.5)),
        load=Load(rate_per_second=5.0, arrivals=ConstantArrivals(), messages=0),
        on_bad_line=OnBadLine.SKIP,
    )


FULL_CALL = {
    "to": "price",
    "timeout": "500ms",
    "deadline": "2s",
    "probability": "30%",
    "times": 3,
    "retries": "retries(2, backoff=50ms)",
    "hedge": "200ms",
    "breaker": "breaker(failures=5, reset=10s)",
    "optional": True,
    "fallback": {"to": "cache", "fallback": "backup"},
    "request_bytes": "uniform(1KB, 10KB)",
}


def test_every_key_of_a_call_is_read():
    """Each key of a call is read in its own unit, and written again as it was."""
    stage, problems = structure({"calls": [FULL_CALL]}, Stage)
    assert problems == []
    assert stage.calls == (
        Call(
            to="price",
            timeout_seconds=0.5,
            deadline_seconds=2.0,
            probability_ratio=0.3,
            times=Times(3),
            retries=Retries(2, 0.05),
            hedge_seconds=0.2,
            breaker=BreakerRule(5, 10.0),
            optional=True,
            fallback=(Call(to="cache", fallback=(Call(to="backup"),)),),
            request_size=parse_sizes("uniform(1KB, 10KB)"),
        ),
    )
    assert unstructure(stage) == {"calls": [FULL_CALL]}


@pytest.mark.parametrize(
    ("plain", "step"),
    [
        ("a", Call(to="a")),
        ({"to": "a"}, Call(to="a")),
        ({"to": "a", "fallback": None}, Call(to="a")),
        ({"to": "a", "retries": 2}, Call(to="a", retries=Retries(2))),
        ({"to": "a", "optional": "TRUE"}, Call(to="a", optional=True)),
        (["a", "b"], InOrder(steps=(Call(to="a"), Call(to="b")))),
        ([], InOrder(steps=())),
        ({"steps": ["a"]}, InOrder(steps=(Call(to="a"),), is_named=True)),
        ({"steps": ["a"], "optional": True}, InOrder(steps=(Call(to="a"),), optional=True)),
        ({"parallel": []}, Parallel(parallel=())),
        (
            {"parallel": ["a", ["b", "c"]], "limit": 2, "probability": "5%"},
            Parallel(
                parallel=(Call(to="a"), InOrder(steps=(Call(to="b"), Call(to="c")))), limit=2, probability_ratio=0.05
            ),
        ),
        (
            {"parallel": [{"parallel": ["a"]}, {"choose": [{"to": "b", "weight": "100%"}]}]},
            Parallel(
                parallel=(
                    Parallel(parallel=(Call(to="a"),)),
                    Choose(choose=(Alternative(step=Call(to="b"), weight=1.0),)),
                )
            ),
        ),
        (
            {"choose": [{"to": "a", "weight": "90%", "timeout": "1s"}, {"to": "b", "weight": 0.1}]},
            Choose(
                choose=(
                    Alternative(step=Call(to="a", timeout_seconds=1.0), weight=0.9),
                    Alternative(step=Call(to="b"), weight=0.1),
                )
            ),
        ),
        (
            {"choose": {"a": "90%", "b": "10%"}},
            Choose(choose=(Alternative(step=Call(to="a"), weight=0.9), Alternative(step=Call(to="b"), weight=0.1))),
        ),
    ],
)
def test_a_step_is_a_call_or_a_group(plain, step):
    """A name is a call, a list is in order, `parallel` and `choose` are groups; what is written reads back."""
    stage, problems = structure({"calls": [plain]}, Stage)
    assert problems == []
    assert stage.calls == (step,)
    assert structure(unstructure(stage), Stage) == (stage, [])


def test_groups_are_written_as_briefly_as_they_were():
    """A call without options is its name, and steps in order are a plain list."""
    plain = {"calls": ["a", {"parallel": ["b", ["c", {"to": "d", "optional": True}]], "limit": 2}, ["e", "f"]]}
    assert unstructure(structure(plain, Stage)[0]) == plain


@pytest.mark.parametrize("weights", [["30%", "70%"], [0.1] * 10, ["33.3%", "33.3%", "33.4%"], ["100%"], ["0%", "100%"]])
def test_weights_that_add_up_to_100_percent_are_valid(weights):
    """Sums are not compared to the last bit: ten times 0.1 is 100 %."""
    choice = [{"to": "a", "weight": weight} for weight in weights]
    stage, problems = structure({"calls": [{"choose": choice}]}, Stage)
    assert problems == []
    assert len(stage.calls[0].choose) == len(weights)


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8))
def test_weights_have_any_sum(weights):
    """Each alternative has its part of the sum, whatever that is; only if all are 0 there is nothing to choose."""
    choice = [{"to": "a", "weight": weight} for weight in weights]
    stage, problems = structure({"calls": [{"choose": choice}]}, Stage)
    assert (stage is not None) is (not problems) is any(weights)
    if stage is not None:
        assert stage.calls[0].ratios == tuple(weight / sum(weights) for weight in weights)


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("timeout_seconds", "timeout"),
        ("rate_per_second", "rate"),
        ("max_body_bytes", "max_body"),
        ("delay", "delay"),
        ("on_bad_line", "on_bad_line"),
        ("probability_ratio", "probability"),
        ("hedge_seconds", "hedge"),
        ("request_size", "request_bytes"),
        ("response_size", "response_bytes"),
    ],
)
def test_a_key_is_its_field_without_the_unit(field, key):
    """A file's key has no unit, because its value does."""
    assert key_of(field) == key
