"""The settings of one stage process: who beats whom, what follows from what, and every mistake at once."""

import os
from pathlib import Path

import pytest

from simulator import cli
from simulator.behaviour.delays import no_samples
from simulator.behaviour.distributions import Constant, Lognormal
from simulator.behaviour.faults import Error
from simulator.behaviour.pacing import Arrivals
from simulator.errors import ConfigurationError
from simulator.topology.layers import Given
from simulator.topology.model import Call, Load, OnBadLine, Role, Stage
from simulator.topology.reader import read_topology
from simulator.topology.settings import Downstream, resolve_stage, resolve_topology_stage

PIPELINE = Path(__file__).parents[3] / "topologies" / "pipeline.yaml"
URL = "http://127.0.0.1:8081/messages"


def flags(values):
    return {key: Given(value, f"flag --{key.lower()}") for key, value in values.items()}


def resolve(**values):
    """Settle a stage by itself from flags alone."""
    return resolve_stage(flags(values), no_samples)


def resolve_in_pipeline(name, **values):
    """Settle a stage of the pipeline, with flags that change it."""
    return resolve_topology_stage(read_topology(PIPELINE), name, flags(values), no_samples)


def refusal_of(call, *names, **values):
    with pytest.raises(ConfigurationError) as refusal:
        call(*names, **values)
    return [str(problem) for problem in refusal.value.problems]


@pytest.fixture
def settle(monkeypatch, tmp_path):
    """Settle a stage as the command does, from flags, an environment and a configuration file."""
    for variable in [name for name in os.environ if name.startswith("SIMULATOR_")]:
        monkeypatch.delenv(variable)

    def from_all(given_flags, environment, config):
        for key, value in environment.items():
            monkeypatch.setenv(f"SIMULATOR_{key}", value)
        path = tmp_path / "config.py"
        path.write_text("".join(f"{key} = {value!r}\n" for key, value in config.items()))
        return cli._stage_settings(cli.Program(tmp_path / "program.py"), None, None, path, given_flags)

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
        [(), (Error(501, 0.01), Error(502, 0.02)), (Error(503, 0.03),), (Error(504, 0.04), Error(505, 0.05))],
    ),
]


@pytest.mark.parametrize(("key", "values", "get", "expected"), LAYERS, ids=[row[0] for row in LAYERS])
def test_flags_beat_the_environment_beats_the_file_beats_the_defaults(settle, key, values, get, expected):
    """Each layer is heard where nothing above it speaks, whatever speaks below."""
    file, variable, flag = ({key: value} for value in values)
    assert get(settle({}, {}, {})) == expected[0]
    assert get(settle({}, {}, file)) == expected[1]
    assert get(settle(flag, {}, file)) == expected[3]
    assert get(settle({key: None}, variable, file)) == expected[2]
    assert get(settle(flag, variable, file)) == expected[3]
    assert get(settle(flag, variable, {})) == expected[3]
    assert get(settle({}, variable, {})) == expected[2]


