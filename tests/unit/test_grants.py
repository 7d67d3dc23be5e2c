"""What the machine refuses is one line and exit code 1; a bug of ours stays a traceback."""

from __future__ import annotations

import errno
import os

import pytest

from simulator.grants import complain_of_machine


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a/b"), "run: a/b: No space left on device"),
        (
            OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
            "run: Too many open files; a process can't have more files and connections, see ulimit -n",
        ),
        (
            RuntimeError("can't start new thread"),
            "run: Resource temporarily unavailable; no more processes or threads can be started, see ulimit -u",
        ),
    ],
)
def test_a_line_says_what_is_missing(capsys, error, line):
    """The line has the file, where there is one, the reason, and where to look."""
    assert complain_of_machine(error, "run") == 1
    assert capsys.readouterr().err == f"{line}\n"


def test_a_bug_of_ours_is_not_hidden():
    """Any other RuntimeError is raised as it is."""
    with pytest.raises(RuntimeError, match="a mistake"):
        complain_of_machine(RuntimeError("a mistake"), "run")
