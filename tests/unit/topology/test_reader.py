"""A topology file to a Topology, and back; every mistake in it at once, each with its line."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.delays import no_samples
from simulator.behaviour.distributions import Constant, Exponential, Lognormal, Uniform
from simulator.behaviour.empirical import Samples
from simulator.behaviour.faults.error import Error
from simulator.behaviour.pacing import Arrivals
from simulator.errors import ConfigurationError
from simulator.topology.model import Call, Forward, Load, Role, Slo, Stage, Topology
from simulator.topology.objectives import LatencyObjective
from simulator.topology.reader import parse_topology, read_topology, samples_beside, write_topology
from tests.unit.topology.strategies import FAULTS, LIMITS, NAMES, SECONDS, SIZES, steps

PIPELINE = Path(__file__).parents[3] / "topologies" / "pipeline.yaml"

MISTAKES = """\
name: Orders
seed: -1
sedes: 1
stages:
  injector:
    role: injector
    load: {rate: 20, speed: 1}
    calls: [parse]
  parse:
    delay: lognormal(p50=80ms, p99=12ms)
    workers: 0
    calls: [enrich]
  enrich:
    faults:
      - error(503, 1%)
      - error(200, 1%)
    max_body: 1.5B
    path: /metrics
    calls: [enrich]
  front:
    calls: [nowhere, injector]
  price:
    role: pricer
    queue: many
    port: 99999
    calls:
      - {to: archive, timeout: 5, chance: 5%}
  archive:
    role: terminator
    calls: [parse]
  Stock:
    calls: []
  nothing:
