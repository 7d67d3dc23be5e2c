"""How busy the cores are, by a file of the kernel."""

from __future__ import annotations

from simulator.proof.capacity.machine import CoreTimes, busy_ratio, longest_wait_ratio, read_core_times, read_waits

STAT = """cpu  900 0 300 8000 100 0 50 0 10 0
cpu0 400 0 200 3000 50 0 50 0 10 0
cpu1 500 0 100 5000 50 0 0 0 0 0
intr 1234
"""


def test_the_times_of_some_cores_are_read(tmp_path):
    """Idle and waiting for a disk is not busy; the time of guests is not counted twice."""
    (tmp_path / "stat").write_text(STAT)
    assert read_core_times({0}, tmp_path) == CoreTimes(3700, 3050)
    assert read_core_times({0, 1}, tmp_path) == CoreTimes(9350, 8100)


def test_where_there_is_no_such_file_nothing_is_known(tmp_path):
    assert read_core_times({0}, tmp_path) is None
    assert busy_ratio(None, CoreTimes(1, 1)) is None
    assert busy_ratio(CoreTimes(1, 1), CoreTimes(1, 1)) is None


def test_the_busy_share_is_that_of_the_time_between():
    """Of 200 ticks 50 were idle."""
    assert busy_ratio(CoreTimes(1000, 700), CoreTimes(1200, 750)) == 0.75


def test_the_waits_for_a_core_are_read_of_the_processes_that_are_there(tmp_path):
    """The second number is nanoseconds of waiting; a process that is gone has none."""
    for pid, text in ((7, "500 2500000000 3"), (8, "strange")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "schedstat").write_text(text)
    assert read_waits([7, 8, 9], tmp_path) == {7: 2.5}


def test_the_process_that_waited_longest_counts():
    assert longest_wait_ratio({1: 1.0, 2: 0.0, 3: 0.0}, {1: 1.5, 2: 1.0, 4: 9.0}, 10.0) == 0.1
    assert longest_wait_ratio({}, {1: 1.0}, 10.0) is None
