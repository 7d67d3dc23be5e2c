"""Following the rows of the truth while they are written."""

from __future__ import annotations

import pytest

from simulator.local.truth_tail import TruthTail
from simulator.telemetry.log_file import LogBound, LogFile
from simulator.telemetry.run_files import RunFiles, create_file


@pytest.fixture
def files(tmp_path):
    """Return the files of a run."""
    made = RunFiles(tmp_path)
    made.truth_rows.mkdir(parents=True)
    return made


def append(files, label, text):
    """Append a text to a process's rows."""
    with files.truth_rows_of(label).open("ab") as file:
        file.write(text)


def test_each_row_comes_once_when_its_line_is_complete(files):
    """A row that is still being written comes with a later poll, and none comes twice."""
    with TruthTail(files, ["a", "b"]) as tail:
        assert list(tail.poll()) == []
        append(files, "a", b'{"n":1}\n{"n":2}\n{"n"')
        append(files, "b", b'{"m":1}\n')
        assert list(tail.poll()) == [{"n": 1}, {"n": 2}, {"m": 1}]
        append(files, "a", b":3}\n")
        assert list(tail.poll()) == [{"n": 3}]
        assert list(tail.poll()) == []


def test_what_is_no_row_is_left_out(files):
    """A line that is torn, or no object, costs itself and nothing after it."""
    append(files, "a", b'{"n":1\n[1]\n\n\xff\n{"n":2}\n')
    with TruthTail(files, ["a"]) as tail:
        assert list(tail.poll()) == [{"n": 2}]


def test_a_full_file_is_read_to_its_end_before_the_new_one(files):
    """Between two polls the file may be renamed and a new one begun: no row is lost or comes twice."""
    path = files.truth_rows_of("a")
    with create_file(path) as written, TruthTail(files, ["a"]) as tail:
        bounded = LogFile(written.fileno(), LogBound(path, 40), lambda _: None)
        seen = []
        for number in range(20):
            line = b'{"n":%d}\n' % number
            bounded.make_room(len(line))
            written.write(line)
            written.flush()
            bounded.wrote(len(line), 1)
            if number % 2:
                seen += tail.poll()
        assert [row["n"] for row in [*seen, *tail.poll()]] == list(range(20))
        assert bounded.deleted > 0


def test_a_folder_that_is_gone_has_no_more_rows(files):
    """What was read stays read; a run whose folder is deleted under it goes on."""
    append(files, "a", b'{"n":1}\n')
    with TruthTail(files, ["a"]) as tail:
        assert list(tail.poll()) == [{"n": 1}]
        files.truth_rows_of("a").unlink()
        files.truth_rows.rmdir()
        assert list(tail.poll()) == []
