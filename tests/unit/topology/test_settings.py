"""The settings of a single stage: which source beats which, what follows from what, and all mistakes together."""

import os
from pathlib import Path

import pytest

from simulator.behaviour.arrivals import ConstantArrivals
from simulator.behaviour.delays import no_samples
from simulator.behaviour.distributions import Constant
from simulator.behaviour.faults.error import Error
from simulator.behaviour.faults.registry import parse_fault
from simulator.behaviour.limits import RateLimit
from simulator.behaviour.payloads import parse_sizes
from simulator.commands.program import this_program
from simulator.commands.stage_settings import single_stage
from simulator.errors import ConfigurationError
from simulator.topology.load import Load
from simulator.topology.model import Forward, OnBadLine, Role
from simulator.topology.settings import Downstream, resolve_stage
from simulator.topology.steps import Call
from tests.support.settling import URL, refusal_of, resolve


@pytest.fixture
def settle(monkeypatch, tmp_path):
    """Return a stage's settings as the command does, from flags, an environment and a configuration file."""
    for variable in [name for name in os.environ if name.startswith("SIMULATOR_")]:
        monkeypatch.delenv(variable)

    def from_all(given_flags, environment, config):
        for key, value in environment.items():
            monkeypatch.setenv(f"SIMULATOR_{key}", value)
        path = tmp_path / "config.py"
        path.write_text("".join(f"{key} = {value!r}\n" for key, value in config.items()))
        return single_stage(this_program(Path("run_web_service.py")), path, given_flags, os.environ)

    return from_all


LAYERS = [
    ("NAME", ["a", "b", "c"], lambda settings: settings.name, ["stage", "a", "b", "c"]),
    ("HOST", ["0.0.0.0", "::1", "host"], lambda settings: settings.host, ["127.0.0.1", "0.0.0.0", "::1", "host"]),
    ("PORT", [1, "2", "3"], lambda settings: settings.port, [8080, 1, 2, 3]),
    ("PATH", ["/a", "/b", "/c"], lambda settings: settings.stage.path, ["/messages", "/a", "/b", "/c"]),
    ("WORKERS", [1, "2", "3"], lambda settings: settings.stage.workers, [1000, 1, 2, 3]),
    ("QUEUE", [0, "0", "3"], lambda settings: settings.stage.queue, [1000, 0, 0, 3]),
    ("MAX_BODY", [1, "2KB", "3"], lambda settings: settings.stage.max_body_bytes, [2**20, 1, 2000, 3]),
    ("SEED", [0, "2", "3"], lambda settings: settings.seed, [None, 0, 2, 3]),
    ("LOG_LEVEL", ["debug", "ERROR", "warning"], lambda s: s.log_level, ["info", "debug", "error", "warning"]),
    ("DRAIN_TIMEOUT", ["1s", "2s", "0"], lambda settings: settings.drain_seconds, [10.0, 1.0, 2.0, 0.0]),
    (
        "RATE_LIMIT",
        ["50/s", "limit(50/s, burst=2)", "60/min"],
        lambda settings: settings.stage.rate_limit,
        [None, RateLimit(50.0), RateLimit(50.0, 2), RateLimit(1.0)],
    ),
    (
        "FORWARD",
        ["accept", "wait", "accept"],
        lambda settings: settings.stage.forward,
        [Forward.WAIT, Forward.ACCEPT, Forward.WAIT, Forward.ACCEPT],
    ),
    (
        "RESPONSE_BYTES",
        [512, "10KB", "uniform(1KB, 10KB)"],
        lambda settings: settings.stage.response_size,
        [None, parse_sizes(512), parse_sizes("10KB"), parse_sizes("uniform(1KB, 10KB)")],
    ),
    ("INSTANCE", [2, "3", "100"], lambda settings: settings.instance, [1, 2, 3, 100]),
    ("OUTPUT", ["a", "b", "c"], lambda settings: settings.stage.output, [None, "a", "b", "c"]),
    (
        "DELAY",
        ["constant(1s)", "constant(2s)", "constant(3s)"],
        lambda settings: settings.stage.delay,
        [Constant(0.0), Constant(1.0), Constant(2.0), Constant(3.0)],
    ),
    (
        "FAULTS",
        [["error(501, 1%)", "error(502, 2%)"], "error(503, 3%)", " error(504, 4%); error(505, 5%);"],
        lambda settings: settings.stage.faults,
        [
            (),
            (Error(status=501, rate_ratio=0.01), Error(status=502, rate_ratio=0.02)),
            (Error(status=503, rate_ratio=0.03),),
            (Error(status=504, rate_ratio=0.04), Error(status=505, rate_ratio=0.05)),
        ],
    ),
]


