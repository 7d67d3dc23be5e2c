"""The settings of one stage process: who beats whom, what follows from what, and every mistake at once."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import cli
from simulator.behaviour.breaker import BreakerRule
from simulator.behaviour.delays import no_samples
from simulator.behaviour.distributions import Constant, Lognormal
from simulator.behaviour.faults.error import Error
from simulator.behaviour.faults.registry import parse_fault
from simulator.behaviour.limits import RateLimit
from simulator.behaviour.pacing import Arrivals
from simulator.behaviour.payloads import parse_sizes
from simulator.behaviour.retries import Retries
from simulator.errors import ConfigurationError
from simulator.topology.graph import calls_of
from simulator.topology.layers import Given
from simulator.topology.model import Call, Forward, Load, OnBadLine, Role, Slo, Stage
from simulator.topology.objectives import LatencyObjective
from simulator.topology.reader import parse_topology, read_topology
from simulator.topology.settings import Downstream, resolve_stage, resolve_topology_stage, with_call_keys
from simulator.topology.structure import structure, unstructure
from tests.unit.topology.strategies import steps

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


def resolve_in(text, name, **values):
    """Settle a stage of a topology that is written down here, with flags that change it."""
    return resolve_topology_stage(parse_topology(text, "file.yaml", no_samples, "t"), name, flags(values), no_samples)


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
    config = {"PORT": "high", "WORKERS": 0, "QUEUE": -1, "SEED": -1, "LOG_LEVEL": "loud", "INSTANCE": 0}
    environment = {"DELAY": "constant(5)", "FAULTS": "error(503, 1%);error(200, 1%)", "MAX_BODY": "1.5B", "PATH": "x"}
    environment |= {"RATE_LIMIT": "5", "FORWARD": "now", "RESPONSE_BYTES": "0"}
    given_flags = {"NAME": "Parse", "HOST": "two words", "DRAIN_TIMEOUT": "5", "DOWNSTREAM": "nowhere"}
    path = tmp_path / "config.py"
    expected = {
        f"{path}:1: PORT: 'high' is not a whole number",
        f"{path}:2: WORKERS: 0 is out of range: must be between 1 and 100000",
        f"{path}:3: QUEUE: -1 is out of range: must be between 0 and 9223372036854775807",
        f"{path}:4: SEED: -1 must be a whole number from 0 to 2^63 - 1",
        f"{path}:5: LOG_LEVEL: 'loud' is not one of debug, info, warning, error",
        f"{path}:6: INSTANCE: 0 must be a whole number from 1 to 100",
        "environment SIMULATOR_DELAY: DELAY: '5' has no unit: write 5ms or 5s",
        "environment SIMULATOR_FAULTS: FAULTS: '200' is not an HTTP error status: must be between 400 and 599",
        "environment SIMULATOR_MAX_BODY: MAX_BODY: '1.5B' is not a whole number of bytes",
        "environment SIMULATOR_RATE_LIMIT: RATE_LIMIT: '5' has no unit: write 5/s",
        "environment SIMULATOR_FORWARD: FORWARD: 'now' is not one of wait, accept",
        "environment SIMULATOR_RESPONSE_BYTES: RESPONSE_BYTES: '0' is out of range: must be between 1B and 16MiB",
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
    assert settings.downstreams == tuple(Downstream(name, (url,)) for name, url in expected)
    assert settings.stage.calls == tuple(Call(to=name) for name, _ in expected)


def test_two_urls_of_one_name_are_the_instances_of_one_downstream():
    """They are called in turn and not one after the other, in the order in which the names first come."""
    settings = resolve(DOWNSTREAM="a=http://first/,b=http://b/,a=http://second/")
    assert settings.downstreams == (
        Downstream("a", ("http://first/", "http://second/")),
        Downstream("b", ("http://b/",)),
    )
    assert settings.stage.calls == (Call(to="a"), Call(to="b"))


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
]


@pytest.mark.parametrize(("key", "value", "options"), CALL_KEYS)
def test_a_key_of_the_calls_is_that_of_every_call(key, value, options):
    """One TIMEOUT holds for all calls of the stage, and so does each of its like."""
    settings = resolve(DOWNSTREAM=f"a={URL},b={URL}", **{key: value})
    assert settings.stage.calls == (Call(to="a", **options), Call(to="b", **options))


def test_all_keys_of_the_calls_go_together():
    """Each sets its own part of a call, whatever the others say."""
    values = {key: value for key, value, _ in CALL_KEYS}
    options = {name: value for _, _, part in CALL_KEYS for name, value in part.items()}
    assert resolve(DOWNSTREAM=URL, **values).stage.calls == (Call(to="downstream", **options),)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("TIMEOUT", "5", "'5' has no unit: write 5ms or 5s"),
        ("DEADLINE", "0s", "'0s' must be more than 0"),
        ("RETRIES", "x", "'x' is not a number of retries, nor like retries(3, backoff=50ms, max=2s, budget=20%)"),
        ("RETRIES", "101", "101 retries are out of range: must be between 0 and 100"),
        ("BREAKER", "5", "'5' is not like breaker(failures=5, reset=10s)"),
        ("HEDGE", "x", "'x' is not a duration: write 250ms, 1.5s or 2m"),
        ("OPTIONAL", "yes", "'yes' is neither true nor false"),
        ("REQUEST_BYTES", "0", "'0' is out of range: must be between 1B and 16MiB"),
    ],
)
def test_a_wrong_key_of_the_calls_is_named_with_its_source(key, value, message):
    """The problem is the flag's that said it, not that of the calls it was said for."""
    assert refusal_of(resolve, DOWNSTREAM=URL, **{key: value}) == [f"flag --{key.lower()}: {key}: {message}"]
    assert refusal_of(resolve_in_pipeline, "parse", **{key: value}) == [f"flag --{key.lower()}: {key}: {message}"]


