"""Normal work: what can be written, what is refused, and that it is written as it was read."""

from __future__ import annotations

import pytest

from simulator.behaviour.work import NO_WORK, Work, parse_work


@pytest.mark.parametrize(
    ("written", "work"),
    [
        ("cpu(20ms)", Work(cpu_seconds=0.02)),
        ("memory(50MB)", Work(size_bytes=50_000_000)),
        (["cpu(20ms)", "memory(1KiB)"], Work(cpu_seconds=0.02, size_bytes=1024)),
        (["cpu(20ms)", "cpu(5ms)"], Work(cpu_seconds=0.025)),
        ([], NO_WORK),
    ],
)
def test_work_is_read_and_written(written, work):
    """A text or a list of texts; several of a kind add up."""
    assert parse_work(written) == work
    assert parse_work(work.plain()) == work


@pytest.mark.parametrize(
    "written", ["hang(1s, 5%)", "cpu", "20ms", 20, None, {"cpu": "20ms"}, ["cpu(20ms)", "error(503, 1%)"]]
)
def test_what_is_no_work_is_refused(written):
    with pytest.raises(ValueError, match=r"write cpu\(|is not a fault"):
        parse_work(written)


@pytest.mark.parametrize("written", ["cpu(20ms, 5%)", 'cpu(20ms, when="hit")', "memory(1KB, instance=2)"])
def test_a_share_of_messages_is_a_fault(written):
    """Each message does its work."""
    with pytest.raises(ValueError, match="each message does its work"):
        parse_work(written)
