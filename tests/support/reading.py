"""Reading a topology from a test, and its mistakes."""

import pytest

from simulator.behaviour.delays import no_samples
from simulator.errors import ConfigurationError
from simulator.topology.reader import parse_topology

HEAD = "stages:\n  in:\n    role: injector\n    calls: [end]\n  end:\n    role: terminator\n"


def read(text):
    return parse_topology(text, "file.yaml", no_samples, "default")


def refusal_of(text):
    """Return what is wrong with a topology, as (line, column, message)."""
    with pytest.raises(ConfigurationError) as refusal:
        read(text)
    return [(problem.line, problem.column, problem.message) for problem in refusal.value.problems]


def assert_shown(found, expected):
    """Check that the expected mistakes were found, and no others."""
    assert [(line, column) for line, column, _ in found] == [(line, column) for line, column, _ in expected]
    for (_, _, message), (_, _, fragment) in zip(found, expected, strict=True):
        assert fragment in message