"""


def read(text):
    return parse_topology(text, "file.yaml", no_samples, "default")


def refusal_of(text):
    """Give what is wrong with a topology, as (line, column, message)."""
    with pytest.raises(ConfigurationError) as refusal:
        read(text)
    return [(problem.line, problem.column, problem.message) for problem in refusal.value.problems]


def assert_shown(found, expected):
    """Check that the expected mistakes were found, and no others."""
    assert [(line, column) for line, column, _ in found] == [(line, column) for line, column, _ in expected]
    for (_, _, message), (_, _, fragment) in zip(found, expected, strict=True):
        assert fragment in message


def test_the_shipped_pipeline_is_what_it_says():
    """The default topology reads as the four stages that its comments promise."""
    topology = read_topology(PIPELINE)
    assert topology == Topology(
        name="pipeline",
        stages={
            "injector": Stage(
                role=Role.INJECTOR,
                load=Load(rate_per_second=20.0, arrivals=Arrivals.POISSON),
                calls=(Call(to="parse"),),
            ),
            "parse": Stage(
                delay=Lognormal(0.012, 0.08, 1.0),
                workers=8,
                queue=64,
                slo=Slo(latency=LatencyObjective(0.5, 0.99), errors_ratio=0.01),
                calls=(Call(to="enrich", timeout_seconds=30),),
            ),
            "enrich": Stage(delay=Uniform(0.005, 0.04), workers=16, queue=64, calls=(Call(to="archive"),)),
            "archive": Stage(role=Role.TERMINATOR, delay=Exponential(0.008)),
        },
    )
    assert list(topology.stages) == ["injector", "parse", "enrich", "archive"]


def test_a_written_topology_reads_back_as_the_same():
    """What the runner hands to its stages is what the user wrote."""
    topology = read_topology(PIPELINE)
    assert read(write_topology(topology)) == topology


FILES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85"), min_size=1)


@st.composite
def topologies(draw):
    """Make sound topologies: each processor may call what stands after it, the last stage is a terminator."""
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    stages = {}
    for index, name in enumerate(names[:-1]):
        later = st.sampled_from(names[index + 1 :])
        calls = draw(st.lists(steps(later), max_size=3))
        first = {"role": Role.INJECTOR, "load": Load(rate_per_second=draw(st.floats(1e-3, 1e6)))} if index == 0 else {}
        stages[name] = Stage(
            **first,
            delay=draw(st.builds(Constant, SECONDS) | st.builds(Exponential, SECONDS)),
            faults=tuple(draw(st.lists(FAULTS, max_size=2))),
            workers=draw(st.integers(1, 100_000)),
            rate_limit=draw(st.none() | LIMITS),
            instances=draw(st.integers(1, 100)) if index else 1,
            forward=draw(st.sampled_from(Forward)),
            response_size=draw(st.none() | SIZES),
            port=draw(st.none() | st.just(8100 + 100 * index)),
            calls=(*calls, Call(to=names[-1])),
        )
    stages[names[-1]] = Stage(role=Role.TERMINATOR, output=draw(st.none() | FILES))
    return Topology(name=draw(NAMES), seed=draw(st.none() | st.integers(0, 2**63 - 1)), stages=stages)


@settings(deadline=None, max_examples=50)
@given(topologies())
def test_any_topology_reads_back_as_the_same(topology):
    """Names that look like numbers or truth values, odd file names and all floats survive the file."""
    assert read(write_topology(topology)) == topology


def test_a_file_name_with_a_line_break_of_its_own_reads_back():
    """Also the rarest of characters in a file name survives the file that is handed to the stages."""
    topology = Topology(name="t", stages={"a": Stage(role=Role.TERMINATOR, output="in\x85out")})
    assert read(write_topology(topology)) == topology


def test_a_file_with_many_mistakes_shows_them_all():
    """Every mistake stands at its line and column, and only they are shown."""
    assert_shown(
        refusal_of(MISTAKES),
        [
            (1, 1, "name: 'Orders' must be lower-case letters, digits and dashes"),
            (2, 1, "seed: -1 is out of range: must be between 0 and 9223372036854775807"),
            (3, 1, "sedes: unknown key; allowed are name, seed, stages"),
            (7, 12, "stages.injector.load.rate: 20 has no unit: write 20/s"),
            (7, 22, "stages.injector.load.speed: unknown key; allowed are rate, arrivals, messages, concurrency"),
            (10, 5, "stages.parse.delay: p99 must be more than p50: 12ms is not more than 80ms"),
            (11, 5, "stages.parse.workers: 0 is out of range: must be between 1 and 100000"),
            (16, 9, "stages.enrich.faults[1]: '200' is not an HTTP error status: must be between 400 and 599"),
            (17, 5, "stages.enrich.max_body: '1.5B' is not a whole number of bytes"),
            (18, 5, "stages.enrich.path: '/metrics' is taken"),
            (19, 5, "stages.enrich.calls: the calls go round in a circle: enrich -> enrich"),
            (21, 13, "stages.front.calls[0]: there is no stage 'nowhere'; there are Stock, archive, enrich, front,"),
            (21, 22, "stages.front.calls[1]: 'injector' is an injector: nobody can call it"),
            (23, 5, "stages.price.role: 'pricer' is not one of injector, processor, terminator"),
            (24, 5, "stages.price.queue: 'many' is not a whole number"),
            (25, 5, "stages.price.port: 99999 is out of range: must be between 0 and 65535"),
            (27, 23, "stages.price.calls[0].timeout: 5 has no unit: write 5ms or 5s"),
            (27, 35, "stages.price.calls[0].chance: unknown key; allowed are to, timeout"),
            (30, 5, "stages.archive.calls: a terminator is the last stage: it can't call another"),
            (31, 3, "stages.Stock: 'Stock' must be lower-case letters, digits and dashes"),
            (33, 3, "stages.nothing: a processor needs calls; write `calls: []`"),
        ],
    )


def test_a_mistake_is_shown_with_its_file_line_and_column():
    """The text of an error begins like a compiler's, so that an editor can jump to it."""
    with pytest.raises(ConfigurationError) as refusal:
        read("name: orders\nstages:\n  a: {workers: 0, calls: []}\n")
    assert str(refusal.value).startswith("file.yaml:3:7: stages.a.workers: 0 is out of range")


HEAD = "stages:\n  in:\n    role: injector\n    calls: [end]\n  end:\n    role: terminator\n"