def test_every_mistake_is_shown_with_whoever_made_it(settle, tmp_path):
    """Mistakes in the file, the environment and the flags are shown at once, each with its source and line."""
    config = {"PORT": "high", "WORKERS": 0, "QUEUE": -1, "SEED": -1, "LOG_LEVEL": "loud", "TIMEOUT": 5}
    environment = {"DELAY": "constant(5)", "FAULTS": "error(503, 1%);error(200, 1%)", "MAX_BODY": "1.5B", "PATH": "x"}
    given_flags = {"NAME": "Parse", "HOST": "two words", "DRAIN_TIMEOUT": "5", "DOWNSTREAM": "nowhere"}
    path = tmp_path / "config.py"
    expected = {
        f"{path}:1: PORT: 'high' is not a whole number",
        f"{path}:2: WORKERS: 0 is out of range: must be between 1 and 100000",
        f"{path}:3: QUEUE: -1 is out of range: must be between 0 and 9223372036854775807",
        f"{path}:4: SEED: -1 must be a whole number from 0 to 2^63 - 1",
        f"{path}:5: LOG_LEVEL: 'loud' is not one of debug, info, warning, error",
        f"{path}:6: TIMEOUT: 5 has no unit: write 5ms or 5s",
        "environment SIMULATOR_DELAY: DELAY: '5' has no unit: write 5ms or 5s",
        "environment SIMULATOR_FAULTS: FAULTS: '200' is not an HTTP error status: must be between 400 and 599",
        "environment SIMULATOR_MAX_BODY: MAX_BODY: '1.5B' is not a whole number of bytes",
        "environment SIMULATOR_PATH: PATH: 'x' must be a path like /messages",
        "flag --name: NAME: 'Parse' must be lower-case letters, digits and dashes, beginning with a letter, 63 at most",
        "flag --host: HOST: 'two words' must be a host name or an address",
        "flag --drain-timeout: DRAIN_TIMEOUT: '5' has no unit: write 5ms or 5s",
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
def test_the_role_is_what_the_keys_make_it(values, role):
    """Who makes messages is an injector, who sends them on a processor, who does neither a terminator."""
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
    assert settings.downstreams == tuple(Downstream(name, url, 30.0) for name, url in expected)
    assert [call.to for call in settings.stage.calls] == [name for name, _ in expected]


def test_the_timeout_is_that_of_every_downstream():
    """One TIMEOUT holds for all calls of the stage."""
    settings = resolve(DOWNSTREAM=f"{URL},{URL}", TIMEOUT="250ms")
    assert [downstream.timeout_seconds for downstream in settings.downstreams] == [0.25, 0.25]


def test_the_keys_of_an_injector_make_its_load():
    """RATE, ARRIVALS, MESSAGES and CONCURRENCY are the load, INPUT and ON_BAD_LINE the stage's own."""
    paced = resolve(DOWNSTREAM=URL, RATE="300/min", ARRIVALS="constant", MESSAGES="10", CONCURRENCY="3")
    assert paced.stage.load == Load(rate_per_second=5.0, arrivals=Arrivals.CONSTANT, messages=10, concurrency=3)
    read = resolve(DOWNSTREAM=URL, INPUT="in.jsonl", ON_BAD_LINE="skip")
    assert (read.stage.load, read.stage.input, read.stage.on_bad_line) == (Load(), "in.jsonl", OnBadLine.SKIP)


@pytest.mark.parametrize("key", ["PORT", "WORKERS", "QUEUE", "SEED"])
@pytest.mark.parametrize(("text", "number"), [("17", 17), (" 17 ", 17), ("017", 17)])
def test_whole_numbers_may_be_text(key, text, number):
    """The environment and flags know only text, and a whole number in it is one."""
    settings = resolve(**{key: text})
    values = {"PORT": settings.port, "SEED": settings.seed, "WORKERS": settings.stage.workers}
    assert values.get(key, settings.stage.queue) == number


def test_port_0_is_a_port():
    """0 asks the system for any port that is free, and is not taken for none."""
    assert resolve(PORT="0").port == 0


@pytest.mark.parametrize("text", ["-1", "1.5", "1e3", "x", "1_000", True, 1.0])
@pytest.mark.parametrize("key", ["PORT", "WORKERS", "QUEUE", "SEED"])
def test_what_is_no_whole_number_is_refused(key, text):
    """A sign, a fraction, an exponent and a truth value are told so with the key."""
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
        ({"RATE": "20", "DOWNSTREAM": URL}, "flag --rate: RATE: '20' has no unit: write 20/s"),
        ({"ROLE": "boss"}, "flag --role: ROLE: 'boss' is not one of injector, processor, terminator"),
        ({"TIMEOUT": "0s"}, "flag --timeout: TIMEOUT: '0s' must be more than 0"),
        (
            {"ON_BAD_LINE": "cry", "INPUT": "-", "DOWNSTREAM": URL},
            "flag --on_bad_line: ON_BAD_LINE: 'cry' is not one of stop, skip",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(values, problem):
    """The problem names the key that can't be, with its source."""
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
def test_load_on_a_stage_that_makes_no_messages_names_the_key_that_said_it(key, values):
    """A user who said RATE or MESSAGES is told of that, and of its source, not of a key LOAD that there is not."""
    found = refusal_of(resolve, **values)
    assert [problem.split(": ")[:2] for problem in found] == [[f"flag --{key.lower()}", key]]


def test_a_wrong_downstream_is_one_mistake():
    """An injector whose downstream is no URL is told that, and not also that it has none."""
    assert len(refusal_of(resolve, RATE="20/s", DOWNSTREAM="nowhere")) == 1


def test_a_wrong_name_hides_no_other_mistake():
    """What does not go together is shown beside a value that is wrong by itself."""
    found = refusal_of(resolve, NAME="Parse", OUTPUT="file", DOWNSTREAM=URL)
    assert sorted(problem.split(":")[0] for problem in found) == ["flag --name", "flag --output"]


def test_two_downstreams_of_one_name_are_refused():
    """Each downstream is called at its own URL, so two must not share a name."""
    refusal_of(resolve, DOWNSTREAM="a=http://first/,a=http://second/")


@pytest.mark.parametrize("values", [{"FAULTS": 5}, {"DOWNSTREAM": 5}, {"DOWNSTREAM": [5]}])
def test_a_value_of_the_wrong_type_in_the_file_is_refused(values):
    """A number where a list or text should stand is a mistake with its source, not a breakdown."""
    [key] = values
    assert refusal_of(resolve, **values)[0].startswith(f"flag --{key.lower()}: {key}: ")


@pytest.mark.parametrize("key", ["PORT", "SEED"])
def test_a_number_of_thousands_of_digits_is_refused(key):
    """A whole number that is too long to be one is a mistake with its source, not a breakdown."""
    assert refusal_of(resolve, **{key: "9" * 5000})[0].startswith(f"flag --{key.lower()}: {key}: ")


def test_the_variables_that_mean_nothing_are_passed_on():
    """What was probably a slip is kept, so that the stage can say so when it starts."""
    assert resolve_stage({}, no_samples, ("SIMULATOR_PROT",)).ignored == ("SIMULATOR_PROT",)


def test_a_stage_of_a_topology_is_what_the_file_says():
    """Delay, capacity, downstream, callers and names come from the file; its container's address is its name."""
    settings = resolve_in_pipeline("parse")
    assert settings.stage == Stage(
        delay=Lognormal(0.012, 0.08, 1.0), workers=8, queue=64, calls=(Call(to="enrich", timeout_seconds=30.0),)
    )
    assert (settings.name, settings.topology, settings.seed) == ("parse", "pipeline", None)
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.downstreams == (Downstream("enrich", "http://enrich:8080/messages", 30.0),)
    assert settings.callers == ("injector",)


def test_flags_change_a_stage_of_a_topology():
    """What a flag says beats the file, key by key; the rest stays."""
    settings = resolve_in_pipeline(
        "parse",
        DELAY="constant(1s)",
        WORKERS="3",
        PORT="9000",
        TIMEOUT="4s",
        SEED="7",
        DOWNSTREAM="enrich=http://127.0.0.1:9001/messages",
    )
    assert (settings.stage.delay, settings.stage.workers, settings.stage.queue) == (Constant(1.0), 3, 64)
    assert (settings.port, settings.seed) == (9000, 7)
    assert settings.downstreams == (Downstream("enrich", "http://127.0.0.1:9001/messages", 4.0),)


def test_a_flag_changes_one_key_of_the_load():
    """The rate of a topology's injector can be changed without saying its other keys again."""
    load = resolve_in_pipeline("injector", RATE="50/s", MESSAGES="10").stage.load
    assert load == Load(rate_per_second=50.0, arrivals=Arrivals.POISSON, messages=10)


def test_the_topologys_seed_holds_where_none_is_given(tmp_path):
    """A seed in the file is the stage's, and a flag beats it, also with 0."""
    path = tmp_path / "file.yaml"
    path.write_text("seed: 7\nstages: {a: {calls: []}}")
    topology = read_topology(path)
    assert resolve_topology_stage(topology, "a", {}, no_samples).seed == 7
    assert resolve_topology_stage(topology, "a", flags({"SEED": "0"}), no_samples).seed == 0


def test_a_stage_that_the_topology_has_not_is_refused():
    """The refusal names the topology and the stages that there are."""
    [problem] = refusal_of(resolve_in_pipeline, "pars")
    assert problem == "there is no stage 'pars' in the topology pipeline; there are injector, parse, enrich, archive"


def test_wrong_changes_to_a_stage_of_a_topology_are_all_shown():
    """Each wrong flag is named, as for a stage by itself."""
    found = refusal_of(resolve_in_pipeline, "parse", WORKERS="0", DELAY="oops(1s)", LOG_LEVEL="loud", TIMEOUT="x")
    assert sorted(problem.split(":")[0] for problem in found) == [
        "flag --delay",
        "flag --log_level",
        "flag --timeout",
        "flag --workers",
    ]


@pytest.mark.parametrize(
    ("name", "values", "fragment"),
    [
        ("parse", {"RATE": "5/s"}, "flag --rate: RATE: "),
        ("parse", {"OUTPUT": "file"}, "flag --output: OUTPUT: "),
        ("parse", {"ROLE": "terminator"}, "a terminator is the last stage: it can't call another"),
        ("parse", {"DOWNSTREAM": "http://127.0.0.1:9001/"}, "flag --downstream: DOWNSTREAM: "),
        ("parse", {"DOWNSTREAM": "archive=http://127.0.0.1:9001/"}, "flag --downstream: DOWNSTREAM: "),
        ("archive", {"INPUT": "-"}, "flag --input: INPUT: "),
        ("archive", {"NAME": "other"}, "flag --name: NAME: "),
    ],
)
def test_a_change_that_means_nothing_to_the_stage_is_refused(name, values, fragment):
    """A flag that can have no effect on this stage of the topology is a mistake, not silently ignored."""
    [problem] = refusal_of(resolve_in_pipeline, name, **values)
    assert fragment in problem