def test_a_wrong_key_of_several_calls_is_one_mistake():
    """One slip is told once, however many downstreams there are."""
    assert len(refusal_of(resolve, DOWNSTREAM=f"a={URL},b={URL}", TIMEOUT="5")) == 1


@pytest.mark.parametrize("values", [{"ROLE": "processor"}, {"DOWNSTREAM": "nowhere"}])
def test_a_wrong_key_of_the_calls_is_found_also_without_a_call(values):
    """A slip in TIMEOUT is shown with all the others, also where the stage calls nobody, or its downstream is wrong."""
    found = refusal_of(resolve, TIMEOUT="5", WORKERS="0", **values)
    assert "flag --timeout: TIMEOUT: '5' has no unit: write 5ms or 5s" in found


@pytest.mark.parametrize(("key", "value", "_"), CALL_KEYS)
def test_a_key_of_the_calls_does_not_matter_to_a_stage_without(key, value, _):
    """SIMULATOR_TIMEOUT may be in the environment of every stage, and a terminator starts all the same."""
    assert resolve(**{key: value}).stage == Stage(role=Role.TERMINATOR)
    assert resolve_in_pipeline("archive", **{key: value}).stage == resolve_in_pipeline("archive").stage


def test_the_keys_of_an_injector_make_its_load():
    """RATE, ARRIVALS, MESSAGES and CONCURRENCY are the load, INPUT and ON_BAD_LINE the stage's own."""
    paced = resolve(DOWNSTREAM=URL, RATE="300/min", ARRIVALS="constant", MESSAGES="10", CONCURRENCY="3")
    assert paced.stage.load == Load(rate_per_second=5.0, arrivals=Arrivals.CONSTANT, messages=10, concurrency=3)
    read = resolve(DOWNSTREAM=URL, INPUT="in.jsonl", ON_BAD_LINE="skip")
    assert (read.stage.load, read.stage.input, read.stage.on_bad_line) == (Load(), "in.jsonl", OnBadLine.SKIP)


