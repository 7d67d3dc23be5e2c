"""Changes: one notation on the command line, in the console and for /control, and what they do to a stage."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.distributions import NO_DELAY, Constant
from simulator.behaviour.empirical import Samples
from simulator.errors import ConfigurationError
from simulator.topology.changes import changed, differing, patch_of, read_value
from simulator.topology.graph import calls_of
from simulator.topology.model import Stage
from simulator.topology.structure import structure, unstructure

CART = {
    "delay": "2ms",
    "workers": 8,
    "calls": ["audit"],
    "operations": {
        "read": {"method": "GET", "calls": [{"to": "db.find", "timeout": "1s"}]},
        "add": {"delay": "4ms", "faults": ["error(503, 5%)"]},
    },
}


def stage(plain):
    made, problems = structure(plain, Stage)
    assert not problems
    return made


def after(patch, plain=CART):
    """Return the stage after a change that must be good."""
    made, problems = changed(stage(plain), patch)
    assert not problems
    return made


def delays(made):
    return {name: str(operation.delay) for name, operation in made.all_operations.items()}


def test_a_key_of_the_stage_changes_the_operations_that_do_not_say_otherwise():
    """An operation with a value of its own keeps it."""
    assert delays(after({"delay": "9ms"})) == {"read": "constant(9ms)", "add": "constant(4ms)"}
    assert delays(after({"delay": None})) == {"read": "constant(0s)", "add": "constant(4ms)"}


def test_a_key_of_an_operation_changes_it_alone():
    """The stage and its other operations stay; without a value it is again as in its stage."""
    made = after({"operations": {"read": {"delay": "9ms"}}})
    assert (str(made.delay), delays(made)) == ("constant(2ms)", {"read": "constant(9ms)", "add": "constant(4ms)"})
    assert delays(after({"operations": {"add": {"delay": None}}}))["add"] == "constant(2ms)"
    assert after({"operations": {"add": {"faults": None}}}).operations["add"].faults == ()


def timeouts(made):
    return [(call.target, call.timeout_seconds) for _, call in calls_of(made)]


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"calls": {"audit": {"timeout": "5s"}}}, [("db.find", 1.0), ("audit", 5.0)]),
        ({"calls": {"db": {"timeout": "5s"}}}, [("db.find", 5.0), ("audit", 30.0)]),
        ({"calls": {"db.find": {"timeout": None}}}, [("db.find", 30.0), ("audit", 30.0)]),
        ({"calls": {"*": {"timeout": "5s"}}}, [("db.find", 5.0), ("audit", 5.0)]),
        ({"operations": {"add": {"calls": {"audit": {"timeout": "5s"}}}}}, [("db.find", 1.0), ("audit", 5.0)]),
        ({"operations": {"add": {"calls": []}}}, [("db.find", 1.0)]),
        ({"calls": ["queue"]}, [("db.find", 1.0), ("queue", 30.0)]),
    ],
)
def test_calls_of_a_stage_are_those_of_its_operations_too(patch, expected):
    """A change of the calls to a stage reaches each of them, wherever it stands."""
    assert timeouts(after(patch)) == expected


def test_a_call_that_an_operation_has_from_its_stage_becomes_its_own():
    """The stage's own list stays as it is."""
    made = after({"operations": {"add": {"calls": {"audit": {"timeout": "5s"}}}}})
    assert [call.timeout_seconds for call in made.calls] == [30.0]


@pytest.mark.parametrize(
    ("patch", "problem"),
    [
        ({"operations": {"reed": {"delay": "1s"}}}, (("operations", "reed"), "there is no operation 'reed'; did you")),
        ({"operations": {"read": "1s"}}, (("operations", "read"), "must be a mapping of keys to values")),
        ({"operations": {"read": {"delay": "5"}}}, (("operations", "read", "delay"), "'5' has no unit")),
        ({"operations": {"read": {"workers": 5}}}, (("operations", "read", "workers"), "unknown key")),
        (
            {"calls": {"price": {"timeout": "1s"}}},
            (("calls", "price"), "there is no call to it, only to audit, db.find"),
        ),
        (
            {"operations": {"read": {"calls": {"audit": {"timeout": "1s"}}}}},
            (("operations", "read", "calls", "audit"), "there is no call to it, only to db.find"),
        ),
    ],
)
def test_a_change_that_is_invalid_has_its_place(patch, problem):
    """What is wrong is told at the keys of the patch, or of the stage."""
    made, [(keys, message)] = changed(stage(CART), patch)
    assert made is None
    assert (keys, message[: len(problem[1])]) == problem