@pytest.mark.parametrize(("key", "values", "get", "expected"), LAYERS, ids=[row[0] for row in LAYERS])
def test_flags_beat_the_environment_beats_the_file_beats_the_defaults(settle, key, values, get, expected):
    """Each source counts if no higher one sets the key, whatever the lower ones say."""
    file, variable, flag = ({key: value} for value in values)
    assert get(settle({}, {}, {})) == expected[0]
    assert get(settle({}, {}, file)) == expected[1]
    assert get(settle(flag, {}, file)) == expected[3]
    assert get(settle({key: None}, variable, file)) == expected[2]
    assert get(settle(flag, variable, file)) == expected[3]
    assert get(settle(flag, variable, {})) == expected[3]
    assert get(settle({}, variable, {})) == expected[2]


def test_every_mistake_is_shown_with_its_source(settle, tmp_path):
    """Mistakes in the file, the environment and the flags are shown at once, each with its source and line."""
    config = {"PORT": "high", "WORKERS": 0, "QUEUE": -1, "SEED": -1, "LOG_LEVEL": "loud", "INSTANCE": 0}
    environment = {"DELAY": "constant(5)", "FAULTS": "error(503, 1%);error(200, 1%)", "MAX_BODY": "1.5B", "PATH": "x"}
    environment |= {"RATE_LIMIT": "5", "FORWARD": "now", "RESPONSE_BYTES": "17MiB"}
    given_flags = {"NAME": "-parse", "HOST": "two words", "DRAIN_TIMEOUT": "5", "DOWNSTREAM": "nowhere"}
    path = tmp_path / "config.py"
    expected = {
        f"{path}:1: PORT: 'high' is not a whole number",
        f"{path}:2: WORKERS: 0 is out of range: must be between 1 and 100000",
        f"{path}:3: QUEUE: -1 is out of range: must be between 0 and 1000000",
        f"{path}:4: SEED: -1 must be a whole number from 0 to 2^63 - 1",
        f"{path}:5: LOG_LEVEL: 'loud' is not one of debug, info, warning, error",
        f"{path}:6: INSTANCE: 0 must be a whole number from 1 to 100",
        "environment SIMULATOR_DELAY: DELAY: '5' has no unit: write 5ms or 5s",
        "environment SIMULATOR_FAULTS: FAULTS: '200' is not an HTTP error status: must be between 400 and 599",
        "environment SIMULATOR_MAX_BODY: MAX_BODY: '1.5B' is not a whole number of bytes",
        "environment SIMULATOR_RATE_LIMIT: RATE_LIMIT: 5 has no unit: write 5/s",
        "environment SIMULATOR_FORWARD: FORWARD: 'now' is not one of wait, accept",
        "environment SIMULATOR_RESPONSE_BYTES: RESPONSE_BYTES: '17MiB' is out of range: must be between 0B and 16MiB",
        "environment SIMULATOR_PATH: PATH: 'x' must be a path like /messages or /carts/{id}",
        "flag --name: NAME: '-parse' begins with a dash; a name begins and ends with a letter or digit",
        "flag --host: HOST: 'two words' must be a host name or an address",
        "flag --drain-timeout: DRAIN_TIMEOUT: 5 has no unit: write 5ms or 5s",
        "flag --downstream: DOWNSTREAM: 'nowhere' is not a URL like http://127.0.0.1:8081/messages, or name=URL",
    }
    with pytest.raises(ConfigurationError) as refusal:
        settle(given_flags, environment, config)
    assert {str(problem).split("\n")[0] for problem in refusal.value.problems} == expected
    assert len(refusal.value.problems) == len(expected)


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ({}, Role.TERMINATOR),
        ({"OUTPUT": "file"}, Role.TERMINATOR),
        ({"DOWNSTREAM": URL}, Role.PROCESSOR),
        ({"DOWNSTREAM": URL, "RATE": "20/s"}, Role.INJECTOR),
        ({"DOWNSTREAM": URL, "INPUT": "-"}, Role.INJECTOR),
        ({"ROLE": "processor"}, Role.PROCESSOR),
        ({"ROLE": "injector", "DOWNSTREAM": URL}, Role.INJECTOR),
        ({"ROLE": "terminator"}, Role.TERMINATOR),
    ],
)
def test_the_role_follows_from_the_keys(values, role):
    """A stage that makes messages is an injector, one that forwards them a processor, any other a terminator."""
    assert resolve(**values).stage.role is role


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (URL, [("downstream", URL)]),
        (f"parse={URL}", [("parse", URL)]),
        (f"{URL}, http://b/", [("downstream", URL), ("downstream-2", "http://b/")]),
        ("a=http://a/,b=http://b/,http://c/", [("a", "http://a/"), ("b", "http://b/"), ("downstream-3", "http://c/")]),
        ([URL, "b=http://b/"], [("downstream", URL), ("b", "http://b/")]),
        (("http://a/?x=1",), [("downstream", "http://a/?x=1")]),
        (f" {URL} , ", [("downstream", URL)]),
    ],
)
def test_downstreams_are_urls_with_or_without_names(given, expected):
    """One or several, by commas or as a list in the file, called in their order."""
    settings = resolve(DOWNSTREAM=given)
    assert settings.downstreams == tuple(Downstream(name, (url,)) for name, url in expected)
    assert settings.stage.calls == tuple(Call(to=name) for name, _ in expected)