@pytest.mark.parametrize("key", ["PORT", "WORKERS", "QUEUE", "SEED", "INSTANCE"])
@pytest.mark.parametrize(("text", "number"), [("17", 17), (" 17 ", 17), ("017", 17)])
def test_whole_numbers_may_be_text(key, text, number):
    """The environment and flags know only text, and a whole number in it is one."""
    settings = resolve(**{key: text})
    values = {"PORT": settings.port, "SEED": settings.seed, "WORKERS": settings.stage.workers}
    values["INSTANCE"] = settings.instance
    assert values.get(key, settings.stage.queue) == number


def test_port_0_is_a_port():
    """0 asks the system for any port that is free, and is not taken for none."""
    assert resolve(PORT="0").port == 0


@pytest.mark.parametrize("text", ["-1", "1.5", "1e3", "x", "1_000", True, 1.0])
@pytest.mark.parametrize("key", ["PORT", "WORKERS", "QUEUE", "SEED", "INSTANCE"])
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
        ({"TIMEOUT": "0s", "DOWNSTREAM": URL}, "flag --timeout: TIMEOUT: '0s' must be more than 0"),
        ({"INSTANCE": "101"}, "flag --instance: INSTANCE: 101 must be a whole number from 1 to 100"),
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
        delay=Lognormal(0.012, 0.08, 1.0),
        workers=8,
        queue=64,
        slo=Slo(latency=LatencyObjective(0.5, 0.99), errors_ratio=0.01),
        calls=(Call(to="enrich", timeout_seconds=30.0),),
    )
    assert (settings.name, settings.topology, settings.seed) == ("parse", "pipeline", None)
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.downstreams == (Downstream("enrich", ("http://enrich:8080/messages",), is_stage=True),)
    assert settings.instance == 1
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
    assert settings.stage.calls == (Call(to="enrich", timeout_seconds=4.0),)
    assert settings.downstreams == (Downstream("enrich", ("http://127.0.0.1:9001/messages",), is_stage=True),)


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


SHOP = """\
stages:
  front:
    port: 9000
    instances: 3
    calls:
      - {to: stock, timeout: 1s, fallback: cache}
      - parallel:
          - [price, {to: tax, optional: true}]
          - choose: {stock: 90%, canary: 10%}
  stock: {port: 9100, instances: 2, calls: []}
  price: {calls: []}
  tax: {host: 10.0.0.7, calls: []}
  canary: {calls: []}
  cache: {calls: []}
"""


def test_every_stage_that_is_called_somewhere_is_a_downstream():
    """Calls in groups and fallbacks need an address too, and each stage has one list of its instances."""
    assert resolve_in(SHOP, "front").downstreams == (
        Downstream("stock", ("http://stock:9100/messages", "http://stock:9101/messages"), is_stage=True),
        Downstream("cache", ("http://cache:8080/messages",), is_stage=True),
        Downstream("price", ("http://price:8080/messages",), is_stage=True),
        Downstream("tax", ("http://10.0.0.7:8080/messages",), is_stage=True),
        Downstream("canary", ("http://canary:8080/messages",), is_stage=True),
    )


def test_the_addresses_of_a_downstream_in_a_group_can_be_given():
    """One that is called only in a group or as a fallback is known by its name, with as many instances as are said."""
    settings = resolve_in(SHOP, "front", DOWNSTREAM="cache=http://c1/,canary=http://k/,cache=http://c2/")
    urls = {downstream.name: downstream.urls for downstream in settings.downstreams}
    assert (urls["cache"], urls["canary"]) == (("http://c1/", "http://c2/"), ("http://k/",))
    assert urls["price"] == ("http://price:8080/messages",)


def test_a_key_of_the_calls_reaches_every_call_of_a_topologys_stage():
    """A flag changes calls in groups, in choices and as fallbacks; what it does not say stays as it is in the file."""
    settings = resolve_in(SHOP, "front", TIMEOUT="4s", RETRIES="1")
    calls = [call for _, call in calls_of(settings.stage)]
    assert [call.to for call in calls] == ["stock", "cache", "price", "tax", "stock", "canary"]
    assert {(call.timeout_seconds, call.retries) for call in calls} == {(4.0, Retries(1))}
    assert [call.to for call in calls if call.optional] == ["tax"]