def test_no_file_is_read_again():
    """A delay from a file stays as it is, in the stage and in the operations that have it from there."""
    samples = Samples("delays.txt", (0.25, 0.5))
    before, _ = changed(stage(CART), {"delay": "samples(delays.txt)"}, lambda path: (path, [0.5, 0.25]))
    assert {before.delay, before.operations["read"].delay} == {samples}
    made, problems = changed(before, {"workers": 1})
    assert not problems
    assert made.operations["read"].delay == samples
    assert made.delay is before.delay
    assert changed(before, {"delay": "samples(/etc/passwd)"})[0] is None
    assert changed(before, {"delay": None})[0].delay == NO_DELAY


def test_what_changed():
    """Each key that differs, also of the operations that follow their stage, as it is written in a change."""
    before, made = (unstructure(one) for one in (stage(CART), after({"operations": {"add": {"delay": "1s"}}})))
    assert list(differing(before, made)) == [("add.delay", "constant(4ms)", "constant(1s)")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (["a", "b"], ["a", {"to": "b", "timeout": "1s"}], [("calls[1].timeout", None, "1s")]),
        (["a", "b"], ["b", "a"], [("calls", ["a", "b"], ["b", "a"])]),
        ([{"to": "a", "times": 2}], ["b"], [("calls[0]", {"to": "a", "times": 2}, {"to": "b"})]),
        ([{"to": "a", "times": 2}], [], [("calls", [{"to": "a", "times": 2}], [])]),
        (
            [{"steps": ["a", {"to": "b", "times": 2}], "when": "hit"}, "c"],
            [{"steps": ["a", {"to": "b", "times": 3}], "when": "not hit"}, "c"],
            [("calls[0].steps[1].times", 2, 3), ("calls[0].when", "hit", "not hit")],
        ),
        ([["a", {"delay": "1ms"}]], [["a", {"delay": "2ms"}]], [("calls[0][1].delay", "1ms", "2ms")]),
    ],
)
def test_what_changed_in_steps(old, new, expected):
    """Of steps only those that differ are shown, each with its place; other steps are shown as a whole."""
    assert list(differing({"calls": old}, {"calls": new})) == expected


PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "delay": st.sampled_from(["1ms", "constant(2ms)", None]),
        "workers": st.sampled_from([1, 8, None]),
        "calls": st.sampled_from([["audit"], [], {"*": {"times": 2}}, None]),
        "operations": st.fixed_dictionaries(
            {},
            optional={
                "read": st.fixed_dictionaries({}, optional={"delay": st.sampled_from(["2ms", "7ms", None])}),
                "add": st.fixed_dictionaries({}, optional={"faults": st.sampled_from([["reset(1%)"], [], None])}),
            },
        ),
    },
)


@given(PATCHES)
def test_a_change_made_again_changes_nothing(patch):
    """A patch says what is to be, not what is to be done."""
    once = after(patch)
    twice, problems = changed(once, patch)
    assert not problems
    assert twice == once
    assert isinstance(once.delay, Constant)


@pytest.mark.parametrize(
    ("changes", "patch"),
    [
        ([], {}),
        (["delay=constant(1s)"], {"delay": "constant(1s)"}),
        (["workers=8", "queue=0"], {"workers": 8, "queue": 0}),
        ([" delay = constant(1s) "], {"delay": "constant(1s)"}),
        (["delay=lognormal(p50=12ms, p99=80ms)"], {"delay": "lognormal(p50=12ms, p99=80ms)"}),
        (["delay="], {"delay": None}),
        (["rate-limit=50/s"], {"rate_limit": "50/s"}),
        (["response-bytes=512"], {"response_bytes": 512}),
        (["faults=error(503, 5%)"], {"faults": ["error(503, 5%)"]}),
        (["faults=error(503, 5%); hang(2s, 1%) ;"], {"faults": ["error(503, 5%)", "hang(2s, 1%)"]}),
        (["faults="], {"faults": None}),
        (["load.rate=50/s"], {"load": {"rate": "50/s"}}),
        (["load.rate=50/s", "load.arrivals=constant"], {"load": {"rate": "50/s", "arrivals": "constant"}}),
        (["calls.audit.timeout=1s"], {"calls": {"audit": {"timeout": "1s"}}}),
        (["calls.audit.request-bytes=1KB"], {"calls": {"audit": {"request_bytes": "1KB"}}}),
        (["calls.a-b.timeout="], {"calls": {"a-b": {"timeout": None}}}),
        (
            ["calls.audit.timeout=1s", "calls.audit.retries=2", "calls.price.optional=true", "workers=1"],
            {"calls": {"audit": {"timeout": "1s", "retries": 2}, "price": {"optional": "true"}}, "workers": 1},
        ),
        (
            ["calls.a.b.timeout=1s", "calls.v1.cart.max-x=2"],
            {"calls": {"a.b": {"timeout": "1s"}, "v1.cart": {"max_x": 2}}},
        ),
        (["read.delay=5ms"], {"operations": {"read": {"delay": "5ms"}}}),
        (["operations.read.delay=5ms"], {"operations": {"read": {"delay": "5ms"}}}),
        (["operations.load.delay="], {"operations": {"load": {"delay": None}}}),
        (["read.response-bytes=1KB"], {"operations": {"read": {"response_bytes": "1KB"}}}),
        (["read.calls.db.find.timeout=1s"], {"operations": {"read": {"calls": {"db.find": {"timeout": "1s"}}}}}),
        (["calls.*.timeout=1s"], {"calls": {"*": {"timeout": "1s"}}}),
        (["slo.errors=1%", "decide.hit-rate=5%"], {"slo": {"errors": "1%"}, "decide": {"hit-rate": "5%"}}),
        (["workers=1", "workers=2"], {"workers": 2}),
        (["workers=-1"], {"workers": "-1"}),
        (["workers=1.5"], {"workers": "1.5"}),
        (["workers=" + "9" * 15], {"workers": 10**15 - 1}),
        (["workers=" + "9" * 5000], {"workers": "9" * 5000}),
    ],
)
def test_what_is_asked_for(changes, patch):
    """A change is a key with its value; a dot leads inside, no value means the default, faults are a list."""
    assert patch_of(changes) == patch


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "delay",
        "=1s",
        " =1s",
        ".=1s",
        "load.=1",
        ".rate=1",
        "load..rate=1",
        "a.b.c.d=1",
        "calls.a..timeout=1",
        "delay.mean=1s",
        "calls.a=1",
    ],
)
def test_what_is_no_change(text):
    """What is not KEY=VALUE, or leads too deep, is refused with itself and an example."""
    with pytest.raises(ConfigurationError) as refusal:
        patch_of([text])
    [problem] = refusal.value.problems
    assert str(problem) == (f"{text!r} must be KEY=VALUE, as in delay='constant(1s)' or calls.audit.timeout=1s")


