"""The keys that a stage's settings give to its calls: which calls they reach, and what is wrong with them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.breaker import BreakerRule
from simulator.behaviour.payloads import parse_sizes
from simulator.behaviour.retries import Retries
from simulator.behaviour.times import Times
from simulator.topology.graph import calls_of
from simulator.topology.headers import parse_headers
from simulator.topology.model import Role, Stage
from simulator.topology.plain_steps import with_call_keys
from simulator.topology.steps import Call
from simulator.topology.structure import structure, unstructure
from tests.support.settling import URL, refusal_of, resolve, resolve_in_pipeline
from tests.unit.topology.strategies import steps

CALL_KEYS = [
    ("TIMEOUT", "250ms", {"timeout_seconds": 0.25}),
    ("DEADLINE", "2s", {"deadline_seconds": 2.0}),
    ("RETRIES", "2", {"retries": Retries(2)}),
    ("RETRIES", " 2 ", {"retries": Retries(2)}),
    ("RETRIES", 2, {"retries": Retries(2)}),
    ("RETRIES", "retries(3, backoff=50ms)", {"retries": Retries(3, 0.05)}),
    ("BREAKER", "breaker(failures=5, reset=10s)", {"breaker": BreakerRule(5, 10.0)}),
    ("HEDGE", "200ms", {"hedge_seconds": 0.2}),
    ("OPTIONAL", "true", {"optional": True}),
    ("OPTIONAL", "False", {}),
    ("OPTIONAL", True, {"optional": True}),
    ("REQUEST_BYTES", "10KB", {"request_size": parse_sizes("10KB")}),
    ("REQUEST_BYTES", "uniform(1KB, 10KB)", {"request_size": parse_sizes("uniform(1KB, 10KB)")}),
    ("HEADERS", {"X-Tenant": "acme"}, {"headers": parse_headers({"X-Tenant": "acme"})}),
    ("HEADERS", "X-Tenant: ${TENANT}", {"headers": parse_headers({"X-Tenant": "${TENANT}"})}),
    ("HEADERS", ["A: 1", "B: 2"], {"headers": parse_headers({"A": "1", "B": "2"})}),
]


@pytest.mark.parametrize(("key", "value", "options"), CALL_KEYS)
def test_a_key_of_the_calls_is_that_of_every_call(key, value, options):
    """One TIMEOUT holds for all calls of the stage, and so does each of the other keys."""
    settings = resolve(DOWNSTREAM=f"a={URL},b={URL}", **{key: value})
    assert settings.stage.calls == (Call(to="a", **options), Call(to="b", **options))


def test_all_keys_of_the_calls_can_be_combined():
    """Each sets its own part of a call, whatever the others say."""
    values = {key: value for key, value, _ in CALL_KEYS}
    options = {name: value for _, _, part in CALL_KEYS for name, value in part.items()}
    assert resolve(DOWNSTREAM=URL, **values).stage.calls == (Call(to="downstream", **options),)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("TIMEOUT", "5", "5 has no unit: write 5ms or 5s"),
        ("DEADLINE", "0s", "'0s' must be more than 0"),
        ("RETRIES", "x", "'x' is not a number of retries, nor like retries(3, backoff=50ms, max=2s, budget=20%)"),
        ("RETRIES", "101", "101 retries are out of range: must be between 0 and 100"),
        ("BREAKER", "5", "5 is not like breaker(failures=5, reset=10s)"),
        ("HEDGE", "x", "'x' is not a duration: write 250ms, 1.5s or 1m30s"),
        ("OPTIONAL", "yes", "'yes' is neither true nor false"),
        ("REQUEST_BYTES", "17MiB", "'17MiB' is out of range: must be between 0B and 16MiB"),
        ("HEADERS", "s3cret", "must be written as NAME: VALUE, as in 'Authorization: Bearer ${TOKEN}'"),
        ("HEADERS", {"Host": "s3cret"}, "the header Host is set by the stage itself"),
    ],
)
def test_a_wrong_key_of_the_calls_is_named_with_its_source(key, value, message):
    """The problem names the flag, not the calls that it would change."""
    assert refusal_of(resolve, DOWNSTREAM=URL, **{key: value}) == [f"flag --{key.lower()}: {key}: {message}"]
    assert refusal_of(resolve_in_pipeline, "parse", **{key: value}) == [f"flag --{key.lower()}: {key}: {message}"]


def test_a_wrong_key_of_several_calls_is_one_mistake():
    """One mistake is reported once, however many downstreams there are."""
    assert len(refusal_of(resolve, DOWNSTREAM=f"a={URL},b={URL}", TIMEOUT="5")) == 1


@pytest.mark.parametrize("values", [{"ROLE": "processor"}, {"DOWNSTREAM": "nowhere"}])
def test_a_wrong_key_of_the_calls_is_found_also_without_a_call(values):
    """A mistake in TIMEOUT is shown with all the others, even if the stage calls nobody, or its downstream is wrong."""
    found = refusal_of(resolve, TIMEOUT="5", WORKERS="0", **values)
    assert "flag --timeout: TIMEOUT: 5 has no unit: write 5ms or 5s" in found


@pytest.mark.parametrize(("key", "value", "_"), CALL_KEYS)
def test_a_key_of_the_calls_does_not_matter_to_a_stage_without(key, value, _):
    """SIMULATOR_TIMEOUT may be in the environment of every stage, and a terminator starts all the same."""
    assert resolve(**{key: value}).stage == Stage(role=Role.TERMINATOR)
    assert resolve_in_pipeline("archive", **{key: value}).stage == resolve_in_pipeline("archive").stage


NAMES = st.sampled_from(["a", "b", "c"])
CHANGES = [
    ({"timeout": "4s"}, {"timeout_seconds": 4.0}),
    ({"optional": True, "times": 7}, {"optional": True, "times": Times(7)}),
    ({"retries": "retries(2)", "breaker": "breaker(failures=5, reset=10s)"}, {"retries": Retries(2)}),
]


def without_options(call, names):
    return {name: value for name, value in vars(call).items() if name not in {*names, "fallback"}}


@settings(deadline=None)
@given(st.lists(steps(NAMES), max_size=3), st.sampled_from(CHANGES), st.none() | NAMES)
def test_only_the_calls_that_are_meant_are_changed(some, change, to):
    """However deep they are, the calls to one stage, or all, get the keys; nothing else of any call changes."""
    plain_change, expected = change
    stage = Stage(calls=tuple(some))
    plain = unstructure(stage, whole=True)["calls"]
    before = repr(plain)
    changed, problems = structure({"calls": with_call_keys(plain, plain_change, to)}, Stage)
    assert problems == []
    assert repr(plain) == before
    for (old_keys, old), (new_keys, new) in zip(calls_of(stage), calls_of(changed), strict=True):
        assert (old_keys, type(old)) == (new_keys, type(new))
        if to in (None, old.to):
            assert {name: getattr(new, name) for name in expected} == expected
            fields = {*expected, "breaker"} if "breaker" in plain_change else set(expected)
            assert without_options(new, fields) == without_options(old, fields)
        else:
            assert without_options(new, ()) == without_options(old, ())


@settings(deadline=None)
@given(st.lists(steps(NAMES), max_size=3), st.sampled_from(["d", "parallel", "to"]))
def test_a_stage_that_is_not_called_changes_nothing(some, to):
    """A change for a stage that nobody calls leaves all calls as they are."""
    stage = Stage(calls=tuple(some))
    assert structure({"calls": with_call_keys(unstructure(stage, whole=True)["calls"], {"times": 7}, to)}, Stage) == (
        stage,
        [],
    )


@settings(deadline=None)
@given(st.lists(steps(NAMES), max_size=3), st.none() | NAMES)
def test_none_removes_a_key(some, to):
    """A key is at its default again, and removing a key that is not there is not an error."""
    stage = Stage(calls=tuple(some))
    plain = with_call_keys(
        unstructure(stage, whole=True)["calls"], dict.fromkeys(["timeout", "retries", "fallback"]), to
    )
    changed, problems = structure({"calls": plain}, Stage)
    assert problems == []
    for _, call in calls_of(changed):
        if to in (None, call.to):
            assert (call.timeout_seconds, call.retries, call.fallback) == (30.0, Retries(), ())


@pytest.mark.parametrize(
    ("calls", "changed"),
    [
        (["a", "b"], [{"to": "a", "times": 2}, {"to": "b"}]),
        ([["b", "a"]], [[{"to": "b"}, {"to": "a", "times": 2}]]),
        ([{"to": "b", "fallback": "a"}], [{"to": "b", "fallback": {"to": "a", "times": 2}}]),
        ([{"to": "a", "fallback": "b"}], [{"to": "a", "times": 2, "fallback": {"to": "b"}}]),
        (
            [{"parallel": ["a"], "limit": 1, "probability": "5%"}],
            [{"parallel": [{"to": "a", "times": 2}], "limit": 1, "probability": "5%"}],
        ),
        ([{"choose": [{"to": "a", "weight": 1}]}], [{"choose": [{"to": "a", "weight": 1, "times": 2}]}]),
        (None, None),
        ([5, None], [5, None]),
    ],
)
def test_plain_calls_are_changed_in_every_form(calls, changed):
    """A name becomes a mapping if necessary, groups keep their keys, and mistakes are left for the reader to report."""
    assert with_call_keys(calls, {"times": 2}, "a") == changed
