"""Files of telemetry: whole lines, whoever writes them and whatever the disk does, within their bound."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from simulator.errors import StartError
from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.exporting import PatientExporter
from simulator.telemetry.json_sending import FileSender, LineSender
from simulator.telemetry.log_records import QueuedLine
from simulator.telemetry.logs import make_logger
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.telemetry_files import (
    TelemetryFile,
    deleted_bytes,
    prepare_folder,
    telemetry_file,
)
from tests.unit.telemetry.test_log_records import RESOURCE, logged

LARGE = 2**20


@pytest.fixture
def folder(tmp_path):
    prepare_folder(tmp_path / "new" / "telemetry")
    return tmp_path / "new" / "telemetry"


def lines_in(path):
    return path.read_bytes().split(b"\n")[:-1]


def test_the_folder_has_a_file_for_each_signal(folder):
    """The files are there from the start, empty, and only their owner may read them."""
    paths = [folder / f"{name}.jsonl" for name in ("traces", "logs", "metrics")]
    assert [path.read_bytes() for path in paths] == [b""] * 3
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_new_run_replaces_the_files_of_the_last(folder):
    """What an earlier run wrote is gone, its older part and its count of what was deleted too; other files stay."""
    file = TelemetryFile(folder, Signal.LOGS, 10)
    for _ in range(4):
        file.append(b"123456")
    (folder / "mine.txt").write_text("kept")
    assert deleted_bytes(folder, Signal.LOGS) > 0
    prepare_folder(folder)
    assert (file.path.read_bytes(), deleted_bytes(folder, Signal.LOGS)) == (b"", 0)
    assert not (folder / "logs.jsonl.1").exists()
    assert (folder / "mine.txt").read_text() == "kept"


def test_a_folder_that_can_t_be_had(tmp_path):
    """Where a folder can't be created, or its file is another's link, the start fails with one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="for telemetry can't be written"):
        prepare_folder(tmp_path / "file")
    (tmp_path / "logs.jsonl").symlink_to(tmp_path / "file")
    with pytest.raises(StartError, match=r"logs\.jsonl"):
        prepare_folder(tmp_path)


def test_several_writers_share_a_file(folder):
    """Lines of several writers are all there and whole, in each writer's own order."""

    def write(writer):
        file = TelemetryFile(folder, Signal.TRACES, LARGE)
        for number in range(50):
            file.append(b"%d-%03d-" % (writer, number) + b"x" * 1000)
        file.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    found = [line[:5] for line in lines_in(telemetry_file(folder, Signal.TRACES))]
    assert len(found) == 200
    for writer in range(4):
        own = [line for line in found if line.startswith(b"%d-" % writer)]
        assert own == sorted(own) and len(own) == 50


def test_the_bound_holds_for_all_writers_together(folder):
    """The newest lines are kept, in two files that together stay within the bound, and what was deleted is counted."""
    files = [TelemetryFile(folder, Signal.TRACES, 1000) for _ in range(3)]
    for number in range(300):
        files[number % 3].append(b"%09d" % number)
    newest, older = telemetry_file(folder, Signal.TRACES), folder / "traces.jsonl.1"
    kept = [*lines_in(older), *lines_in(newest)]
    assert kept == [b"%09d" % number for number in range(300 - len(kept), 300)]
    assert 500 <= newest.stat().st_size + older.stat().st_size <= 1000
    assert deleted_bytes(folder, Signal.TRACES) == (300 - len(kept)) * 10


def test_a_full_disk_tears_no_line(folder, monkeypatch):
    """What does not fit is taken back, so that the file has whole lines only, and the next one finds its room."""
    file = TelemetryFile(folder, Signal.LOGS, LARGE)
    file.append(b"first")
    real_write = os.write

    def half(descriptor, text):
        if len(text) > 4:
            return real_write(descriptor, bytes(text)[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space left"):
        file.append(b"second")
    monkeypatch.undo()
    file.append(b"third")
    assert lines_in(file.path) == [b"first", b"third"]


def in_place(function):
    return function()


def test_a_disk_that_is_full_costs_the_lines_and_is_told(folder, monkeypatch):
    """A batch that can't be written is counted as lost and told once, by the file's name and the reason."""

    def refuse(self, line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(TelemetryFile, "append", refuse)
    told, dropped = [], []
    file = TelemetryFile(folder, Signal.LOGS, LARGE)
    exporter = PatientExporter(FileSender(Signal.LOGS, file, in_place), lambda: 0.0)
    account = ExportAccount(make_logger(told.append, "info"), dropped.append, str(file.path), Signal.LOGS)
    exporter.add(RESOURCE, account)
    assert not exporter.export([QueuedLine(RESOURCE, logged())] * 3)
    assert (sum(dropped), len(told)) == (3, 1)
    assert b"No space left on device" in told[0] and str(file.path).encode() in told[0]


def test_a_batch_is_a_line(folder):
    """Each batch is one line, in a file or between the lines of the log; a file is written in a real thread."""
    file = TelemetryFile(folder, Signal.LOGS, LARGE)
    threads = []

    def in_thread(function):
        threads.append(function)
        return function()

    batch = [QueuedLine(RESOURCE, logged())] * 2
    assert FileSender(Signal.LOGS, file, in_thread).send(batch).is_taken
    written = []
    assert LineSender(Signal.LOGS, written.append).send(batch).is_taken
    assert lines_in(file.path) == written
    assert len(threads) == 1
