"""The logs of a run in virtual time, where there is no room for them."""

from __future__ import annotations

import resource

from simulator.local.virtual_logs import VirtualLog


def test_a_file_that_is_full_keeps_whole_lines_and_the_others_are_counted(tmp_path):
    """Where the disk takes a part of a block, the lines in it stay, no half of one does, and the rest is lost."""
    lost, deleted = [], []
    log = VirtualLog(tmp_path / "s.jsonl", 10**9, lost.append, deleted.append)
    lines = [f"{number:04d}".encode() * 10 for number in range(100)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        for line in lines:
            log.write(line)
        log.flush()
        log.write(b"one more")
        log.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "s.jsonl").read_bytes() == b"\n".join([*lines[:24], b"one more"]) + b"\n"
    # Sixteen bytes are left, which the short line fits in.
    assert (lost, deleted) == ([76], [])


def test_a_file_that_is_gone_loses_its_lines(tmp_path):
    """A folder that is deleted meanwhile is no error: the lines are counted as lost."""
    lost = []
    log = VirtualLog(tmp_path / "s.jsonl", 10**9, lost.append, lambda count: None)
    (tmp_path / "s.jsonl").unlink()
    for _ in range(3):
        log.write(b"line")
    log.flush()
    assert lost == [3]