@pytest.mark.parametrize(
    ("more", "line", "column", "fragment"),
    [
        ("  a:\n    calls: [end, nobody]\n", 8, 18, "there is no stage 'nobody'; there are a, end, in"),
        ("  a:\n    calls: [in]\n", 8, 13, "'in' is an injector: nobody can call it"),
        ("  a:\n    calls: [a]\n", 8, 5, "the calls go round in a circle: a -> a"),
        (
            "  a:\n    port: 80\n    calls: []\n  b: {port: 80, calls: []}\n",
            10,
            7,
            "port 80 is already the port of 'a'",
        ),
        ("  end-2:\n    role: terminator\n", 7, 3, "no stage calls it, so no message can reach it"),
        ("  a:\n    load: {rate: 1/s}\n    calls: []\n", 8, 5, "only an injector has load; this stage is a processor"),
        ("  a:\n    calls: []\n    input: '-'\n", 9, 5, "only an injector has input; this stage is a processor"),
        ("  a:\n    output: x\n    calls: []\n", 8, 5, "only a terminator has output; this stage is a processor"),
        ("  a:\n    workers: 3\n", 7, 3, "a processor needs calls; write `calls: []` for one that only answers"),
        (
            "  a:\n    calls: [{to: end, chance: 5%}]\n",
            8,
            23,
            "chance: unknown key; allowed are to, timeout, deadline, ",
        ),
        (
            "  a:\n    calls:\n      - parallel:\n          - end\n          - nobody\n",
            11,
            13,
            "no stage 'nobody'; there",
        ),
        (
            "  a:\n    calls:\n      - end\n      - - end\n        - in\n",
            11,
            11,
            "'in' is an injector: nobody can call",
        ),
        ("  a:\n    calls: [{parallel: [end, [end, nobody]]}]\n", 8, 36, "calls[0].parallel[1][1]: there is no stage"),
        ("  a:\n    calls: [{to: end, fallback: nobody}]\n", 8, 23, "calls[0].fallback: there is no stage 'nobody'"),
        (
            "  a:\n    calls:\n      - to: end\n        fallback:\n          to: end\n          fallback: nobody\n",
            12,
            11,
            "calls[0].fallback.fallback: there is no stage 'nobody'",
        ),
        (
            "  a:\n    calls:\n      - choose:\n          - {to: end, weight: 90%}\n"
            "          - {to: nobody, weight: 10%}\n",
            11,
            13,
            "calls[0].choose[1]: there is no stage 'nobody'",
        ),
        (
            "  a:\n    calls:\n      - end\n      - choose: {end: 90%}\n",
            10,
            9,
            "stages.a.calls[1].choose: the weights must add up to 100%, not 90%",
        ),
        ("  a:\n    calls: [end, {parallel: [a]}]\n", 8, 5, "the calls go round in a circle: a -> a"),
        ("  a:\n    calls:\n      - parallel: end\n", 9, 9, "calls[0].parallel: must be a list of stages, as in"),
        (
            "  a:\n    calls: [{parallel: [end], choose: {}}]\n",
            8,
            31,
            "choose: unknown key; allowed are parallel, limit,",
        ),
        (
            "  a:\n    calls: []\n    instances: 2\n    faults:\n      - reset(1%)\n      - reset(1%, instance=3)\n",
            12,
            9,
            "stages.a.faults[1]: there is no instance 3; there are 2",
        ),
        (
            "  a:\n    calls: []\n    port: 80\n    instances: 2\n  b: {calls: [], port: 81}\n",
            11,
            18,
            "stages.b.port: port 81 is already the port of 'a'",
        ),
        (
            "  in-2:\n    role: injector\n    calls: [end]\n    instances: 2\n",
            10,
            5,
            "stages.in-2.instances: an injector is one process; use a higher rate, or a second injector",
        ),
        ("  a: {calls: [], forward: now}\n", 7, 18, "forward: 'now' is not one of wait, accept"),
        ("  a: {calls: [], rate_limit: 5}\n", 7, 18, "rate_limit: 5 has no unit: write 5/s"),
        (
            "  a: {calls: [], response_bytes: 0}\n",
            7,
            18,
            "response_bytes: 0 is out of range: must be between 1B and 16MiB",
        ),
        ("  a:\n    calls: [{timeout: 5s}]\n", 8, 13, "the key 'to' is missing"),
        ("  a: [end]\n", 7, 3, "must be a mapping of keys to values, not ['end']"),
        ("  1st: {calls: []}\n", 7, 3, "'1st' must be lower-case letters, digits and dashes, beginning with a letter"),
        ("  a: {calls: [], delay: samples(x)}\n", 7, 18, "samples(x) can't be used"),
        ("  in: {calls: []}\n", 7, 3, "the key 'in' stands twice"),
        ("\ta: {calls: []}\n", 7, 1, "not YAML"),
        ("seed: yes\n", 7, 1, "True is not a whole number"),
    ],
)
def test_one_mistake_is_one_problem_at_its_place(more, line, column, fragment):
    """A sound topology with one slip in it is refused for that slip alone, with its line and column."""
    assert read(HEAD).name == "default"
    assert_shown(refusal_of(HEAD + more), [(line, column, fragment)])


