"""Where the processes of a run leave what they tell."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.telemetry.run_files import RunFiles, labels

FILES = RunFiles(Path("runs/pipeline"))


def test_the_files_of_a_run():
    """Each file has its place in the run's folder."""
    assert FILES.topology == Path("runs/pipeline/topology.yaml")
    assert FILES.addresses == Path("runs/pipeline/addresses.json")
    assert FILES.control_token == Path("runs/pipeline/control-token")
    assert FILES.report == Path("runs/pipeline/report.json")
    assert FILES.log("parse.2") == Path("runs/pipeline/logs/parse.2.jsonl")
    assert FILES.errors("parse") == Path("runs/pipeline/logs/parse.stderr")
    assert FILES.tally("parse") == Path("runs/pipeline/tallies/parse")


@pytest.mark.parametrize(
    ("instances", "expected"), [(1, ["parse"]), (2, ["parse.1", "parse.2"]), (3, ["parse.1", "parse.2", "parse.3"])]
)
def test_the_labels_of_a_stage(instances, expected):
    """A stage of one process is known by its name, those of several by their numbers from 1."""
    assert labels("parse", instances) == expected


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), st.integers(1, 9), max_size=6))
def test_no_two_processes_share_a_file(stages):
    """Whatever stages there are, every process has files of its own."""
    every = [label for name, instances in stages.items() for label in labels(name, instances)]
    paths = [path for label in every for path in (FILES.log(label), FILES.errors(label), FILES.tally(label))]
    assert len(set(paths)) == len(paths)


def test_a_log_bears_its_label():
    """The label of a process is the name of its log without the ending, dots and all."""
    assert [FILES.log(label).stem for label in labels("parse", 2)] == ["parse.1", "parse.2"]
