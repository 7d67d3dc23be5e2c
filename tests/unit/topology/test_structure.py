"""Plain values to records and back: what each key takes, what it refuses, and that nothing is lost."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.breaker import BreakerRule
from simulator.behaviour.delays import Growing
from simulator.behaviour.distributions import Constant, Exponential, Uniform
from simulator.behaviour.faults.error import Error
from simulator.behaviour.limits import RateLimit
from simulator.behaviour.pacing import Arrivals
from simulator.behaviour.payloads import parse_sizes
from simulator.behaviour.retries import Retries
from simulator.topology.model import (
    Alternative,
    Call,
    Choose,
    Forward,
    InOrder,
    Load,
    OnBadLine,
    Parallel,
    Role,
    Stage,
    Topology,
)
from simulator.topology.structure import check_name, key_of, structure, unstructure
from tests.unit.topology.strategies import FAULTS, LIMITS, NAMES, SECONDS, SIZES, steps

TEXT = st.text(string.printable, min_size=1)
DELAYS = st.builds(Constant, SECONDS) | st.builds(Exponential, SECONDS) | st.just(Growing(Constant(0.01), 2.5))
STAGES = st.builds(
    Stage,
    role=st.sampled_from(Role),
    host=st.none() | st.sampled_from(["127.0.0.1", "::1", "parse.example"]),
    port=st.none() | st.integers(0, 65535),
    path=st.from_regex(r"/[A-Za-z0-9/._~-]{0,20}", fullmatch=True).filter(lambda path: path not in ("/metrics",)),
    delay=DELAYS,
    faults=st.lists(FAULTS, max_size=3).map(tuple),
    workers=st.integers(1, 100_000),
    queue=st.integers(0, 2**63 - 1),
    rate_limit=st.none() | LIMITS,
    instances=st.integers(1, 100),
    forward=st.sampled_from(Forward),
    response_size=st.none() | SIZES,
    max_body_bytes=st.integers(1, 2**30),
    calls=st.none() | st.lists(steps(NAMES), max_size=3).map(tuple),
    load=st.none()
    | st.builds(
        Load,
        rate_per_second=st.none() | st.floats(1e-6, 1e6),
        arrivals=st.sampled_from(Arrivals),
        messages=st.none() | st.integers(0, 2**63 - 1),
        concurrency=st.integers(1, 100_000),
    ),
    input=st.none() | TEXT,
    on_bad_line=st.sampled_from(OnBadLine),
    output=st.none() | TEXT,
)


@settings(deadline=None)
@given(STAGES)
def test_a_stage_comes_back_from_its_plain_values(stage):
    """Taking a stage apart and putting it together gives an equal one, whatever it is set to."""
    assert structure(unstructure(stage), Stage) == (stage, [])


@settings(deadline=None)
@given(STAGES)
def test_a_stage_comes_back_from_all_its_plain_values(stage):
    """With its defaults spelled out it says every key, and reads back from those that have a value."""
    whole = unstructure(stage, whole=True)
    assert list(whole) == [key_of(name) for name in Stage.__dataclass_fields__]
    assert structure({key: value for key, value in whole.items() if value is not None}, Stage) == (stage, [])


def test_what_is_as_by_default_is_left_out():
    """Written down, a stage says only what is its own; having no calls on purpose is something of its own."""
    assert unstructure(Stage()) == {}
    assert unstructure(Stage(role=Role.PROCESSOR, calls=(), workers=3, max_body_bytes=9)) == {
        "calls": [],
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
        load=Load(rate_per_second=5.0, arrivals=Arrivals.CONSTANT, messages=0),
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
    """What a call may say is read in its own unit, and written again as it was."""
    stage, problems = structure({"calls": [FULL_CALL]}, Stage)
    assert problems == []
    assert stage.calls == (
        Call(
            to="price",
            timeout_seconds=0.5,
            deadline_seconds=2.0,
            probability_ratio=0.3,
            times=3,
            retries=Retries(2, 0.05),
            hedge_seconds=0.2,
            breaker=BreakerRule(5, 10.0),
            optional=True,
            fallback=Call(to="cache", fallback=Call(to="backup")),
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
                    Choose(choose=(Alternative(to="b", weight_ratio=1.0),)),
                )
            ),
        ),
        (
            {"choose": [{"to": "a", "weight": "90%", "timeout": "1s"}, {"to": "b", "weight": 0.1}]},
            Choose(
                choose=(
                    Alternative(to="a", weight_ratio=0.9, timeout_seconds=1.0),
                    Alternative(to="b", weight_ratio=0.1),
                )
            ),
        ),
        (
            {"choose": {"a": "90%", "b": "10%"}},
            Choose(choose=(Alternative(to="a", weight_ratio=0.9), Alternative(to="b", weight_ratio=0.1))),
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
def test_weights_that_add_up_to_everything_are_good(weights):
    """Sums are not taken to the last bit: ten times 0.1 is all."""
    choice = [{"to": "a", "weight": weight} for weight in weights]
    stage, problems = structure({"calls": [{"choose": choice}]}, Stage)
    assert problems == []
    assert len(stage.calls[0].choose) == len(weights)


@pytest.mark.parametrize(
    ("choice", "total"),
    [
        ({"a": "90%", "b": "5%"}, "95%"),
        ({"a": "90%", "b": "20%"}, "110%"),
        ([{"to": "a", "weight": "50%"}], "50%"),
        ([], "0%"),
        ({}, "0%"),
        ({"a": "0%"}, "0%"),
        ({"a": "33.3%", "b": "33.3%", "c": "33.3%"}, "99.9%"),
    ],
)
def test_weights_must_add_up_to_everything(choice, total):
    """A choice whose weights are more or less than 100 % is refused with what they add up to."""
    _, problems = structure({"calls": ["a", {"choose": choice}]}, Stage)
    assert problems == [(("calls", 1, "choose"), f"the weights must add up to 100%, not {total}")]


def test_weights_that_nearly_add_up_are_not_told_to_be_100_percent():
    """What they add up to is shown with the digits that matter."""
    _, [(_, message)] = structure({"calls": [{"choose": {"a": "33.33333%", "b": "66.66666%"}}]}, Stage)
    assert message != "the weights must add up to 100%, not 100%"


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8))
def test_weights_are_good_exactly_where_they_add_up(tenths):
    """In tenths of a per cent: a thousand of them is everything, anything else is refused."""
    choice = [{"to": "a", "weight": f"{tenth / 10:g}%"} for tenth in tenths]
    stage, problems = structure({"calls": [{"choose": choice}]}, Stage)
    assert (stage is not None) is (not problems) is (sum(tenths) == 1000)


BAD_CALL = {"timeout": 5, "deadline": "0s", "probability": 2, "times": 0, "retries": "x", "hedge": "0s", "breaker": 5}


@pytest.mark.parametrize(
    ("wrap", "keys"),
    [
        (lambda call: call, ()),
        (lambda call: {"to": "b", "fallback": call}, ("fallback",)),
        (lambda call: {"to": "b", "fallback": {"to": "b", "fallback": call}}, ("fallback", "fallback")),
        (lambda call: {"parallel": ["b", call]}, ("parallel", 1)),
        (lambda call: {"parallel": ["b", ["b", call]]}, ("parallel", 1, 1)),
        (lambda call: {"parallel": [{"parallel": [call]}]}, ("parallel", 0, "parallel", 0)),
        (lambda call: {"choose": [{"to": "b", "weight": "50%"}, {"weight": "50%", **call}]}, ("choose", 1)),
        (lambda call: ["b", call], (1,)),
    ],
)
def test_every_mistake_of_a_call_is_named_at_once_wherever_it_is(wrap, keys):
    """In a group, in a group of a group or as a fallback, each wrong key is told with the keys that lead to it."""
    call = {"to": "UP", **BAD_CALL, "optional": 5, "request_bytes": 0, "oops": 1}
    stage, problems = structure({"workers": 0, "calls": ["a", wrap(call)]}, Stage)
    assert stage is None
    assert {found for found, _ in problems} == {("workers",), *(("calls", 1, *keys, key) for key in call)}
    assert len(problems) == 1 + len(call)


@pytest.mark.parametrize(
    ("value", "keys", "message"),
    [
        ({"role": "boss"}, ("role",), "'boss' is not one of injector, processor, terminator"),
        ({"role": None}, ("role",), "None is not one of injector, processor, terminator"),
        ({"host": "two words"}, ("host",), "'two words' must be a host name or an address"),
        ({"host": 5}, ("host",), "5 must be a host name or an address"),
        ({"port": 65536}, ("port",), "65536 is out of range: must be between 0 and 65535"),
        ({"port": -1}, ("port",), "-1 is out of range: must be between 0 and 65535"),
        ({"port": "8080"}, ("port",), "'8080' is not a whole number"),
        ({"port": 80.0}, ("port",), "80.0 is not a whole number"),
        ({"path": "messages"}, ("path",), "'messages' must be a path like /messages"),
        ({"path": "/a?b"}, ("path",), "'/a?b' must be a path like /messages"),
        ({"path": "/a\n"}, ("path",), "'/a\\n' must be a path like /messages"),
        ({"path": "/healthz"}, ("path",), "'/healthz' is taken: /healthz, /readyz, /metrics, /control, /inj"),
        ({"path": "/control"}, ("path",), "'/control' is taken"),
        ({"path": "/injected"}, ("path",), "'/injected' is taken"),
        ({"delay": "oops(1s)"}, ("delay",), "there is no delay 'oops'"),
        ({"delay": 5}, ("delay",), "5 is not text like name(value, key=value)"),
        ({"faults": ["error(503, 1%)", "oops(1%)"]}, ("faults", 1), "there is no fault 'oops'"),
        ({"faults": [5]}, ("faults", 0), "5 is not text like name(value, key=value)"),
        ({"workers": 0}, ("workers",), "0 is out of range: must be between 1 and 100000"),
        ({"workers": 100_001}, ("workers",), "100001 is out of range: must be between 1 and 100000"),
        ({"workers": True}, ("workers",), "True is not a whole number"),
        ({"queue": -1}, ("queue",), "-1 is out of range: must be between 0 and 9223372036854775807"),
        ({"max_body": 0}, ("max_body",), "0 is out of range: must be between 1 and 1073741824"),
        ({"max_body": "2GiB"}, ("max_body",), "2147483648 is out of range: must be between 1 and 1073741824"),
        ({"max_body": "0.5B"}, ("max_body",), "'0.5B' is not a whole number of bytes"),
        ({"calls": "parse"}, ("calls",), "must be a list of stages, as in [parse, enrich], not 'parse'"),
        ({"calls": None}, ("calls",), "must be a list of stages, as in [parse, enrich], not None"),
        ({"calls": ["Parse"]}, ("calls", 0, "to"), "'Parse' must be lower-case letters, digits and dashes"),
        ({"calls": [5]}, ("calls", 0), "must be a mapping of keys to values, not 5"),
        ({"calls": [{}]}, ("calls", 0, "to"), "the key 'to' is missing"),
        ({"calls": [{"to": "a", "timeout": 5}]}, ("calls", 0, "timeout"), "5 has no unit: write 5ms or 5s"),
        ({"calls": [{"to": "a", "timeout": "0s"}]}, ("calls", 0, "timeout"), "'0s' must be more than 0"),
        (
            {"calls": [{"to": "a", "chance": "5%"}]},
            ("calls", 0, "chance"),
            "unknown key; allowed are to, timeout, deadline, probability, times, retries, hedge, breaker, optional, "
            "fallback, request_bytes",
        ),
        ({"calls": [{"to": "a", "deadline": 5}]}, ("calls", 0, "deadline"), "5 has no unit: write 5ms or 5s"),
        ({"calls": [{"to": "a", "deadline": "0"}]}, ("calls", 0, "deadline"), "'0' must be more than 0"),
        ({"calls": [{"to": "a", "probability": 5}]}, ("calls", 0, "probability"), "5 is more than everything"),
        (
            {"calls": [{"to": "a", "times": 0}]},
            ("calls", 0, "times"),
            "0 is out of range: must be between 1 and 100000",
        ),
        ({"calls": [{"to": "a", "times": "2"}]}, ("calls", 0, "times"), "'2' is not a whole number"),
        ({"calls": [{"to": "a", "retries": -1}]}, ("calls", 0, "retries"), "-1 retries are out of range"),
        ({"calls": [{"to": "a", "retries": True}]}, ("calls", 0, "retries"), "True is not a number of retries"),
        (
            {"calls": [{"to": "a", "retries": "retries()"}]},
            ("calls", 0, "retries"),
            "retries lacks its count\n    retries",
        ),
        ({"calls": [{"to": "a", "hedge": "0s"}]}, ("calls", 0, "hedge"), "'0s' must be more than 0"),
        (
            {"calls": [{"to": "a", "breaker": 5}]},
            ("calls", 0, "breaker"),
            "5 is not like breaker(failures=5, reset=10s)",
        ),
        ({"calls": [{"to": "a", "optional": 1}]}, ("calls", 0, "optional"), "1 is neither true nor false"),
        ({"calls": [{"to": "a", "optional": "yes"}]}, ("calls", 0, "optional"), "'yes' is neither true nor false"),
        (
            {"calls": [{"to": "a", "fallback": 5}]},
            ("calls", 0, "fallback"),
            "must be a mapping of keys to values, not 5",
        ),
        ({"calls": [{"to": "a", "fallback": "UP"}]}, ("calls", 0, "fallback", "to"), "'UP' must be lower-case letters"),
        (
            {"calls": [{"to": "a", "fallback": {"parallel": ["b"], "to": "c"}}]},
            ("calls", 0, "fallback", "parallel"),
            "unknown key; allowed are to, timeout, ",
        ),
        (
            {"calls": [{"to": "a", "request_bytes": "0B"}]},
            ("calls", 0, "request_bytes"),
            "'0B' is out of range: must be",
        ),
        ({"calls": [{"to": "a", "weight": "5%"}]}, ("calls", 0, "weight"), "unknown key; allowed are to, timeout, "),
        (
            {"calls": [{"parallel": "a"}]},
            ("calls", 0, "parallel"),
            "must be a list of stages, as in [parse, enrich], not",
        ),
        (
            {"calls": [{"parallel": None}]},
            ("calls", 0, "parallel"),
            "must be a list of stages, as in [parse, enrich], not",
        ),
        ({"calls": [{"parallel": [5]}]}, ("calls", 0, "parallel", 0), "must be a mapping of keys to values, not 5"),
        ({"calls": [{"parallel": [], "limit": 0}]}, ("calls", 0, "limit"), "0 is out of range: must be between 1 and"),
        (
            {"calls": [{"parallel": [], "times": 2}]},
            ("calls", 0, "times"),
            "unknown key; allowed are parallel, limit, probability",
        ),
        ({"calls": [{"parallel": [], "to": "a"}]}, ("calls", 0, "to"), "unknown key; allowed are parallel, limit, "),
        (
            {"calls": [{"parallel": [], "choose": []}]},
            ("calls", 0, "choose"),
            "unknown key; allowed are parallel, limit, ",
        ),
        ({"calls": [{"choose": "a"}]}, ("calls", 0, "choose"), "must be a list of calls with weights, not 'a'"),
        ({"calls": [{"choose": ["a"]}]}, ("calls", 0, "choose", 0, "weight"), "the key 'weight' is missing"),
        ({"calls": [{"choose": {"a": 90}}]}, ("calls", 0, "choose", 0, "weight"), "90 is more than everything"),
        ({"calls": [{"choose": {"UP": "100%"}}]}, ("calls", 0, "choose", 0, "to"), "'UP' must be lower-case letters"),
        (
            {"calls": [{"choose": {"a": "100%"}, "optional": True}]},
            ("calls", 0, "optional"),
            "unknown key; allowed are choose",
        ),
        ({"calls": [["a", 5]]}, ("calls", 0, 1), "must be a mapping of keys to values, not 5"),
        ({"rate_limit": 50}, ("rate_limit",), "50 has no unit: write 50/s"),
        ({"rate_limit": "limit(50/s, 5)"}, ("rate_limit",), "limit does not take this; it takes rate, burst="),
        ({"instances": 0}, ("instances",), "0 is out of range: must be between 1 and 100"),
        ({"instances": 101}, ("instances",), "101 is out of range: must be between 1 and 100"),
        ({"instances": True}, ("instances",), "True is not a whole number"),
        ({"forward": "now"}, ("forward",), "'now' is not one of wait, accept"),
        ({"response_bytes": "1GB"}, ("response_bytes",), "'1GB' is out of range: must be between 1B and 16MiB"),
        ({"response_bytes": "uniform(1KB)"}, ("response_bytes",), "uniform lacks its high"),
        ({"load": "20/s"}, ("load",), "must be a mapping of keys to values, not '20/s'"),
        ({"load": {"rate": 20}}, ("load", "rate"), "20 has no unit: write 20/s"),
        ({"load": {"arrivals": "bursty"}}, ("load", "arrivals"), "'bursty' is not one of constant, poisson"),
        ({"load": {"messages": -1}}, ("load", "messages"), "-1 is out of range"),
        ({"load": {"concurrency": 0}}, ("load", "concurrency"), "0 is out of range: must be between 1 and 100000"),
        ({"load": {"speed": 1}}, ("load", "speed"), "unknown key; allowed are rate, arrivals, messages, concurrency"),
        ({"input": 5}, ("input",), "5 is not text"),
        ({"output": ""}, ("output",), "'' is not text"),
        ({"on_bad_line": "cry"}, ("on_bad_line",), "'cry' is not one of stop, skip"),
        ({"colour": "red"}, ("colour",), "unknown key; allowed are role, host, port, path, delay, faults, workers, "),
        ([], (), "must be a mapping of keys to values, not []"),
        ("parse", (), "must be a mapping of keys to values, not 'parse'"),
    ],
)
def test_a_wrong_value_is_named_with_its_keys(value, keys, message):
    """The problem says where it is, what was written and what is allowed."""
    stage, [(found_keys, found)] = structure(value, Stage)
    assert stage is None
    assert found_keys == keys
    assert found.startswith(message)


def test_every_wrong_value_is_named_at_once():
    """One pass shows all mistakes of a stage, also those deep inside it."""
    stage, problems = structure(
        {
            "role": "boss",
            "port": "x",
            "delay": "oops()",
            "faults": ["error()", "error(503, 1%)", "error(1, 1%)"],
            "calls": [{"to": "UP", "timeout": "5"}, "a", {"too": "b"}],
            "load": {"rate": "fast", "speed": 1},
            "color": 1,
            "shape": 2,
        },
        Stage,
    )
    assert stage is None
    assert {keys for keys, _ in problems} == {
        ("role",),
        ("port",),
        ("delay",),
        ("faults", 0),
        ("faults", 2),
        ("calls", 0, "to"),
        ("calls", 0, "timeout"),
        ("calls", 2, "to"),
        ("calls", 2, "too"),
        ("load", "rate"),
        ("load", "speed"),
        ("color",),
        ("shape",),
    }


@pytest.mark.parametrize("faults", ["error(503, 1%)", 5, None, {"error": 1}])
def test_faults_that_are_no_list_are_one_problem(faults):
    """A single fault without its brackets is told so once, not once for each of its letters."""
    _, [(keys, message)] = structure({"faults": faults}, Stage)
    assert keys == ("faults",)
    assert message.startswith("must be a list of faults")


@pytest.mark.parametrize(
    ("value", "keys", "message"),
    [
        ({"stages": {}}, ("name",), "the key 'name' is missing"),
        ({"name": "Orders"}, ("name",), "'Orders' must be lower-case letters, digits and dashes"),
        ({"name": "orders", "seed": -1}, ("seed",), "-1 is out of range: must be between 0 and 9223372036854775807"),
        ({"name": "orders", "seed": "7"}, ("seed",), "'7' is not a whole number"),
        ({"name": "orders", "sed": 7}, ("sed",), "unknown key; allowed are name, seed, stages"),
    ],
)
def test_a_wrong_value_at_the_top_is_named_with_its_key(value, keys, message):
    """The topology's own keys are checked as those of its stages are."""
    topology, [(found_keys, found)] = structure(value, Topology)
    assert topology is None
    assert found_keys == keys
    assert found.startswith(message)


@pytest.mark.parametrize("name", ["a", "parse", "stage-2", "a1", "a" * 63])
def test_a_name_that_does_for_a_host_is_good(name):
    """A stage's name becomes a host name in a container, and those rules are its rules."""
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "Parse", "2nd", "-a", "a-", "a_b", "a.b", "a b", "é", "a\n", "a" * 64, None, 5])
def test_a_name_that_does_not_do_for_a_host_is_refused(name):
    """The refusal shows the name and the rule."""
    rule = "must be lower-case letters, digits and dashes, beginning with a letter, 63 at most"
    with pytest.raises(ValueError) as refusal:
        check_name(name)
    assert str(refusal.value) == f"{name!r} {rule}"


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("timeout_seconds", "timeout"),
        ("rate_per_second", "rate"),
        ("max_body_bytes", "max_body"),
        ("delay", "delay"),
        ("on_bad_line", "on_bad_line"),
        ("probability_ratio", "probability"),
        ("weight_ratio", "weight"),
        ("hedge_seconds", "hedge"),
        ("request_size", "request_bytes"),
        ("response_size", "response_bytes"),
    ],
)
def test_a_key_is_its_field_without_the_unit(field, key):
    """A file's key bears no unit, because its value does."""
    assert key_of(field) == key
