"""The folder of a run: one run at a time, and nothing left in it of the run before."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

import pytest

from simulator.errors import StartError
from simulator.local.folder import open_run_folder


@contextlib.contextmanager
def taken(wanted, name="pipeline"):
    folder = open_run_folder(wanted, name)
    try:
        yield folder
    finally:
        folder.release()


def test_everything_has_its_place(tmp_path):
    """Logs, errors, tallies, topology, addresses and report stand in a run's folder under names that tell the stage."""
    with taken(tmp_path / "out" / "run") as folder:
        assert folder.path == tmp_path / "out" / "run"
        assert folder.log("parse") == folder.path / "logs" / "parse.jsonl"
        assert folder.errors("parse") == folder.path / "logs" / "parse.stderr"
        assert folder.tally("parse") == folder.path / "tallies" / "parse"
        assert folder.topology == folder.path / "topology.yaml"
        assert folder.addresses == folder.path / "addresses.json"
        assert folder.report == folder.path / "report.json"
        for path in (folder.log("parse"), folder.errors("parse"), folder.tally("parse"), folder.report):
            path.write_text("it can be written")


def test_by_default_a_run_is_named_for_its_topology(tmp_path):
    """By default the folder is runs/NAME in the working directory."""
    with contextlib.chdir(tmp_path), taken(None, "orders") as folder:
        assert folder.path.resolve() == (tmp_path / "runs" / "orders").resolve()


def test_runs_of_the_same_name_do_not_meet(tmp_path):
    """While a run is in its folder the next of that name takes one beside it, and a free one is taken again."""
    with contextlib.chdir(tmp_path):
        with taken(None) as first:
            with taken(None) as second, taken(None) as third:
                names = [folder.path.name for folder in (first, second, third)]
                assert names == ["pipeline", "pipeline-2", "pipeline-3"]
            with taken(None) as again:
                assert again.path.name == "pipeline-2"
        with taken(None) as again:
            assert again.path.name == "pipeline"


def test_a_folder_in_use_is_refused(tmp_path):
    """A folder that was asked for by name and has a run in it is refused, and its content is left alone."""
    with taken(tmp_path / "mine") as folder:
        folder.log("parse").write_text("of the run that is in it")
        with pytest.raises(StartError) as raised:
            open_run_folder(tmp_path / "mine", "pipeline")
        assert str(raised.value) == (f"another run is using the folder {tmp_path / 'mine'}; give another with --report")
        assert folder.log("parse").read_text() == "of the run that is in it"
    with taken(tmp_path / "mine"):
        pass


def test_a_refused_folder_leaks_nothing(tmp_path):
    """A folder that is refused leaves no descriptor open."""
    with taken(tmp_path / "mine"):
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(5):
            with pytest.raises(StartError):
                open_run_folder(tmp_path / "mine", "pipeline")
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_the_last_run_left_is_cleared_away(tmp_path):
    """Logs and tallies of the run before are gone when the next one starts, and nothing else is touched."""
    with taken(tmp_path / "mine") as folder:
        for path in (folder.log("old"), folder.errors("old"), folder.tally("old")):
            path.write_text("old")
        (folder.path / "notes.txt").write_text("of the user")
        (folder.logs / "notes.txt").write_text("of the user")
    with taken(tmp_path / "mine") as folder:
        assert not any(path.exists() for path in (folder.log("old"), folder.errors("old"), folder.tally("old")))
        assert (folder.path / "notes.txt").read_text() == "of the user"
        assert (folder.logs / "notes.txt").read_text() == "of the user"


def test_the_last_run_s_report_is_cleared_away(tmp_path):
    """A report never stands beside the logs of another run, nor do addresses and token lead to stages that are gone."""
    with taken(tmp_path / "mine") as folder:
        folder.report.write_text("{}")
        folder.topology.write_text("name: old")
        folder.addresses.write_text('{"parse": ["http://127.0.0.1:1/messages"]}')
        folder.control_token.write_text("old")
    with taken(tmp_path / "mine") as folder:
        assert not folder.report.exists()
        assert not folder.topology.exists()
        assert not folder.addresses.exists()
        assert not folder.control_token.exists()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_can_t_be_written_is_named(tmp_path, place):
    """A place that can't be a folder is reported by its name, with the reason and the way out."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StartError) as raised:
        open_run_folder(tmp_path / place, "pipeline")
    text = str(raised.value)
    assert text.startswith(f"the folder {tmp_path / place} for logs and report can't be written: ")
    assert text.endswith("; give one with --report")


def test_too_many_runs_of_a_name(tmp_path, monkeypatch):
    """When every folder of a name is taken, the message says which name that is."""
    monkeypatch.setattr("simulator.local.folder._PAUSE_SECONDS", 0.0)  # it waits for each a little
    with contextlib.chdir(tmp_path), contextlib.ExitStack() as stack:
        for number in range(1, 100):
            path = Path("runs") / ("pipeline" if number == 1 else f"pipeline-{number}")
            path.mkdir(parents=True)
            lock = os.open(path / ".lock", os.O_RDWR | os.O_CREAT)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StartError, match="pipeline") as raised:
            open_run_folder(None, "pipeline")
    assert "None" not in str(raised.value)