@pytest.mark.parametrize(
    "stage",
    [
        "{delay: uniform(5ms, 40ms), faults: [error(503, 1%), error(500, 2%)], calls: []}",
        "{calls: [], faults: ['error(503, 1%)', error(500, 2%)], delay: 'uniform(5ms, 40ms)'}",
        "{calls: [], faults: [error(503, 1%), error(500, 2%)], delay: uniform(5ms, 40ms)}",
    ],
)
def test_delays_and_faults_need_no_quotes_in_brackets(stage):
    """The natural way to write them works, though YAML itself splits a list in brackets at each comma."""
    assert read(f"stages: {{a: {stage}}}").stages == {
        "a": Stage(
            delay=Uniform(0.005, 0.04),
            faults=(Error(status=503, rate_ratio=0.01), Error(status=500, rate_ratio=0.02)),
            calls=(),
        )
    }


def test_calls_need_no_quotes_in_brackets():
    """Retries, breakers and sizes may be written within braces, though YAML itself splits them at each comma."""
    stage = read(
        "stages: {a: {calls: [{parallel: [{to: b, retries: retries(3, backoff=50ms, max=2s, budget=20%), "
        "breaker: breaker(failures=5, reset=10s), request_bytes: uniform(1KB, 10KB)}, b]}, "
        "{choose: {b: 90%, c: 10%}}], rate_limit: limit(50/s, burst=10), "
        "faults: [reset(1%, instance=1), slow_body(20B/s, 5%)]}, b: {calls: []}, c: {calls: []}}"
    ).stages["a"]
    call = stage.calls[0].parallel[0]
    assert str(call.retries) == "retries(3, backoff=50ms, max=2s, budget=20%)"
    assert str(call.breaker) == "breaker(failures=5, reset=10s)"
    assert str(call.request_size) == "uniform(1KB, 10KB)"
    assert stage.calls[0].parallel[1] == Call(to="b")
    assert [(one.to, one.weight_ratio) for one in stage.calls[1].choose] == [("b", 0.9), ("c", 0.1)]
    assert str(stage.rate_limit) == "limit(50/s, burst=10)"
    assert [str(fault) for fault in stage.faults] == ["reset(1%, instance=1)", "slow_body(20B/s, 5%)"]


def test_a_mixture_without_quotes_is_told_to_need_them():
    """YAML takes the colons of a mixture for its own, so the error says what to do about it."""
    [(line, _, message)] = refusal_of("stages:\n  a:\n    delay: mixture(95%: constant(0), 5%: constant(1s))\n")
    assert line == 3
    assert "needs quotes" in message
    text = "stages: {a: {delay: 'mixture(95%: constant(0), 5%: constant(1s))', calls: []}}"
    assert read(text).stages["a"].delay.quantile(0.99) == 1.0


def test_a_processor_may_call_nobody_on_purpose():
    """`calls: []` is a stage that only answers."""
    assert read("stages: {a: {calls: []}}").stages == {"a": Stage(calls=())}


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ("  a:\n    workers: 0\n    load: {rate: 1/s}\n    calls: []\n", [8, 9]),
        ("  a:\n    workers: 0\n    output: x\n    calls: []\n", [8, 9]),
        ("  a:\n    port: 80\n    calls: []\n  b:\n    workers: 0\n    port: 80\n    calls: []\n", [11, 12]),
        ("  a:\n    calls:\n      - nobody\n      - {to: end, timeout: 5}\n", [9, 10]),
        ("  a:\n    calls:\n      - {to: end, times: 0}\n      - parallel: [nobody]\n", [9, 10]),
        ("  a:\n    calls:\n      - {to: nobody, fallback: {to: end, hedge: 0s}}\n", [9, 9]),
        ("  a:\n    instances: 0\n    calls:\n      - parallel:\n          - end\n          - nobody\n", [8, 12]),
        ("  a:\n    workers: 0\n    instances: 2\n    faults: ['reset(1%, instance=3)']\n    calls: []\n", [8, 10]),
    ],
)
def test_one_mistake_hides_no_other(more, lines):
    """A stage with a wrong value in it is looked at for all its other mistakes too."""
    assert [line for line, _, _ in refusal_of(HEAD + more)] == lines


