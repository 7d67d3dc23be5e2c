"""Plain values to records and back: what each key takes, what it refuses, and that nothing is lost."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.distributions import Constant, Exponential, Uniform
from simulator.behaviour.faults import Error
from simulator.behaviour.pacing import Arrivals
from simulator.topology.model import Call, Load, OnBadLine, Role, Stage, Topology
from simulator.topology.structure import check_name, key_of, structure, unstructure

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]", fullmatch=True)
SECONDS = st.floats(1e-9, 604_800)
TEXT = st.text(string.printable, min_size=1)
DELAYS = st.builds(Constant, SECONDS) | st.builds(Exponential, SECONDS)
STAGES = st.builds(
    Stage,
    role=st.sampled_from(Role),
    host=st.none() | st.sampled_from(["127.0.0.1", "::1", "parse.example"]),
    port=st.none() | st.integers(0, 65535),
    path=st.from_regex(r"/[A-Za-z0-9/._~-]{0,20}", fullmatch=True).filter(lambda path: path not in ("/metrics",)),
    delay=DELAYS,
    faults=st.lists(st.builds(Error, st.integers(400, 599), st.floats(0, 1)), max_size=3).map(tuple),
    workers=st.integers(1, 100_000),
    queue=st.integers(0, 2**63 - 1),
    max_body_bytes=st.integers(1, 2**30),
    calls=st.none() | st.lists(st.builds(Call, to=NAMES, timeout_seconds=SECONDS), max_size=3).map(tuple),
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
        faults=(Error(503, 0.01), Error(500, 0.02)),
        max_body_bytes=10_000,
        calls=(Call(to="parse", timeout_seconds=30.0), Call(to="audit", timeout_seconds=0.5)),
        load=Load(rate_per_second=5.0, arrivals=Arrivals.CONSTANT, messages=0),
        on_bad_line=OnBadLine.SKIP,
    )


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
        ({"path": "/healthz"}, ("path",), "'/healthz' is taken: /healthz, /readyz, /metrics, /control are the stage's"),
        ({"path": "/control"}, ("path",), "'/control' is taken"),
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
        ({"calls": [{"to": "a", "probability": "5%"}]}, ("calls", 0, "probability"), "unknown key; allowed are to, "),
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
    ],
)
def test_a_key_is_its_field_without_the_unit(field, key):
    """A file's key bears no unit, because its value does."""
    assert key_of(field) == key