@pytest.mark.parametrize(("instance", "port"), [(None, 9000), ("1", 9000), ("2", 9001), (3, 9002)])
def test_an_instance_listens_on_a_port_of_its_own(instance, port):
    """The first instance has the stage's port, each other one the next."""
    settings = resolve_in(SHOP, "front", **({} if instance is None else {"INSTANCE": instance}))
    assert (settings.port, settings.instance) == (port, int(instance or 1))


def test_an_instance_of_a_stage_without_a_port_listens_where_all_do():
    """In a container each instance has the same port, and with port 0 each has any that is free."""
    text = "stages: {a: {instances: 2, calls: []}, b: {instances: 2, port: 0, calls: []}}"
    assert resolve_in(text, "a", INSTANCE="2").port == 8080
    assert resolve_in(text, "b", INSTANCE="2").port == 0


def test_an_instance_that_there_is_not_is_refused():
    """A stage of a topology has as many instances as the file says."""
    assert refusal_of(resolve_in, SHOP, "front", INSTANCE="4") == ["flag --instance: INSTANCE: there is none beyond 3"]


def test_a_fault_of_an_instance_that_there_is_not_is_refused():
    """A flag's fault is checked against the file's instances as the file's own faults are."""
    assert refusal_of(resolve_in, SHOP, "front", FAULTS="reset(1%, instance=4)") == [
        "flag --faults: FAULTS: there is no instance 4; there are 3"
    ]
    fault = parse_fault("reset(1%, instance=3)")
    assert resolve_in(SHOP, "front", FAULTS="reset(1%, instance=3)").stage.faults == (fault,)


def test_a_stage_by_itself_may_have_a_fault_in_its_own_instance():
    """Who is told to be the second instance may be told what goes wrong in it."""
    faults = resolve(INSTANCE="2", FAULTS="reset(1%, instance=2)").stage.faults
    assert faults == (parse_fault("reset(1%, instance=2)"),)


NAMES = st.sampled_from(["a", "b", "c"])
CHANGES = [
    ({"timeout": "4s"}, {"timeout_seconds": 4.0}),
    ({"optional": True, "times": 7}, {"optional": True, "times": 7}),
    ({"retries": "retries(2)", "breaker": "breaker(failures=5, reset=10s)"}, {"retries": Retries(2)}),
]


def without_options(call, names):
    return {name: value for name, value in vars(call).items() if name not in {*names, "fallback"}}


@settings(deadline=None)
@given(st.lists(steps(NAMES), max_size=3), st.sampled_from(CHANGES), st.none() | NAMES)
def test_only_the_calls_that_are_meant_are_changed(some, change, to):
    """However deep they lie, the calls to one stage, or all, get the keys; nothing else of any call changes."""
    plain_change, expected = change
    stage = Stage(calls=tuple(some))
    plain = unstructure(stage)["calls"]
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
def test_who_is_not_called_changes_nothing(some, to):
    """A change for a stage that nobody calls leaves all calls as they are."""
    stage = Stage(calls=tuple(some))
    assert structure({"calls": with_call_keys(unstructure(stage)["calls"], {"times": 7}, to)}, Stage) == (stage, [])


@settings(deadline=None)
@given(st.lists(steps(NAMES), max_size=3), st.none() | NAMES)
def test_none_takes_a_key_away(some, to):
    """What was set is as by default again, and taking away what is not there is no mistake."""
    stage = Stage(calls=tuple(some))
    plain = with_call_keys(unstructure(stage)["calls"], dict.fromkeys(["timeout", "retries", "fallback"]), to)
    changed, problems = structure({"calls": plain}, Stage)
    assert problems == []
    for _, call in calls_of(changed):
        if to in (None, call.to):
            assert (call.timeout_seconds, call.retries, call.fallback) == (30.0, Retries(), None)


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
    """A name becomes a mapping where need be, groups keep their own keys, and what is no call is left to be told."""
    assert with_call_keys(calls, {"times": 2}, "a") == changed
