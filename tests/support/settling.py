"""The settings of a stage, single or in a topology, only from flags."""

import pytest

from simulator.behaviour.delays import no_samples
from simulator.errors import ConfigurationError
from simulator.topology.layers import Given
from simulator.topology.reader import parse_topology, read_topology
from simulator.topology.settings import resolve_stage, resolve_topology_stage
from tests.support.processes import ROOT

PIPELINE = ROOT / "topologies" / "pipeline.yaml"
URL = "http://127.0.0.1:8081/messages"


def flags(values):
    return {key: Given(value, f"flag --{key.lower()}") for key, value in values.items()}


def resolve(**values):
    """Return the settings of a single stage from flags."""
    return resolve_stage(flags(values), no_samples)


def resolve_in_pipeline(name, **values):
    """Return the settings of a stage of the pipeline, with flags that change it."""
    return resolve_topology_stage(read_topology(PIPELINE), name, flags(values), no_samples)


def resolve_in(text, name, **values):
    """Return the settings of a stage of a topology given as text, with flags that change it."""
    return resolve_topology_stage(parse_topology(text, "file.yaml", no_samples, "t"), name, flags(values), no_samples)


def refusal_of(call, *names, **values):
    with pytest.raises(ConfigurationError) as refusal:
        call(*names, **values)
    return [str(problem) for problem in refusal.value.problems]
