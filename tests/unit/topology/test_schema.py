"""The JSON Schema of a topology file: it passes every good file, and refuses nothing that the reader takes."""

from __future__ import annotations

import copy
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from simulator.behaviour.delays import no_samples
from simulator.errors import ConfigurationError
from simulator.generation.command import generate_text, plan_of
from simulator.topology.catalogue import all_keys
from simulator.topology.document import parse_document
from simulator.topology.reader import parse_topology, write_topology
from simulator.topology.scalars import CoreDumper
from simulator.topology.schema import schema_text, topology_schema
from tests.support.processes import ROOT

READY_MADE = sorted((ROOT / "topologies").rglob("*.yaml"))
FILE = ROOT / "topologies" / "schema.json"
VALIDATOR = Draft202012Validator(topology_schema())
RICH = """
version: 1
name: rich
x-shared: {anything: [1, 2]}
defaults: {stages: {queue: 50}, calls: {timeout: 2s}}
stages:
  in:
    role: injector
    load: {rate: 20/s, arrivals: constant, messages: 5, concurrency: 3}
    decide: {hit: 90%, tenant: {gold: 5%, silver: 95%}, items: uniform(1, 8), version: 3, fast: true}
    calls: [front.page]
  front:
    instances: 2..6
    operations:
      page:
        path: "/pages/{id}"
        faults: ['error(503, 5%, "sold out", when="tenant = gold")', "hang(2s, 1%)"]
        calls:
          - {delay: 3ms, when: not hit}
          - {to: end, probability: 10%, times: items, retries: 2, optional: true, fallback: other, hedge: 50ms}
          - {to: end, retries: "retries(2, backoff=50ms)", breaker: "breaker(failures=5, reset=10s)", deadline: 2s}
          - {to: end, fallback: [other, {delay: 1ms}], headers: {X-Tenant: gold}, request_bytes: "uniform(1KB, 2KB)"}
          - {parallel: [end, [end, other], {steps: [end], times: 2}], limit: 2, pick: 2, on_error: [other]}
          - {choose: {end: 1, other: 10}}
          - {choose: [{to: end, weight: 1}, {steps: [other, end], weight: 3}, other], when: hit}
      bare:
        attributes: {app.user: pick(10000), app.plan: {free: 90%, paid: 10%}}
        log: ["found {app.user}", {level: warning, message: "slow {app.user}"}]
  end: {role: terminator, output: out.jsonl, slo: {latency: 300ms@99%, errors: 0.1%}}
  other: {delay: "growing(exponential(20ms), full=3)", rate_limit: 50/s, response_bytes: 512, max_body: 1MiB}
"""


def value_of(text):
    return parse_document(text, "file.yaml").value


def is_read(value):
    try:
        parse_topology(yaml.dump(value, Dumper=CoreDumper), "file.yaml", no_samples, "any")
    except ConfigurationError:
        return False
    return True


def test_the_schema_that_is_checked_in_is_the_one_of_the_code():
    """`make tables` writes it; it is a schema itself."""
    assert FILE.read_text() == schema_text()
    Draft202012Validator.check_schema(json.loads(FILE.read_text()))


@pytest.mark.parametrize("path", READY_MADE, ids=lambda path: path.stem)
def test_every_ready_made_file_passes_and_names_the_schema(path):
    """An editor finds the schema by the comment, and has nothing to say of the file."""
    text = path.read_text()
    schema = "schema.json" if path.parent == FILE.parent else "../schema.json"
    assert text.startswith(f"# yaml-language-server: $schema={schema}\n")
    assert [error.message for error in VALIDATOR.iter_errors(value_of(text))] == []


@pytest.mark.parametrize("seed", range(3))
def test_generated_files_pass(seed):
    """With every option that a call can have."""
    text = generate_text(plan_of(stages=40, seed=seed, name="large", rate="10/s", options="50%", faults="20%")).text
    assert [error.message for error in VALIDATOR.iter_errors(value_of(text))] == []