def test_two_urls_of_one_name_are_the_instances_of_one_downstream():
    """A message goes to one of them, not to each, and the names keep the order of their first appearance."""
    settings = resolve(DOWNSTREAM="a=http://first/,b=http://b/,a=http://second/")
    assert settings.downstreams == (
        Downstream("a", ("http://first/", "http://second/")),
        Downstream("b", ("http://b/",)),
    )
    assert settings.stage.calls == (Call(to="a"), Call(to="b"))


def test_the_keys_of_an_injector_make_its_load():
    """RATE, ARRIVALS, MESSAGES and CONCURRENCY are the load, INPUT and ON_BAD_LINE the stage's own."""
    paced = resolve(DOWNSTREAM=URL, RATE="300/min", ARRIVALS="constant", MESSAGES="10", CONCURRENCY="3")
    assert paced.stage.load == Load(rate_per_second=5.0, arrivals=ConstantArrivals(), messages=10, concurrency=3)
    read = resolve(DOWNSTREAM=URL, INPUT="in.jsonl", ON_BAD_LINE="skip")
    assert (read.stage.load, read.stage.input, read.stage.on_bad_line) == (Load(), "in.jsonl", OnBadLine.SKIP)


@pytest.mark.parametrize("key", ["PORT", "WORKERS", "QUEUE", "SEED", "INSTANCE"])
@pytest.mark.parametrize(("text", "number"), [("17", 17), (" 17 ", 17), ("017", 17)])
def test_whole_numbers_may_be_text(key, text, number):
    """The environment and flags are only text, and a whole number in it is read as one."""
    settings = resolve(**{key: text})
    values = {"PORT": settings.port, "SEED": settings.seed, "WORKERS": settings.stage.workers}
    values["INSTANCE"] = settings.instance
    assert values.get(key, settings.stage.queue) == number


def test_port_0_is_a_port():
    """0 asks the system for any free port, and does not mean that none was given."""
    assert resolve(PORT="0").port == 0


