"""The catalogue of keys: one entry for each key, from which flags, tables and checks are made."""

from __future__ import annotations

import ast
import re

import pytest

from simulator.engine.live import CHANGEABLE, OPERATION_CHANGEABLE
from simulator.topology import layers, settings
from simulator.topology.catalogue import PLACES, all_keys, flags, keys_of
from simulator.topology.document import parse_document
from simulator.topology.load import Load
from simulator.topology.model import Operation, Stage, Topology
from simulator.topology.process import Process
from simulator.topology.structure import in_order, structure
from tests.support.processes import ROOT

SAMPLE = ROOT / "instance" / "config.py.sample"
# What a place needs beside the key that is tried.
NEEDED = {"log line": {"message": "x"}, "call": {"to": "a"}, "pause": {"delay": "1ms"}, "choose": {"choose": {"a": 1}}}
NEEDED |= {"parallel": {"parallel": ["a"]}, "in order": {"steps": ["a"]}, "topology": {"name": "a"}}
IN_FILES = [key for key in all_keys() if key.place != "process"]


def test_every_field_that_a_file_can_have_is_in_the_catalogue():
    """A field without a sentence has no key of its own: other keys, or how they are written, tell it."""
    left_out = {
        (place, name)
        for place, record in PLACES.items()
        for name in record.__dataclass_fields__
        if name not in {key.field for key in keys_of(record).values()}
    }
    assert left_out == {("topology", "stages"), ("call", "operation"), ("in order", "is_named")}


@pytest.mark.parametrize("key", all_keys(), ids=lambda key: f"{key.place}.{key.name}")
def test_every_key_has_a_sentence_and_an_example(key):
    """The sentence ends with a full stop, and can begin a line."""
    assert re.fullmatch(r"[A-Za-z].*\.", key.about.sentence)
    assert key.about.example


@pytest.mark.parametrize("key", IN_FILES, ids=lambda key: f"{key.place}.{key.name}")
def test_every_example_is_a_good_one(key):
    """It is read as what stands after the key in a file."""
    value = parse_document(key.about.example, "").value
    needed = {"instances": 2} if key.name == "resource" else NEEDED.get(key.place, {})
    _, problems = structure(needed | {key.name: value}, PLACES[key.place])
    assert problems == []


def test_the_keys_of_a_process_are_flags_of_the_catalogue():
    """A flag, a variable and a name in the file for each, and nothing else."""
    assert dict(layers.KEYS) == {name: key.flag_text for name, key in flags().items()}
    assert set(keys_of(Process)) == {name.lower() for name, key in flags().items() if key.place == "process"}
    for name, key in flags().items():
        in_patch = settings._keys(name)
        assert name in settings._APART_KEYS or in_patch[-1] == key.name


def test_what_can_be_changed_is_what_the_catalogue_says():
    """Nothing else is changed by /control, and everything that is said to be."""
    assert set(CHANGEABLE) == {name for name, key in keys_of(Stage).items() if key.about.live}
    assert set(OPERATION_CHANGEABLE) == {name for name, key in keys_of(Operation).items() if key.about.live}
    assert [name for name, key in keys_of(Load).items() if key.about.live] == ["rate", "profile", "arrivals"]


def test_the_sample_of_a_configuration_has_every_key_and_no_other():
    """Each stands there once, with a value or as an example, and its value is a good one."""
    text = SAMPLE.read_text()
    found = re.findall(r"^(?:# )?([A-Z_]+) = ", text, re.MULTILINE)
    assert set(found) == set(flags())
    examples = re.findall(r"^(?:# )?([A-Z_]+) = (.+?)(?:  #.*)?$", text, re.MULTILINE)
    for name, written in examples:
        key, value = flags()[name], ast.literal_eval(written)
        if key.place != "process":
            _, problems = structure(NEEDED.get(key.place, {}) | {key.name: value}, PLACES[key.place])
            assert problems == [], name


def test_every_key_has_its_place_in_the_order_of_a_file():
    """A stage is written with all its keys in one order."""
    assert set(in_order(keys_of(Stage))) == set(keys_of(Stage))
    assert list(keys_of(Topology)) == ["name", "seed", "drain_timeout", "thresholds", "expect"]
