"""A log within its bound: the newest lines are kept, whole and in order, and what is deleted is counted."""

from __future__ import annotations

import contextlib
import os
import stat
import threading

import pytest

from simulator.telemetry.lines import LineWriter, WriterThread
from simulator.telemetry.log_file import LogBound, LogFile
from simulator.telemetry.run_files import create_file, older_log

LONG_SECONDS = 20.0
LINE_BYTES = 100


class Rig:
    """A writer on a file with a bound; `write` waits until what it wrote is in the file or gone."""

    def __init__(self, path, limit_bytes):
        self.path = path
        self.deleted = []
        self.lost = []
        self.number = 0
        with create_file(path) as file:
            self.descriptor = os.dup(file.fileno())
        self.file = LogFile(self.descriptor, LogBound(path, limit_bytes), self.deleted.append)

    def write(self, count):
        done = []
        thread = WriterThread(
            lambda run: done.append(threading.Thread(target=run)) or done[0].start(), threading.Event, lambda _: None
        )
        writer = LineWriter(
            self.descriptor,
            thread,
            lambda lost: b"dropped %d" % lost,
            on_loss=self.lost.append,
            file=self.file,
        )
        for _ in range(count):
            writer.write(b"%099d" % self.number)
            self.number += 1
        writer.close(lambda written: written.wait(LONG_SECONDS))
        thread.close()
        done[0].join(LONG_SECONDS)

    def kept(self):
        """Return the numbers of the lines that are left, oldest first."""
        files = [path for path in (older_log(self.path), self.path) if path.exists()]
        return [int(line) for path in files for line in path.read_bytes().splitlines()]


@pytest.fixture
def make_rig(tmp_path):
    with contextlib.ExitStack() as stack:

        def make(limit_bytes):
            rig = Rig(tmp_path / "parse.jsonl", limit_bytes)
            stack.callback(os.close, rig.descriptor)
            return rig

        yield make


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_the_newest_lines_are_kept_within_the_bound(make_rig, count):
    """However many lines come at a time, both files together keep the bound, and nothing newer than deleted is gone."""
    limit_bytes = 20 * LINE_BYTES
    rig = make_rig(limit_bytes)
    for _ in range(1 + 200 // count):
        rig.write(count)
        sizes = [path.stat().st_size for path in (older_log(rig.path), rig.path) if path.exists()]
        assert sum(sizes) <= limit_bytes
    kept = rig.kept()
    assert kept == list(range(rig.number - len(kept), rig.number))
    assert len(kept) >= 10
    assert rig.deleted[-1] == rig.number - len(kept)
    assert rig.lost == []


def test_a_log_that_is_not_full_is_one_file(make_rig):
    """Nothing is renamed or deleted before the bound is met."""
    rig = make_rig(40 * LINE_BYTES)
    rig.write(20)
    assert rig.kept() == list(range(20))
    assert not older_log(rig.path).exists()
    assert rig.deleted == []


def test_both_files_are_the_owners_alone(make_rig):
    """The file that starts later is as private as the first."""
    rig = make_rig(20 * LINE_BYTES)
    rig.write(15)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (older_log(rig.path), rig.path)] == [0o600, 0o600]


def test_without_its_folder_a_log_still_has_its_bound(make_rig, tmp_path):
    """Where no new file can be made, the one that is open is emptied, and its lines count as deleted."""
    rig = make_rig(20 * LINE_BYTES)
    rig.path.unlink()
    for _ in range(10):
        rig.write(7)
        assert os.fstat(rig.descriptor).st_size <= 10 * LINE_BYTES
    assert rig.deleted[-1] == 63
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told_as_it_happens(make_rig):
    """A loss is known at once, not only to who asks at the end: the process may be killed."""
    rig = make_rig(20 * LINE_BYTES)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, rig.descriptor)
    os.close(full)
    rig.write(3)
    assert rig.lost[-1] == 3
