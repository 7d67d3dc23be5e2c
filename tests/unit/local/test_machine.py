"""What a machine can start, and what is said of a topology that is larger."""

import os
from pathlib import Path

import pytest

from simulator.local.machine import Machine, size_warning, this_machine
from simulator.topology.model import Stage, Topology


def of(count, instances=1):
    """Make a topology of so many stages."""
    return Topology(name="any", stages={f"s{number}": Stage(instances=instances) for number in range(count)})


@pytest.mark.parametrize(
    ("topology", "machine"),
    [(of(36), Machine(2, 8 * 10**9)), (of(150), Machine(2, 8 * 10**9)), (of(1500), Machine(64, 256 * 10**9))],
)
def test_nothing_is_said_of_what_fits(topology, machine):
    """Tens of stages on a laptop and hundreds on a server are good to run."""
    assert size_warning(topology, machine) is None


@pytest.mark.parametrize(
    ("topology", "machine", "needs"),
    [
        (
            of(1001),
            Machine(2, 8 * 10**9),
            "1001 processes, about 30.0GB of memory and 50 s of start-up",
        ),
        (of(55, 100), Machine(8, 500 * 10**9), "5500 processes, about 165.0GB of memory and 69 s"),
        (of(212), Machine(2, 8 * 10**9), "212 processes, about 6.4GB of memory and 11 s"),
        (of(30), Machine(64, 10**9), "30 processes, about 0.9GB of memory and 0 s"),
    ],
)
def test_more_than_a_machine_can_start_is_told_with_what_it_needs(topology, machine, needs):
    """Each instance is a process; too little memory and a start that takes minutes are both worth a word."""
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