def test_all_that_is_no_change_is_told_at_once():
    """Every mistake is named, and what is good beside them does not help."""
    with pytest.raises(ConfigurationError) as refusal:
        patch_of(["delay", "workers=1", "a.b.c.d=1"])
    assert [problem.message.partition(" ")[0] for problem in refusal.value.problems] == ["'delay'", "'a.b.c.d=1'"]


@given(st.text())
def test_whatever_is_written_is_a_change_or_a_mistake(text):
    """One text is either refused as no change, or one key that can be sent as JSON."""
    try:
        patch = patch_of([text])
    except ConfigurationError:
        return
    assert len(patch) == 1
    assert json.loads(json.dumps(patch)) == patch


@pytest.mark.parametrize(
    "changes",
    [
        ["load=1", "load.rate=5/s"],
        ["calls=", "calls.audit.timeout=1s"],
        ["delay=1s", "read=", "read.delay=1s", "operations.read="],
    ],
)
def test_a_key_inside_of_a_value_is_no_change(changes):
    """A key that was given a value can't be given one inside as well: that is a mistake, not a breakdown."""
    with pytest.raises(ConfigurationError):
        patch_of(changes)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("delay", "constant(1s)", "constant(1s)"),
        ("workers", "8", 8),
        ("workers", "", None),
        ("delay", "", None),
        ("workers", "eight", "eight"),
        ("workers", "-1", "-1"),
        ("workers", "1.5", "1.5"),
        ("workers", "²", "²"),
        ("workers", "9" * 16, 10**16 - 1),
        ("workers", "9" * 21, "9" * 21),
        ("faults", "", None),
        ("faults", "error(503, 5%); hang(2s, 1%)", ["error(503, 5%)", "hang(2s, 1%)"]),
        ("faults", 'error(503, 5%, "a; b"); reset(1%)', ['error(503, 5%, "a; b")', "reset(1%)"]),
        ("faults", '["error(503, 5%)"]', ["error(503, 5%)"]),
        ("faults", "[]", []),
        ("input", "5", "5"),
        ("output", "[a].jsonl", "[a].jsonl"),
        ("slo", "{errors: 1%}", {"errors": "1%"}),
        ("calls", "[price, {to: audit, times: 2}]", ["price", {"to": "audit", "times": 2}]),
        ("faults", " ; error(503, 5%);; ", ["error(503, 5%)"]),
    ],
)
def test_what_was_typed(key, text, value):
    """Whole numbers become numbers, faults a list, nothing typed the default; the rest is for the stage to judge."""
    assert read_value(key, text) == value


@given(st.sampled_from(("delay", "workers", "faults")), st.text(max_size=40))
def test_whatever_is_typed_becomes_a_value(key, text):
    """Nothing that can be typed breaks it, and no number is longer than a stage would take."""
    try:
        value = read_value(key, text)
    except ValueError:
        assert text.strip()[:1] in ("[", "{")
        return
    assert isinstance(value, (list, dict, int, str, type(None)))
    assert not isinstance(value, int) or value < 10**20
