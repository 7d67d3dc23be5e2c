"""What a machine can start, and what is said of a topology that is larger."""

import os
from pathlib import Path

import pytest

from simulator.errors import StartError
from simulator.local.machine import MachineSize, check_open_files, size_warning, this_machine
from simulator.topology.model import Processes, Stage, Topology


def of(count, instances=1, processes=Processes.SHARED):
    """Make a topology of so many stages."""
    stages = {f"s{number}": Stage(instances=instances, processes=processes) for number in range(count)}
    return Topology(name="any", stages=stages)


@pytest.mark.parametrize(
    ("topology", "machine"),
    [
        (of(36), MachineSize(2, 8 * 10**9)),
        (of(1001), MachineSize(2, 8 * 10**9)),
        (of(150, processes=Processes.APART), MachineSize(2, 8 * 10**9)),
        (of(1500, processes=Processes.APART), MachineSize(64, 256 * 10**9)),
    ],
)
def test_nothing_is_said_of_what_fits(topology, machine):
    """A thousand stages on a laptop are good to run, and so are hundreds that have a process each."""
    assert size_warning(topology, machine) is None


@pytest.mark.parametrize(
    ("topology", "machine", "needs"),
    [
        (
            of(10_000),
            MachineSize(2, 8 * 10**9),
            "10000 stages in 2 processes, about 5.1GB of memory and 100 s of start-up",
        ),
        (of(100, 100), MachineSize(2, 8 * 10**9), "10000 stages in 2 processes, about 5.1GB of memory and 100 s"),
        (
            of(212, processes=Processes.APART),
            MachineSize(2, 8 * 10**9),
            "212 stages in 212 processes, about 6.5GB of memory and 13 s",
        ),
        (of(1500), MachineSize(64, 10**9), "1500 stages in 64 processes, about 2.7GB of memory and 1 s"),
    ],
)
def test_more_than_a_machine_can_start_is_told_with_what_it_needs(topology, machine, needs):
    """Each instance counts as a stage; too little memory and a start that takes minutes are both worth a word."""
    assert needs in size_warning(topology, machine)


def test_this_machine_is_what_the_kernel_says():
    """The processors are those that this process may use, of however many, and the memory is all there is."""
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    assert this_machine().memory_bytes == int(told["MemTotal"].split()[0]) * 1024
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert this_machine().cores == 1
    finally:
        os.sched_setaffinity(0, before)


def test_more_ports_than_the_machine_gives_are_one_error():
    """Where a process can't have as many open files as its stages take, one error says so before anything starts."""
    packed = [["a"] * 500, ["b"] * 500]
    check_open_files(packed, 4096)
    with pytest.raises(StartError) as raised:
        check_open_files(packed, 1024)
    assert str(raised.value) == (
        "1000 stages in 2 processes need 3100 open files and ports in one of them, and a process may have 1024: "
        "raise the limit (ulimit -n), or use more --processes"
    )


def test_a_few_stages_are_tried_with_whatever_there_is():
    """A small run is not refused by an estimate."""
    check_open_files([["a"]] * 4, 16)
