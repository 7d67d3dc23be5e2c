"""How busy the cores are, by a file of the kernel."""

from __future__ import annotations

from simulator.proof.capacity.machine import CoreTimes, busy_ratio, read_core_times

STAT = """cpu  900 0 300 8000 100 0 50 0 10 0
cpu0 400 0 200 3000 50 0 50 0 10 0
cpu1 500 0 100 5000 50 0 0 0 0 0
intr 1234
"""


def test_the_times_of_some_cores_are_read(tmp_path):
    """Idle and waiting for a disk is not busy; the time of guests is not counted twice."""
    (tmp_path / "stat").write_text(STAT)
    assert read_core_times({0}, tmp_path / "stat") == CoreTimes(3700, 3050)
    assert read_core_times({0, 1}, tmp_path / "stat") == CoreTimes(9350, 8100)


def test_where_there_is_no_such_file_nothing_is_known(tmp_path):
    assert read_core_times({0}, tmp_path / "stat") is None
    assert busy_ratio(None, CoreTimes(1, 1)) is None
    assert busy_ratio(CoreTimes(1, 1), CoreTimes(1, 1)) is None


def test_the_busy_share_is_that_of_the_time_between():
    """Of 200 ticks 50 were idle."""
    assert busy_ratio(CoreTimes(1000, 700), CoreTimes(1200, 750)) == 0.75
