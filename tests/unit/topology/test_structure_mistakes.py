"""Wrong values: each is named with its keys, what was written and what is allowed, all of them together."""

import pytest

from simulator.topology.model import Stage, Topology
from simulator.topology.structure import structure


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ([], "must be steps with weights, as in {home: 1, product: 10}, not []"),
        ({}, "must be steps with weights, as in {home: 1, product: 10}, not []"),
        ("a", "must be steps with weights, as in {home: 1, product: 10}, not 'a'"),
        ({"a": "0%"}, "every weight is 0, so there is nothing to choose"),
        ({"a": "50%", "b": 10}, "the weights must be all percentages or all numbers, as in 90% and 10%, or 9 and 1"),
    ],
)
def test_weights_that_choose_nothing(choice, message):
    """A choice needs weights that say how likely each alternative is."""
    _, problems = structure({"calls": ["a", {"choose": choice}]}, Stage)
    assert problems == [(("calls", 1, "choose"), message)]


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
    """In a group, in a group of a group or as a fallback, each wrong key is reported with the keys that lead to it."""
    call = {"to": "-up", **BAD_CALL, "optional": 5, "request_bytes": "17MiB", "oops": 1}
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
        ({"path": "/a/../b"}, ("path",), "'/a/../b' must have no empty segments, and none that is . or .."),
        ({"path": "/.."}, ("path",), "'/..' must have no empty segments"),
        ({"path": "/./a"}, ("path",), "'/./a' must have no empty segments"),
        ({"path": "/a//b"}, ("path",), "'/a//b' must have no empty segments"),
        ({"path": "//a"}, ("path",), "'//a' must have no empty segments"),
        ({"path": "/a#b"}, ("path",), "'/a#b' must be a path like /messages"),
        ({"path": "/a b"}, ("path",), "'/a b' must be a path like /messages"),
        ({"path": "/a%2e"}, ("path",), "'/a%2e' must be a path like /messages"),
        ({"path": "/caf\u00e9"}, ("path",), "'/caf\u00e9' must be a path like /messages"),
        ({"queue": 2**63 - 1}, ("queue",), "9223372036854775807 is out of range: must be between 0 and 1000000"),
        ({"load": {"messages": 10**13}}, ("load", "messages"), "10000000000000 is out of range: must be between 0 and"),
        ({"path": "/healthz"}, ("path",), "'/healthz' is reserved: /healthz, /readyz, /metrics, /control, /inj"),
        ({"path": "/control"}, ("path",), "'/control' is reserved"),
        ({"path": "/injected"}, ("path",), "'/injected' is reserved"),
        ({"delay": "oops(1s)"}, ("delay",), "there is no delay 'oops'"),
        ({"delay": 5}, ("delay",), "5 has no unit: write 5ms or 5s"),
        ({"faults": ["error(503, 1%)", "oops(1%)"]}, ("faults", 1), "there is no fault 'oops'"),
        ({"faults": [5]}, ("faults", 0), "5 is not a fault: write error(503, 5%)"),
        ({"workers": 0}, ("workers",), "0 is out of range: must be between 1 and 100000"),
        ({"workers": 100_001}, ("workers",), "100001 is out of range: must be between 1 and 100000"),
        ({"workers": True}, ("workers",), "True is not a whole number"),
        ({"queue": -1}, ("queue",), "-1 is out of range: must be between 0 and 1000000"),
        ({"max_body": 0}, ("max_body",), "0 is out of range: must be between 1 and 1073741824"),
        ({"max_body": "2GiB"}, ("max_body",), "2147483648 is out of range: must be between 1 and 1073741824"),
        ({"max_body": "0.5B"}, ("max_body",), "'0.5B' is not a whole number of bytes"),
        ({"calls": "parse"}, ("calls",), "must be a list of steps, as in [parse, enrich], not 'parse'"),
        ({"calls": None}, ("calls",), "must be a list of steps, as in [parse, enrich], not None"),
        ({"calls": ["parse."]}, ("calls", 0, "to"), "'parse.' ends with a dot"),
        ({"calls": [5]}, ("calls", 0), "must be a mapping of keys to values, not 5"),
        ({"calls": [{}]}, ("calls", 0, "to"), "the key 'to' is missing"),
        ({"calls": [{"to": "a", "timeout": 5}]}, ("calls", 0, "timeout"), "5 has no unit: write 5ms or 5s"),
        ({"calls": [{"to": "a", "timeout": "0s"}]}, ("calls", 0, "timeout"), "'0s' must be more than 0"),
        (
            {"calls": [{"to": "a", "chance": "5%"}]},
            ("calls", 0, "chance"),
            "unknown key; did you mean `probability`?",
        ),
        ({"calls": [{"to": "a", "deadline": 5}]}, ("calls", 0, "deadline"), "5 has no unit: write 5ms or 5s"),
        ({"calls": [{"to": "a", "deadline": "0"}]}, ("calls", 0, "deadline"), "'0' must be more than 0"),
        ({"calls": [{"to": "a", "probability": 5}]}, ("calls", 0, "probability"), "5 exceeds 100%"),
        (
            {"calls": [{"to": "a", "times": 0}]},
            ("calls", 0, "times"),
            "0 is out of range: must be between 1 and 100000",
        ),
        ({"calls": [{"to": "a", "times": "2"}]}, ("calls", 0, "times"), "'2' is not a number of times: write 3"),
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
        ({"calls": [{"to": "a", "fallback": "-up"}]}, ("calls", 0, "fallback", "to"), "'-up' begins with a dash"),
        (
            {"calls": [{"to": "a", "fallback": {"parallel": ["b"], "to": "c"}}]},
            ("calls", 0, "fallback"),
            "`to` and `parallel` are steps of their own: write one for each",
        ),
        (
            {"calls": [{"to": "a", "request_bytes": "0.5B"}]},
            ("calls", 0, "request_bytes"),
            "'0.5B' is not a whole number of bytes",
        ),
        ({"calls": [{"to": "a", "weight": "5%"}]}, ("calls", 0, "weight"), "unknown key; did you mean `probability`?"),
        (
            {"calls": [{"parallel": "a"}]},
            ("calls", 0, "parallel"),
            "must be a list of steps, as in [parse, enrich], not",
        ),
        (
            {"calls": [{"parallel": None}]},
            ("calls", 0, "parallel"),
            "must be a list of steps, as in [parse, enrich], not",
        ),
        ({"calls": [{"parallel": [5]}]}, ("calls", 0, "parallel", 0), "must be a mapping of keys to values, not 5"),
        ({"calls": [{"parallel": [], "limit": 0}]}, ("calls", 0, "limit"), "0 is out of range: must be between 1 and"),
        (
            {"calls": [{"parallel": [], "jump": 2}]},
            ("calls", 0, "jump"),
            "unknown key; allowed are parallel, limit, pick, times, probability",
        ),
        ({"calls": [{"parallel": [], "to": "a"}]}, ("calls", 0), "`to` and `parallel` are steps of their own"),
        (
            {"calls": [{"parallel": [], "choose": []}]},
            ("calls", 0),
            "`parallel` and `choose` are steps of their own",
        ),
        ({"calls": [{"choose": {"a": "x"}}]}, ("calls", 0, "choose", 0), "'x' is not a weight: write 5% or 3"),
        (
            {"calls": [{"sleep": "10ms"}]},
            ("calls", 0),
            "a step has one of the keys to, delay, parallel, steps, choose;",
        ),
        ({"calls": [{"choose": {"-up": "100%"}}]}, ("calls", 0, "choose", 0, "to"), "'-up' begins with a dash"),
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
        ({"response_bytes": "1GB"}, ("response_bytes",), "'1GB' is out of range: must be between 0B and 16MiB"),
        ({"response_bytes": "uniform(1KB)"}, ("response_bytes",), "uniform lacks its high"),
        ({"load": "20/s"}, ("load",), "must be a mapping of keys to values, not '20/s'"),
        ({"load": {"rate": 20}}, ("load", "rate"), "20 has no unit: write 20/s"),
        ({"load": {"arrivals": "bursty"}}, ("load", "arrivals"), "'bursty' is not one of poisson, constant, bursts"),
        ({"load": {"messages": -1}}, ("load", "messages"), "-1 is out of range"),
        ({"load": {"concurrency": 0}}, ("load", "concurrency"), "0 is out of range: must be between 1 and 100000"),
        (
            {"load": {"speed": 1}},
            ("load", "speed"),
            "unknown key; allowed are rate, profile, arrivals, messages, users, think, session, message, ",
        ),
        ({"input": 5}, ("input",), "5 is not text"),
        ({"output": ""}, ("output",), "'' is not text"),
        ({"on_bad_line": "cry"}, ("on_bad_line",), "'cry' is not one of stop, skip"),
        ({"colour": "red"}, ("colour",), "unknown key; allowed are method, path, delay, work, faults, "),
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
    """One pass shows all mistakes of a stage, including those deep inside it."""
    stage, problems = structure(
        {
            "role": "boss",
            "port": "x",
            "delay": "oops()",
            "faults": ["error()", "error(503, 1%)", "error(1, 1%)"],
            "calls": [{"to": "-up", "timeout": "5"}, "a", {"too": "b"}],
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
        ("calls", 2),
        ("load", "rate"),
        ("load", "speed"),
        ("color",),
        ("shape",),
    }


@pytest.mark.parametrize("faults", ["error(503, 1%)", 5, None, {"error": 1}])
def test_faults_that_are_not_a_list_are_one_problem(faults):
    """A single fault without brackets is one problem, not one for each of its letters."""
    _, [(keys, message)] = structure({"faults": faults}, Stage)
    assert keys == ("faults",)
    assert message.startswith("must be a list of faults")


@pytest.mark.parametrize(
    ("value", "keys", "message"),
    [
        ({"stages": {}}, ("name",), "the key 'name' is missing"),
        ({"name": "my orders"}, ("name",), "'my orders' has a space in it"),
        ({"name": "orders", "seed": -1}, ("seed",), "-1 is out of range: must be between 0 and 9223372036854775807"),
        ({"name": "orders", "seed": "7"}, ("seed",), "'7' is not a whole number"),
        ({"name": "orders", "sed": 7}, ("sed",), "unknown key; did you mean `seed`?"),
    ],
)
def test_a_wrong_value_at_the_top_is_named_with_its_key(value, keys, message):
    """The topology's own keys are checked as those of its stages are."""
    topology, [(found_keys, found)] = structure(value, Topology)
    assert topology is None
    assert found_keys == keys
    assert found.startswith(message)