@pytest.mark.parametrize("text", ["-1", "1.5", "1e3", "x", "1_000", True, 1.0])
@pytest.mark.parametrize("key", ["PORT", "WORKERS", "QUEUE", "SEED", "INSTANCE"])
def test_text_that_is_not_a_whole_number_is_refused(key, text):
    """The error about a sign, a fraction, an exponent or a boolean names the key."""
    [problem] = refusal_of(resolve, **{key: text})
    assert problem.startswith(f"flag --{key.lower()}: {key}: {text!r} ")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (
            {"ROLE": "terminator", "DOWNSTREAM": URL},
            "flag --downstream: DOWNSTREAM: a terminator is the last stage: it can't call another",
        ),
        (
            {"OUTPUT": "file", "DOWNSTREAM": URL},
            "flag --output: OUTPUT: only a terminator has output; this stage is a processor",
        ),
        ({"RATE": "20/s"}, "an injector needs calls: its messages go nowhere"),
        ({"RATE": "20", "DOWNSTREAM": URL}, "flag --rate: RATE: 20 has no unit: write 20/s"),
        ({"ROLE": "boss"}, "flag --role: ROLE: 'boss' is not one of injector, processor, terminator"),
        ({"TIMEOUT": "0s", "DOWNSTREAM": URL}, "flag --timeout: TIMEOUT: '0s' must be more than 0"),
        ({"INSTANCE": "101"}, "flag --instance: INSTANCE: 101 must be a whole number from 1 to 100"),
        (
            {"ON_BAD_LINE": "cry", "INPUT": "-", "DOWNSTREAM": URL},
            "flag --on_bad_line: ON_BAD_LINE: 'cry' is not one of stop, skip",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(values, problem):
    """The problem names the impossible key, with its source."""
    assert refusal_of(resolve, **values) == [problem]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("RATE", {"RATE": "20/s", "ROLE": "processor"}),
        ("INPUT", {"INPUT": "-", "ROLE": "terminator"}),
        ("MESSAGES", {"MESSAGES": "10"}),
        ("ARRIVALS", {"ARRIVALS": "constant", "DOWNSTREAM": URL}),
    ],
)
def test_load_on_a_stage_that_makes_no_messages_names_the_key_that_set_it(key, values):
    """The error names RATE or MESSAGES, as the user wrote it, and its source, not a key LOAD that does not exist."""
    found = refusal_of(resolve, **values)
    assert [problem.split(": ")[:2] for problem in found] == [[f"flag --{key.lower()}", key]]


def test_a_wrong_downstream_is_one_mistake():
    """The error about an injector whose downstream is not a URL does not add that it has none."""
    assert len(refusal_of(resolve, RATE="20/s", DOWNSTREAM="nowhere")) == 1


def test_a_wrong_name_hides_no_other_mistake():
    """A contradiction between keys is shown along with a value that is wrong by itself."""
    found = refusal_of(resolve, NAME="-parse", OUTPUT="file", DOWNSTREAM=URL)
    assert sorted(problem.split(":")[0] for problem in found) == ["flag --name", "flag --output"]


@pytest.mark.parametrize("values", [{"FAULTS": 5}, {"DOWNSTREAM": 5}, {"DOWNSTREAM": [5]}])
def test_a_value_of_the_wrong_type_in_the_file_is_refused(values):
    """A number in place of a list or text is a mistake with its source, not a crash."""
    [key] = values
    assert refusal_of(resolve, **values)[0].startswith(f"flag --{key.lower()}: {key}: ")


@pytest.mark.parametrize("key", ["PORT", "SEED"])
def test_a_number_of_thousands_of_digits_is_refused(key):
    """A whole number that is too long is a mistake with its source, not a crash."""
    assert refusal_of(resolve, **{key: "9" * 5000})[0].startswith(f"flag --{key.lower()}: {key}: ")


def test_the_variables_that_mean_nothing_are_kept():
    """A variable that is probably misspelt is kept, so that the stage can warn of it when it starts."""
    assert resolve_stage({}, no_samples, ("SIMULATOR_PROT",)).ignored == ("SIMULATOR_PROT",)


def test_a_stage_by_itself_may_have_a_fault_in_its_own_instance():
    """A stage configured as the second instance can have a fault for that instance."""
    faults = resolve(INSTANCE="2", FAULTS="reset(1%, instance=2)").stage.faults
    assert faults == (parse_fault("reset(1%, instance=2)"),)
