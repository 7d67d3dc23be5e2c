"""Which stages share a process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.faults.registry import parse_fault
from simulator.local.packing import is_packed, pack, sharing_warnings
from simulator.telemetry.run_files import labels
from simulator.topology.model import Processes, Stage, Topology


def of(**stages):
    return Topology(name="any", stages=stages)


def many(count):
    return of(**{f"s{number}": Stage() for number in range(count)})


def test_few_stages_have_a_process_each():
    """Up to eight, an instance counting as one, are apart where nothing is said."""
    assert pack(many(8), None, 2) == [[f"s{number}"] for number in range(8)]
    assert pack(of(a=Stage(instances=3), b=Stage()), None, 1) == [["a.1"], ["a.2"], ["a.3"], ["b"]]


def test_many_stages_share_a_process_for_each_core():
    """Beyond, neighbours go to different processes in turn."""
    assert pack(many(9), None, 2) == [["s0", "s2", "s4", "s6", "s8"], ["s1", "s3", "s5", "s7"]]
    assert pack(of(a=Stage(instances=9)), None, 64) == [[f"a.{number}"] for number in range(1, 10)]


@pytest.mark.parametrize(("processes", "sizes"), [(1, [3]), (2, [2, 1]), (3, [1, 1, 1]), (100, [1, 1, 1])])
def test_as_many_processes_as_are_asked_for(processes, sizes):
    """The number that is asked for is used, up to one for each stage."""
    packed = pack(many(3), processes, 2)
    assert [len(labelled) for labelled in packed] == sizes
    assert is_packed(packed) is (processes < 3)


def test_a_stage_can_be_kept_by_itself():
    """One with `processes: apart` shares with none, and each of its instances has its own."""
    topology = of(a=Stage(), b=Stage(instances=2, processes=Processes.APART), c=Stage())
    assert pack(topology, 1, 2) == [["a", "c"], ["b.1"], ["b.2"]]


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(Processes)), max_size=12), st.none() | st.integers(1, 9))
def test_every_stage_is_in_one_process(stages, processes):
    """However they are packed, each instance of each stage is there once, and no process is empty."""
    topology = of(**{f"s{n}": Stage(instances=i, processes=p) for n, (i, p) in enumerate(stages)})
    packed = pack(topology, processes, 2)
    assert all(packed)
    expected = [label for name, stage in topology.stages.items() for label in labels(name, stage.instances)]
    assert sorted(label for labelled in packed for label in labelled) == sorted(expected)


def test_faults_that_strike_others_are_told():
    """A fault that takes the processor or the memory of a process is told where others are in it."""
    faults = (parse_fault("cpu(20ms)"), parse_fault("error(503, 5%)"))
    topology = of(a=Stage(faults=faults), b=Stage(faults=(parse_fault("error(503, 5%)"),)))
    apart = of(a=Stage(faults=faults, processes=Processes.APART), b=Stage(), c=Stage())
    assert sharing_warnings(topology, pack(topology, None, 2)) == []
    assert sharing_warnings(apart, pack(apart, 1, 2)) == []
    assert sharing_warnings(topology, pack(topology, 1, 2)) == [
        "a: cpu(20ms, 100%) affects every stage of its process; `processes: apart` gives the stage one of its own"
    ]
