"""A run writes as long as it can be read, and what can't be shown raises nothing, then or when the program ends."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from simulator.local.terminal import Outlet, make_console
from simulator.local.view import LiveView, RunSnapshot
from tests.support.python import python


def lose_terminal():
    """Return the end of a terminal whose other end is closed."""
    master, slave = pty.openpty()
    os.close(master)
    return slave


def lose_pipe():
    read, write = os.pipe()
    os.close(read)
    return write


ENDS = {
    "a closed terminal": (lose_terminal, "Input/output error"),
    "a pipe nobody reads": (lose_pipe, "Broken pipe"),
    "a full device": (lambda: os.open("/dev/full", os.O_WRONLY), "No space left on device"),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_cannot_be_shown_is_dropped(end):
    """After the first text that can't be written no other is; the reason is kept, and closing raises nothing."""
    make, why = ENDS[end]
    with os.fdopen(make(), "w") as stream:
        outlet = Outlet(stream)
        for _ in range(3):
            outlet.write("x" * 100_000)
            outlet.flush()
        assert outlet.lost == why


@pytest.mark.parametrize("end", ENDS)
def test_a_view_outlives_where_it_is_shown(end):
    """Opening, drawing and closing the live view raise nothing."""
    make, why = ENDS[end]
    with os.fdopen(make(), "w") as stream:
        outlet = Outlet(stream)
        view = LiveView(make_console(outlet))
        view.open()
        view.show(RunSnapshot(1.0, {}, {}))
        view.close()
        assert outlet.lost == why


def test_what_can_be_shown_is_shown():
    """An outlet hands on every text as it is and knows of no loss."""
    read, write = os.pipe()
    with os.fdopen(write, "w") as stream:
        outlet = Outlet(stream)
        assert outlet.write("one\n") == 4
        outlet.flush()
        assert (os.read(read, 100), outlet.lost, outlet.isatty()) == (b"one\n", None, False)
        make_console(outlet).print("two", "x" * 150)
        assert os.read(read, 1000) == b"two " + b"x" * 150 + b"\n"
    os.close(read)


@pytest.mark.processes
def test_nothing_is_left_for_the_end_of_the_program():
    """What is still in a buffer when the program ends makes no noise and no exit code."""
    code = "import sys; from simulator.local.terminal import Outlet; o = Outlet(sys.stdout); o.write('x'); o.flush()"
    with Path("/dev/full").open("w") as full:
        done = python(code, stdout=full)
    assert (done.returncode, done.stderr) == (0, "")
