"""Whatever is written in place of a value, the result is settings that work or an error that names the place."""

from __future__ import annotations

import math
import time

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.behaviour.delays import no_samples
from simulator.errors import ConfigurationError
from simulator.local.plan import Overrides, apply_overrides
from simulator.topology.changes import patch_of
from simulator.topology.layers import KEYS, Given, from_config_file, from_environment, from_flags
from simulator.topology.model import Stage
from simulator.topology.reader import parse_topology
from simulator.topology.settings import resolve_stage, resolve_topology_stage
from simulator.topology.structure import structure
from tests.support.examples import examples

TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        *("", "-", "1", "0", "-1", "1_0", "٣", "1" * 5000, "1e999", "nan", "\x1b[2J", "\0", "\ud800", "a=b", "true"),
        *("http://[", "x/../y", "constant(1s)", "constant(", "uniform(1s, 2s)", "error(503, 5%)", "retries(1)"),
        *("50/s", "1m30s", "a;b", "a,b"),
    ]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 2**63, 5e-324, math.inf, math.nan])
LEAVES = st.none() | st.booleans() | TEXTS | NUMBERS | st.binary(max_size=5)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(
            TEXTS | st.sampled_from(["to", "parallel", "choose", "rate", "fallback", "weight"]), inner, max_size=3
        )
        | st.dictionaries(st.integers() | st.none() | st.binary(max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
) | st.sets(st.integers(), max_size=2)
TOPOLOGY = parse_topology(
    "stages:\n  in: {role: injector, load: {rate: 20/s}, calls: [mid]}\n"
    "  mid: {calls: [end]}\n  end: {role: terminator}\n",
    "file.yaml",
    no_samples,
    "any",
)
ROLES = st.sampled_from(["injector", "processor", "terminator"])


def is_refused_cleanly(function):
    """Call a function; if it refuses, its error must say so in printable text of bounded length."""
    try:
        function()
    except ConfigurationError as error:
        assert error.problems
        assert str(error).replace("\n", "").isprintable()
        assert len(str(error)) < 250_000
        assert "Traceback" not in str(error)
        assert "int_max_str_digits" not in str(error)
        return True
    return False


@examples(300)
@given(st.dictionaries(st.sampled_from(sorted(KEYS)), VALUES, min_size=1, max_size=3))
@example({"NAME": ["x", 1]})
@example({"NAME": {"x": 1}, "DOWNSTREAM": "http://127.0.0.1:1/x"})
@example({"ROLE": ["x", 1], "RATE": [1]})
@example({"DOWNSTREAM": [["x"], None]})
@example({"INSTANCE": 10**400, "SEED": -(10**400)})
def test_any_value_of_any_key(values):
    """A configuration of any Python values is resolved, or refused with the file's name and the line."""
    given_ = {key: Given(value, "config.py", 7) for key, value in values.items()}
    is_refused_cleanly(lambda: resolve_stage(given_, no_samples))
    is_refused_cleanly(lambda: resolve_topology_stage(TOPOLOGY, "mid", given_, no_samples))


@pytest.mark.parametrize("key", sorted(KEYS))
@pytest.mark.parametrize(
    "value",
    [
        "['x', 1]",
        "{'x': 1}",
        "{1, 2}",
        "('x', [1])",
        "b'x'",
        "float('nan')",
        "float('inf')",
        "10**5000",
        "[[[]]]",
        "object()",
    ],
)
def test_a_value_of_a_wrong_type_is_reported_at_its_line(tmp_path, key, value):
    """Every key of instance/config.py with every wrong type is an error at the line of its assignment."""
    path = tmp_path / "config.py"
    path.write_text(f"# a comment\n{key} = {value}\n")
    with pytest.raises(ConfigurationError) as refusal:
        resolve_stage(from_config_file(path), no_samples)
    assert any((problem.source, problem.line) == (str(path), 2) for problem in refusal.value.problems)
    assert len(str(refusal.value)) < 5000


@examples(200)
@given(st.dictionaries(st.sampled_from(sorted(KEYS)), TEXTS, min_size=1, max_size=4))
def test_any_text_of_the_environment_and_the_flags(texts):
    """The same for the other two sources, which give only text."""
    variables = from_environment({f"SIMULATOR_{key}": text for key, text in texts.items()})
    is_refused_cleanly(lambda: resolve_stage(variables, no_samples))
    is_refused_cleanly(lambda: resolve_topology_stage(TOPOLOGY, "in", from_flags(texts), no_samples))


STAGE_KEYS = st.sampled_from(
    ["role", "delay", "faults", "calls", "load", "instances", "workers", "queue", "path", "slo"]
)


@examples(200)
@given(st.dictionaries(STAGE_KEYS | TEXTS, VALUES, max_size=4), st.dictionaries(STAGE_KEYS | TEXTS, VALUES, max_size=2))
def test_any_value_in_a_topology(first, second):
    """A file of anything YAML can express, and plain values that it can't."""
    assert structure(first, Stage)
    try:
        text = yaml.dump({"name": "x", "stages": {"a": first, "b": second}}, Dumper=yaml.SafeDumper)
    except (yaml.YAMLError, ValueError):  # what YAML can't express, such as a whole number of 5,000 digits
        return
    is_refused_cleanly(lambda: parse_topology(text, "file.yaml", no_samples, "any"))


@examples(150)
@given(
    st.lists(st.tuples(st.sampled_from(["in.", "mid.", "calls.end.", ""]), STAGE_KEYS, TEXTS), max_size=3),
    st.builds(Overrides, rate=st.none() | TEXTS, messages=st.none() | st.integers(), input=st.none() | TEXTS),
)
def test_any_text_of_run_and_set(sets, overrides):
    """`--set`, the other flags of `run`, and the changes of `set`."""
    texts = tuple(f"{place}{key}={text}" for place, key, text in sets)
    is_refused_cleanly(
        lambda: apply_overrides(
            TOPOLOGY, Overrides(rate=overrides.rate, messages=overrides.messages, sets=texts), no_samples
        )
    )
    is_refused_cleanly(lambda: patch_of(texts))


FIELDS = [
    *("delay: {}", "path: {}", "host: {}", "rate_limit: {}", "max_body: {}", "response_bytes: {}", "workers: {}"),
    *("queue: {}", "instances: {}", "port: {}", "forward: {}", "role: {}", "faults: [{}]", "faults: {}", "output: {}"),
    *("slo: {{latency: {}}}", "slo: {{errors: {}}}", "load: {{rate: {}}}", "load: {{messages: {}}}", "calls: [{}]"),
    *("calls: [{{to: b, timeout: {}}}]", "calls: [{{to: b, retries: {}}}]", "calls: [{{to: b, breaker: {}}}]"),
    *("calls: [{{to: b, probability: {}}}]", "calls: [{{to: b, times: {}}}]", "calls: [{{to: b, optional: {}}}]"),
    *("delay: 'constant({})'", "delay: 'pareto(min=1ms, shape={})'", "faults: ['error({}, 5%)']", "delay: 'a{}'"),
    *("delay: 'percentiles(p{}=1ms)'", "calls: [{{to: b, retries: 'retries({})'}}]", "faults: ['slow_body({}, 5%)']"),
]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("pattern", ["1", " ", "(", ",", "-", "1.", "1m", "a("])
@pytest.mark.long
def test_no_field_takes_long_over_a_long_text(field, pattern):
    """20,000 characters of anything in any field are refused quickly; they once took a minute."""
    began = time.process_time()
    for length in (20_000, 500_000):
        text = pattern * (length // len(pattern))
        quoted = text if "'" in field else f"'{text}'"
        source = f"stages:\n  b: {{calls: []}}\n  a:\n    {field.format(quoted)}\n"
        assert is_refused_cleanly(lambda source=source: parse_topology(source, "file.yaml", no_samples, "any"))
    assert time.process_time() - began < 5
