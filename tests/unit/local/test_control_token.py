"""The token of a run: who has it, and how long it is there."""

from __future__ import annotations

import stat

import pytest

from simulator.errors import StartError
from simulator.local.control_token import control_token, read_control_token
from simulator.telemetry.run_files import RunFiles

VARIABLE = "SIMULATOR_CONTROL_TOKEN"


@pytest.mark.parametrize("given", [{}, {VARIABLE: ""}])
def test_a_run_makes_a_token_of_its_own(tmp_path, given):
    """Without one of the user's, processes get a token that only its owner can read, and that ends with the run."""
    files = RunFiles(tmp_path)
    with control_token(files, {**given, "LANG": "C"}) as environment:
        token = environment[VARIABLE]
        assert len(token) >= 32 and environment["LANG"] == "C"
        assert read_control_token(files) == token
        assert stat.S_IMODE(files.control_token.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []
    with control_token(files, given) as environment:
        assert environment[VARIABLE] != token


def test_the_user_s_token_is_written_nowhere(tmp_path):
    """A token of the environment is the one that holds, and the folder has none."""
    files = RunFiles(tmp_path)
    with control_token(files, {VARIABLE: "of the user"}) as environment:
        assert environment == {VARIABLE: "of the user"}
        assert list(tmp_path.iterdir()) == []
        assert read_control_token(files) is None


def test_a_folder_that_is_gone_at_the_end_is_no_trouble(tmp_path):
    """Who deletes the token meanwhile does not hurt the run."""
    files = RunFiles(tmp_path)
    with control_token(files, {}):
        files.control_token.unlink()


def test_a_link_in_its_place_is_not_followed(tmp_path):
    """A token is written into the run's folder or nowhere."""
    (tmp_path / "elsewhere").touch()
    files = RunFiles(tmp_path)
    files.control_token.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartError, match="can't be written"), control_token(files, {}):
        pass
    assert (tmp_path / "elsewhere").read_text() == ""


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff"])
def test_what_is_no_token_is_none(tmp_path, content):
    """A file that is only just being written, or has something else in it, is no token."""
    files = RunFiles(tmp_path)
    files.control_token.write_bytes(content)
    assert read_control_token(files) is None
