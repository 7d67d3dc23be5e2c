"""A run destroys nothing that no run has made, follows no link out of its folder, and shows it to nobody else."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

import pytest

from simulator.errors import StartError
from simulator.local.folder import MARKER, create, open_run_folder, write
from simulator.telemetry.tally import Tally
from tests.unit.local.test_folder import taken

PRECIOUS = ("topology.yaml", "report.json", "addresses.json", "logs/precious.jsonl", "tallies/parse", "notes.txt")


def everything_in(folder):
    return {path.relative_to(folder): path.read_text() for path in folder.rglob("*") if path.is_file()}


def fill(folder, names=PRECIOUS):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("precious")


def test_a_folder_that_no_run_has_made_is_refused_untouched(tmp_path):
    """Of a user's own folder nothing is deleted, overwritten or added, and the refusal says what to do."""
    fill(tmp_path)
    before = everything_in(tmp_path)
    with pytest.raises(StartError, match=f"the folder {tmp_path} has files .* such as addresses.json.*--report"):
        open_run_folder(tmp_path, "pipeline")
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("name", ["topology.yaml", "notes.txt", ".hidden", "logs/precious.jsonl"])
def test_one_file_makes_a_folder_the_user_s(tmp_path, name):
    """A single file of any name is enough to refuse the folder."""
    fill(tmp_path, [name])
    with pytest.raises(StartError):
        open_run_folder(tmp_path, "pipeline")
    assert everything_in(tmp_path) == {Path(name): "precious"}


def test_the_working_directory_is_refused_too(tmp_path):
    """`--report .` beside the user's own topology touches nothing."""
    fill(tmp_path)
    with contextlib.chdir(tmp_path), pytest.raises(StartError):
        open_run_folder(Path(), "pipeline")
    assert len(everything_in(tmp_path)) == len(PRECIOUS)


def test_the_folder_by_default_is_refused_too(tmp_path):
    """Where runs/NAME is the user's own it is not taken for a run's."""
    fill(tmp_path / "runs" / "orders")
    with contextlib.chdir(tmp_path), pytest.raises(StartError, match="runs/orders"):
        open_run_folder(None, "orders")
    assert len(everything_in(tmp_path)) == len(PRECIOUS)


def test_a_folder_of_an_earlier_version_is_refused_with_a_hint(tmp_path):
    """A folder that looks like a run's but has no mark may be an old one; the user says so by deleting it."""
    fill(tmp_path, ["logs/parse.jsonl", "tallies/parse", ".lock"])
    with pytest.raises(StartError, match="an earlier version"):
        open_run_folder(tmp_path, "pipeline")


@pytest.mark.parametrize("prepare", [lambda _: None, Path.mkdir, lambda path: (path.mkdir(), (path / ".lock").touch())])
def test_a_new_or_empty_folder_is_taken(tmp_path, prepare):
    """A folder that is not there, empty, or was left by a run that ended at its first step, is a run's from then on."""
    prepare(tmp_path / "mine")
    for _ in range(2):
        with taken(tmp_path / "mine") as folder:
            folder.report.write_text("{}")
    assert (tmp_path / "mine" / MARKER).is_file()


def test_a_mark_that_is_no_file_is_none(tmp_path):
    """A folder or a link of the mark's name does not make a folder a run's."""
    fill(tmp_path)
    (tmp_path / MARKER).symlink_to(tmp_path / "notes.txt")
    with pytest.raises(StartError):
        open_run_folder(tmp_path, "pipeline")
    assert len(everything_in(tmp_path)) == len(PRECIOUS) + 1


def test_folders_in_a_run_s_folder_are_left_alone(tmp_path):
    """A folder among the tallies, or in the place of a file, is no traceback and is not cleared."""
    with taken(tmp_path / "mine") as folder:
        names = ["tallies/mine/notes.txt", "logs/a.jsonl/notes.txt", "report.json/notes.txt"]
        fill(folder.path, names)
    with taken(tmp_path / "mine") as folder:
        assert {Path(name) for name in names} < set(everything_in(folder.path))
        with pytest.raises(StartError, match=r"report.json can't be written: Is a directory"):
            write(folder.report, "{}")


@pytest.mark.parametrize("name", ["logs", "tallies", "stack"])
def test_a_link_in_the_place_of_a_folder_is_refused(tmp_path, name):
    """Logs and tallies of a run are never cleared or written through a link."""
    fill(tmp_path / "precious", ["parse.jsonl", "parse", "prometheus.yml"])
    with taken(tmp_path / "mine") as folder:
        pass
    with contextlib.suppress(FileNotFoundError):
        (folder.path / name).rmdir()
    (folder.path / name).symlink_to(tmp_path / "precious")
    with pytest.raises(StartError, match=f"it is a link.*{name}"):
        open_run_folder(folder.path, "pipeline")
    assert len(everything_in(tmp_path / "precious")) == 3


def test_links_in_the_place_of_files_are_removed_and_not_followed(tmp_path):
    """What a link in a run's folder leads to keeps its content; a hard link is no other."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    with taken(tmp_path / "mine") as folder:
        for path in (folder.report, folder.topology, folder.log("parse"), folder.tally("parse"), folder.console_log):
            path.symlink_to(precious)
        folder.control_token.hardlink_to(precious)
        folder.addresses.hardlink_to(precious)
    with taken(tmp_path / "mine") as folder:
        for path in (folder.report, folder.topology, folder.addresses, folder.log("parse"), folder.console_log):
            create(path).close()
        create(folder.control_token).close()
        Tally.create(folder.tally("parse"), ["a"])
    assert precious.read_text() == "precious"


def test_a_link_that_appears_meanwhile_is_not_followed(tmp_path):
    """Also what is put into the folder after it was cleared does not lead a run astray."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    with taken(tmp_path / "mine") as folder:
        folder.report.symlink_to(precious)
        with pytest.raises(StartError):
            write(folder.report, "{}")
    assert precious.read_text() == "precious"


def test_a_check_that_refuses_leaves_everything_as_it_was(tmp_path):
    """Who calls may refuse the folder that would be taken, and then not even the folder is made."""

    def refuse(path):
        raise StartError(f"not {path}")

    with pytest.raises(StartError, match="not "):
        open_run_folder(tmp_path / "mine", "pipeline", refuse)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_run_is_its_owner_s_alone(tmp_path, umask):
    """Folders are 0700 and files 0600 whatever the umask, also in a folder that was open to all before."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine").chmod(0o777)
    before = os.umask(umask)
    try:
        for _ in range(2):
            with taken(tmp_path / "mine") as folder:
                create(folder.log("parse")).close()
                write(folder.report, "{}")
                Tally.create(folder.tally("parse"), ["a"])
                folder.path.chmod(0o755)
        with taken(tmp_path / "mine") as folder:
            create(folder.log("parse")).close()
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.path.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (folder.path, folder.logs, folder.tallies)}
    assert (modes, folders) == ({0o600}, {0o700})
