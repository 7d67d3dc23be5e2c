"""A topology file to a Topology, and back, whatever is in it; and files that are not a topology."""

import codecs
import contextlib
import gc
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.behaviour.arrivals import PoissonArrivals
from simulator.behaviour.distributions import Constant, Exponential, Lognormal, Uniform
from simulator.behaviour.empirical import Samples
from simulator.behaviour.faults.error import Error
from simulator.errors import ConfigurationError
from simulator.topology.load import Load
from simulator.topology.model import Forward, Role, Stage, Topology
from simulator.topology.objectives import LatencyObjective, Slo
from simulator.topology.reader import parse_topology, read_topology, write_topology
from simulator.topology.samples import samples_beside
from simulator.topology.steps import Call
from simulator.topology.walking import with_calls_changed
from tests.support.examples import examples
from tests.support.reading import read, refusal_of
from tests.unit.topology.strategies import (
    DECISIONS,
    FAULTS,
    LIMITS,
    NAMES,
    SECONDS,
    SIZES,
    in_order,
    steps,
    with_operations,
)

PIPELINE = Path(__file__).parents[3] / "topologies" / "pipeline.yaml"


def test_the_shipped_pipeline_is_what_it_says():
    """The default topology reads as the four stages that its comments promise."""
    topology = read_topology(PIPELINE)
    assert topology == Topology(
        name="pipeline",
        stages={
            "injector": Stage(
                role=Role.INJECTOR,
                load=Load(rate_per_second=20.0, arrivals=PoissonArrivals()),
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
    """What the runner gives to its stages is what the user wrote."""
    topology = read_topology(PIPELINE)
    assert read(write_topology(topology)) == topology


FILES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\0"), min_size=1)


@st.composite
def topologies(draw):
    """Return valid topologies: each processor may call the stages after it, the last stage is a terminator."""
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    stages = {}
    for index, name in enumerate(names[:-1]):
        later = st.sampled_from(names[index + 1 :])
        calls = draw(in_order(steps(later)))
        first = {"role": Role.INJECTOR, "load": Load(rate_per_second=draw(st.floats(1e-3, 1e6)))} if index == 0 else {}
        stages[name] = Stage(
            **first,
            decide=DECISIONS,
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
        if index and draw(st.booleans()):
            more = in_order(steps(later)).map(lambda calls, last=names[-1]: (*calls, Call(to=last)))
            stages[name] = draw(with_operations(stages[name], more))
    stages[names[-1]] = Stage(role=Role.TERMINATOR, output=draw(st.none() | FILES))
    stages = {name: named(draw, stage, stages) for name, stage in stages.items()}
    return Topology(name=draw(NAMES), seed=draw(st.none() | st.integers(0, 2**63 - 1)), stages=stages)


def named(draw, stage, stages):
    """Return a stage whose calls to stages with operations name one of them, with no body where it takes none."""

    def change(call):
        known = stages[call.to].all_operations
        operation = draw(st.sampled_from(sorted(known)))
        size = call.request_size if known[operation].method.has_body else None
        return replace(call, operation=operation, request_size=size)

    def changed(operation):
        return replace(operation, calls=with_calls_changed(operation.calls, change))

    return replace(changed(stage), operations={name: changed(of) for name, of in stage.operations.items()})


@examples(50)
@given(topologies())
def test_any_topology_reads_back_as_the_same(topology):
    """Names that look like numbers or booleans, odd file names and all floats survive the file."""
    assert read(write_topology(topology)) == topology


def test_a_file_name_with_a_line_break_of_its_own_reads_back():
    """Even the rarest character in a file name survives the file that the stages get."""
    topology = Topology(name="t", stages={"a": Stage(role=Role.TERMINATOR, output="in\x85out")})
    assert read(write_topology(topology)) == topology


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
    assert [(one.step.to, one.weight) for one in stage.calls[1].choose] == [("b", 0.9), ("c", 0.1)]
    assert str(stage.rate_limit) == "limit(50/s, burst=10)"
    assert [str(fault) for fault in stage.faults] == ["reset(1%, instance=1)", "slow_body(20B/s, 5%)"]


def test_the_error_about_a_mixture_without_quotes_asks_for_them():
    """YAML takes the colons of a mixture for its own, so the error says that quotes are needed."""
    [(line, _, message)] = refusal_of("stages:\n  a:\n    delay: mixture(95%: constant(0), 5%: constant(1s))\n")
    assert line == 3
    assert message.endswith("put it in quotes: 'mixture(95%: constant(0), 5%: constant(1s))'")
    text = "stages: {a: {delay: 'mixture(95%: constant(0), 5%: constant(1s))', calls: []}}"
    assert read(text).stages["a"].delay.quantile(0.99) == 1.0


def test_a_processor_may_call_nobody():
    """`calls: []` is a stage that only answers."""
    assert read("stages: {a: {calls: []}}").stages == {"a": Stage(calls=())}


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        *(("orders", "orders"), ("My Orders_2", "my-orders-2"), ("--a--", "a"), ("ORDERS", "orders")),
        *(("2nd", "topology-2nd"), ("2026-11-25", "topology-2026-11-25"), ("注文", "topology"), ("注文-v2", "v2")),
        *(("Überblick", "uberblick"), ("...", "topology"), ("a" * 80, "a" * 63), ("a" * 62 + "-b", "a" * 62)),
    ],
)
def test_a_topology_without_a_name_is_named_after_its_file(tmp_path, stem, name):
    """A file's name is turned into a valid name, and a name in the file beats it."""
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
        (b"name: \xff\xfe\n", "can't be read: it is not UTF-8: byte 0xff in line 1"),
        (b"name: x\r\n# caf\xe9\r\n", "can't be read: it is not UTF-8: byte 0xe9 in line 2"),
        ("name: orders\n".encode("utf-16"), "can't be read: it is in UTF-16: save it as UTF-8"),
        (
            codecs.BOM_UTF16_BE + "name: orders\n".encode("utf-16-be"),
            "can't be read: it is in UTF-16: save it as UTF-8",
        ),
        ("name: orders\n".encode("utf-32"), "can't be read: it is in UTF-32: save it as UTF-8"),
        (b"name: orders\x00\n", "not YAML: unacceptable character #x0000"),
        (b"#" * (4 * 2**20 + 1), "can't be read: it is larger than 4194304 bytes"),
    ],
)
def test_a_file_that_is_not_text_or_too_large_is_refused(tmp_path, content, reason):
    """Bytes that are not UTF-8, and more bytes than any topology needs, are refused with the file's name."""
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as refusal:
        read_topology(path)
    assert str(refusal.value).startswith(f"{path}: {reason}")