def test_a_file_with_every_kind_of_step_passes_as_it_is_written_and_read_again():
    """Short and long forms alike."""
    assert [error.message for error in VALIDATOR.iter_errors(value_of(RICH))] == []
    again = write_topology(parse_topology(RICH, "file.yaml", no_samples, "any"))
    assert [error.message for error in VALIDATOR.iter_errors(value_of(again))] == []


@pytest.mark.parametrize(
    "key",
    [key for key in all_keys() if key.place not in ("process", "topology")],
    ids=lambda key: f"{key.place}.{key.name}",
)
def test_every_key_is_explained_in_the_schema(key):
    """With the sentence and the example of the catalogue."""
    names = {"in order": "steps", "log line": "logline"}
    record = topology_schema()["$defs"][names.get(key.place, key.place)]
    found = record.get("anyOf", [record])[-1]["properties"][key.name]
    assert found["description"] == key.about.sentence
    whole = {**topology_schema(), "required": [], "properties": {"x": found}}
    assert Draft202012Validator(whole).is_valid({"x": found["examples"][0]})


@pytest.mark.parametrize(
    "text",
    [
        "stages: {a: {worker: 8}}",
        "stages: {a: {workers: many}}",
        "stages: {a: {workers: 0}}",
        "stages: {a: {delay: wibble(5ms)}}",
        "stages: {a: {delay: 5}}",
        "stages: {a: {faults: [oops(5%)]}}",
        "stages: {a: {calls: b}}",
        "stages: {a: {calls: [{to: b, timeout: 5}]}}",
        "stages: {a: {calls: [{choose: {}}]}}",
        "stages: {a: {role: source}}",
        "stages: {a b: {}}",
        "stages: {}",
        "stages: [a]",
        "stage: {a: {}}",
        "version: 2\nstages: {a: {}}",
    ],
)
def test_the_schema_says_something(text):
    """It refuses what is often written wrong, as the reader does."""
    assert not VALIDATOR.is_valid(value_of(text))
    assert not is_read(value_of(text))


def test_a_newer_version_is_refused():
    """As for a file, with what this program knows."""
    with pytest.raises(ConfigurationError, match="knows version 1 of a topology file, not 2: a newer one may know it"):
        topology_schema(2)


GOOD = [value_of(RICH), *(value_of(path.read_text()) for path in READY_MADE)]
NAMES = st.sampled_from(
    sorted({key.name for key in all_keys()} | {"weight", "version", "defaults", "x-a", "read", "a"})
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 200_000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=5)
    | st.sampled_from(
        ["5ms", "1s", "5%", "20/s", "1KB", "constant(5ms)", " exponential(5ms) ", "error(503, 5%)", "TRUE"]
    )
    | st.sampled_from(["end", "other", "front.page", "GET", "2..6", "3", "0", "/x", "poisson", "not hit", "items"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=4
)


def places_in(value, place=()):
    """Return every place of a value that something can be put into."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, one in inner for found in places_in(one, (*place, key)))]


@st.composite
def mutated(draw):
    """Return a good file with a few values put in place of others, or added, or taken away."""
    value = copy.deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 2))):
        *outer, last = draw(st.sampled_from([place for place in places_in(value) if place]))
        target = value
        for key in outer:
            target = target[key]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                target[last] = draw(VALUES)
            case "remove":
                del target[last]
            case "add" if isinstance(target, dict):
                target[draw(NAMES)] = draw(VALUES)
            case _:
                target.append(draw(VALUES))
    return value


@given(mutated())
def test_what_the_schema_refuses_the_reader_refuses(value):
    """No good file is marked in an editor."""
    if not VALIDATOR.is_valid(value):
        assert not is_read(value)


@pytest.mark.parametrize("place", ["workers", "delay", "operations", "calls", "load", "slo", "input", "decide", "log"])
@given(value=VALUES)
def test_no_value_of_a_key_is_refused_by_the_schema_alone(place, value):
    """Also of keys that no ready-made file has."""
    whole = {"stages": {"a": {"role": "injector", "load": {"rate": "1/s"}, "calls": ["end"], place: value}, "end": {}}}
    if not VALIDATOR.is_valid(whole):
        assert not is_read(whole)
