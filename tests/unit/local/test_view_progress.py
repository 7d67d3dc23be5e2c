"""How much of a run is left, as far as that is known."""

from __future__ import annotations

import io

from rich.console import Console

from simulator.local.view import RunSnapshot, plain_line, progress_line


def moment(**changes):
    """Return a run without stages after 15 s."""
    return RunSnapshot(**{"elapsed_seconds": 15.0, "stages": {}, "gone": {}, **changes})


def test_a_run_with_a_known_end_shows_how_much_is_left():
    """A bar and the time left on a terminal, both times in a line; in virtual time what is left passes faster."""

    def line_of(**changes):
        file = io.StringIO()
        Console(file=file, width=120).print(progress_line(moment(**changes)))
        return file.getvalue()

    assert "15 s, 45 s left; Ctrl-C ends the run" in line_of(end_seconds=60.0)
    bars = [line_of(end_seconds=end).count("\N{BOX DRAWINGS HEAVY HORIZONTAL}") for end in (15.0, 30.0, 60.0)]
    assert bars == [40, 20, 10]
    assert "stopping" in line_of(end_seconds=15.0)
    assert "100 times real time, 1 s left" in line_of(end_seconds=115.0, speed=100.0)
    assert "left" not in line_of() and "15 s; Ctrl-C" in line_of()
    assert plain_line(moment(end_seconds=60.0)).startswith("   15s of 60s  ")