GROUPS_WITH_MISTAKES = """\
stages:
  in:
    role: injector
    instances: 2
    calls:
      - parallel:
          - {to: a, timeout: 5}
          - [a, {to: b, retries: many}]
        limit: 0
      - choose:
          - {to: a, weight: 50%, breaker: oops(1)}
          - {to: b, weight: 60%, fallback: {to: UP, times: 0}}
  a:
    port: 80
    instances: 3
    rate_limit: 5
    forward: later
    faults:
      - reset(1%, instance=4)
      - hang(1%)
    calls:
      - parallel: [nobody, [end, other]]
      - choose: {end: 90%, b: 5%}
  b:
    port: 82
    calls:
      - {to: nowhere, optional: maybe}
  end:
    role: terminator
  other:
    role: injector
    calls: [end]
"""


def test_every_mistake_in_groups_is_shown_at_once():
    """Mistakes of groups, of calls in them and of the wiring stand together, each at its line and column."""
    assert_shown(
        refusal_of(GROUPS_WITH_MISTAKES),
        [
            (4, 5, "stages.in.instances: an injector is one process"),
            (7, 21, "stages.in.calls[0].parallel[0].timeout: 5 has no unit"),
            (8, 25, "stages.in.calls[0].parallel[1][1].retries: 'many' is not a number of retries"),
            (9, 9, "stages.in.calls[0].limit: 0 is out of range"),
            (11, 34, "stages.in.calls[1].choose[0].breaker: write breaker(failures=5, reset=10s)"),
            (12, 45, "stages.in.calls[1].choose[1].fallback.to: 'UP' must be lower-case letters"),
            (12, 53, "stages.in.calls[1].choose[1].fallback.times: 0 is out of range"),
            (16, 5, "stages.a.rate_limit: 5 has no unit"),
            (17, 5, "stages.a.forward: 'later' is not one of wait, accept"),
            (20, 9, "stages.a.faults[1]: '1%' has the unknown unit '%'"),
            (22, 20, "stages.a.calls[0].parallel[0]: there is no stage 'nobody'"),
            (22, 34, "stages.a.calls[0].parallel[1][1]: 'other' is an injector: nobody can call it"),
            (23, 9, "stages.a.calls[1].choose: the weights must add up to 100%, not 95%"),
            (25, 5, "stages.b.port: port 82 is already the port of 'a'"),
            (27, 9, "there is no stage 'nowhere'"),
            (27, 23, "stages.b.calls[0].optional: 'maybe' is neither true nor false"),
        ],
    )


@pytest.mark.parametrize(
    ("calls", "line", "column"),
    [
        ("      - parallel: [end, {to: end, timeout: 5}]\n      - nobody\n", 10, 9),
        ("      - parallel: [{to: end, timeout: 5}, nobody]\n      - end\n", 9, 43),
        ("      - [end, {to: end, timeout: 5}]\n      - end\n      - parallel: [nobody]\n", 11, 20),
        ("      - {to: end, timeout: 5, fallback: end}\n      - nobody\n", 10, 9),
        ("      - {to: end, times: 0, fallback: nobody}\n", 9, 29),
        ("      - choose: {end: 10%, a-2: 80%}\n      - nobody\n", 10, 9),
    ],
)
def test_a_mistake_in_a_group_moves_no_other(calls, line, column):
    """A call to nobody stands at its own place, also behind or within a group with a wrong value."""
    found = refusal_of(HEAD + "  a:\n    calls:\n" + calls + "  a-2: {calls: []}\n")
    assert len(found) == 2
    assert [problem[:2] for problem in found if "no stage 'nobody'" in problem[2]] == [(line, column)]


@pytest.mark.parametrize("alternative", ["nobody: 10%", "UP: 10%", "end: x"])
def test_a_mistake_in_the_short_form_of_a_choice_stands_at_its_line(alternative):
    """In `{stable: 90%, canary: 10%}` each alternative is a key of its own, with a line of its own."""
    text = f"  a:\n    calls:\n      - choose:\n          in-2: 90%\n          {alternative}\n  in-2: {{calls: []}}\n"
    assert refusal_of(HEAD + text)[0][:2] == (11, 11)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a mapping with the key `stages`"),
        ("# nothing yet\n", "must be a mapping with the key `stages`"),
        ("- a\n- b\n", "must be a mapping with the key `stages`"),
        ("stages", "must be a mapping with the key `stages`"),
        ("name: orders\n", "stages: there must be at least one stage under the key `stages`"),
        ("stages: {}\n", "stages: there must be at least one stage under the key `stages`"),
        ("stages: [a, b]\n", "stages: there must be at least one stage under the key `stages`"),
        ("stages:\n", "stages: there must be at least one stage under the key `stages`"),
    ],
)
def test_a_file_without_stages_is_refused(text, message):
    """An empty file, a list and an empty mapping are told what a topology needs."""
    [(_, _, found)] = refusal_of(text)
    assert found == message