def test_a_byte_order_mark_and_other_line_ends_change_nothing(tmp_path):
    """Some editors write them: the topology and its samples are the same, and so are the places of mistakes."""
    path, samples = tmp_path / "file.yaml", tmp_path / "measured.txt"
    samples.write_bytes(codecs.BOM_UTF8 + b"20ms\r\n10ms\r\n")
    text = "name: orders\r\nstages:\r\n  a:\r\n    delay: samples(measured.txt)\r\n    calls: []\r\n"
    path.write_bytes(codecs.BOM_UTF8 + text.encode())
    topology = read_topology(path)
    assert (topology.name, topology.stages["a"].delay.sorted_seconds) == ("orders", (0.01, 0.02))
    path.write_bytes(codecs.BOM_UTF8 + text.replace("name", "nome").encode())
    with pytest.raises(ConfigurationError) as refusal:
        read_topology(path)
    assert [(problem.line, problem.column) for problem in refusal.value.problems] == [(1, 1)]


def test_text_that_yaml_1_1_takes_for_something_else_reads_back():
    """Text is quoted wherever a reader of either version would take it for a number or a boolean."""
    for text in ("0o17", "1e3", "010", "1:30", "yes", "null", "2026-11-25", "0x10", "1_000", ".5", "=", "<<", "~"):
        topology = Topology(name="orders", stages={"a": Stage(role=Role.TERMINATOR, output=text)})
        written = write_topology(topology)
        assert read(written) == topology
        assert yaml.safe_load(written)["stages"]["a"]["output"] == text


def test_a_file_of_samples_is_read_once(tmp_path):
    """Many stages may share one file; and one that is wrong is wrong for each of them."""
    measured = tmp_path / "measured.txt"
    measured.write_text("10ms\n" * 20_000 + "x\n")
    stages = "".join(f"  s{number}: {{delay: samples(measured.txt), calls: []}}\n" for number in range(50))
    path = tmp_path / "file.yaml"
    path.write_text(f"stages:\n{stages}")
    began = time.process_time()
    with pytest.raises(ConfigurationError) as refusal:
        read_topology(path)
    assert len(refusal.value.problems) == 50
    measured.write_text("10ms\n" * 20_000)
    delays = {id(stage.delay) for stage in read_topology(path).stages.values()}
    assert len(delays) == 1
    assert time.process_time() - began < 30


def test_a_file_of_just_the_allowed_size_is_read(tmp_path):
    """The bound on the size is the largest valid size."""
    path = tmp_path / "file.yaml"
    text = b"stages: {a: {calls: []}}\n#"
    path.write_bytes(text + b"x" * (4 * 2**20 - len(text)))
    assert list(read_topology(path).stages) == ["a"]


def test_a_missing_file_is_refused(tmp_path):
    """A missing file and a folder have different errors."""
    with pytest.raises(ConfigurationError) as missing:
        read_topology(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError) as folder:
        read_topology(tmp_path)
    assert str(missing.value) == f"{tmp_path / 'none.yaml'}: can't be read: No such file or directory"
    assert str(folder.value) == f"{tmp_path}: can't be read: Is a directory"


def test_samples_lie_beside_the_file(tmp_path):
    """A relative path starts at the topology's folder; the topology that is written has the absolute one."""
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
        ("\n\n", "samples(measured.txt) can't be used: the file has no samples"),
        (None, "samples(measured.txt) can't be used: [Errno 2] No such file or directory"),
    ],
)
def test_wrong_samples_are_shown_with_their_line(tmp_path, content, reason):
    """The problem names the file of samples, and the line in it that is not a duration."""
    if content is not None:
        (tmp_path / "measured.txt").write_text(content)
    path = tmp_path / "file.yaml"
    path.write_text("stages:\n  a:\n    delay: samples(measured.txt)\n    calls: []\n")
    with pytest.raises(ConfigurationError) as refusal:
        read_topology(path)
    [problem] = refusal.value.problems
    assert (problem.source, problem.line, problem.column) == (str(path), 3, 5)
    assert problem.message.startswith(f"stages.a.delay: {reason}")


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_as_it_was_after_reading(tmp_path, enabled):
    """Reading pauses it, and a mistake in the file does not leave it so."""
    path = tmp_path / "t.yaml"
    before = gc.isenabled()
    try:
        for text in ("stages: {a: {calls: []}}", "stages: 1"):
            path.write_text(text)
            (gc.enable if enabled else gc.disable)()
            with contextlib.suppress(ConfigurationError):
                read_topology(path)
            assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