@pytest.mark.parametrize(
    ("stem", "name"), [("orders", "orders"), ("My Orders_2", "my-orders-2"), ("--a--", "a"), ("ORDERS", "orders")]
)
def test_a_topology_without_a_name_bears_its_files(tmp_path, stem, name):
    """A file's name is made a good name, and a name in the file beats it."""
    path = tmp_path / f"{stem}.yaml"
    path.write_text("stages: {a: {calls: []}}")
    assert read_topology(path).name == name
    path.write_text("name: given\nstages: {a: {calls: []}}")
    assert read_topology(path).name == "given"


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from([*"[]{}:, \n", "stages:", "\n  a: ", "calls", "[a]", "{}"])).map("".join))
def test_no_text_raises_anything_but_a_configuration_error(text):
    """Whatever a file holds, reading it ends in a topology or in problems that can be shown."""
    try:
        topology = read(text)
    except ConfigurationError as error:
        assert error.problems
    else:
        assert topology.stages


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name: \xff\xfe\n", "can't be read: 'utf-8' codec can't decode byte 0xff"),
        (b"name: orders\x00\n", "not YAML: unacceptable character #x0000"),
        (b"#" * (4 * 2**20 + 1), "can't be read: it is larger than 4194304 bytes"),
    ],
)
def test_a_file_that_is_no_text_or_too_much_is_refused(tmp_path, content, reason):
    """Bytes that are not UTF-8 and more of them than any topology needs are refused with the file's name."""
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as refusal:
        read_topology(path)
    assert str(refusal.value).startswith(f"{path}: {reason}")


def test_a_file_of_just_the_allowed_size_is_read(tmp_path):
    """The bound on the size is the last size that is good."""
    path = tmp_path / "file.yaml"
    text = b"stages: {a: {calls: []}}\n#"
    path.write_bytes(text + b"x" * (4 * 2**20 - len(text)))
    assert list(read_topology(path).stages) == ["a"]


def test_a_file_that_is_not_there_is_refused(tmp_path):
    """A missing file and a folder are told apart."""
    with pytest.raises(ConfigurationError) as missing:
        read_topology(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError) as folder:
        read_topology(tmp_path)
    assert str(missing.value) == f"{tmp_path / 'none.yaml'}: can't be read: No such file or directory"
    assert str(folder.value) == f"{tmp_path}: can't be read: Is a directory"


def test_samples_lie_beside_the_file(tmp_path):
    """A relative path is taken from the topology's folder; the topology that is written has the whole one."""
    (tmp_path / "measured.txt").write_text("20ms\n\n  10ms\n1.5s\n")
    path = tmp_path / "file.yaml"
    path.write_text("stages: {a: {delay: samples(measured.txt), calls: []}}")
    topology = read_topology(path)
    whole = str((tmp_path / "measured.txt").resolve())
    assert topology.stages["a"].delay == Samples(whole, (0.01, 0.02, 1.5))
    assert (
        parse_topology(write_topology(topology), "x", samples_beside(Path("/nowhere")), "x").stages == topology.stages
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("10ms\n5\n", "samples(measured.txt) can't be used: line 2: '5' has no unit: write 5ms or 5s"),
        ("\n\n", "samples(measured.txt) can't be used: there is no sample in it"),
        (None, "samples(measured.txt) can't be used: [Errno 2] No such file or directory"),
    ],
)
def test_wrong_samples_are_shown_with_their_line(tmp_path, content, reason):
    """The problem names the file of samples, and the line in it that is no duration."""
    if content is not None:
        (tmp_path / "measured.txt").write_text(content)
    path = tmp_path / "file.yaml"
    path.write_text("stages:\n  a:\n    delay: samples(measured.txt)\n    calls: []\n")
    with pytest.raises(ConfigurationError) as refusal:
        read_topology(path)
    [problem] = refusal.value.problems
    assert (problem.source, problem.line, problem.column) == (str(path), 3, 5)
    assert problem.message.startswith(f"stages.a.delay: {reason}")
