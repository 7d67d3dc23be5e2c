"""The start of a run: a few at a time, for as long as it goes on, and never with an empty reason."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from simulator.errors import StartError
from simulator.local.progress import StartProgress
from simulator.local.stage_processes import how_it_ended
from simulator.local.starting import StartPace, start_stages


class Fake:
    """A process that becomes ready, or ends, so many seconds after it started."""

    def __init__(self, label, clock, ready_after=1.0, ends_after=None, code=1, words=""):
        self.label = label
        self.clock = clock
        self.ready_after = ready_after
        self.ends_after = ends_after
        self.code = code
        self.words = words
        self.begun_at = None

    @property
    def returncode(self):
        ended = self.ends_after is not None and self.clock.now >= self.begun_at + self.ends_after
        return self.code if ended else None

    def last_words(self):
        return self.words


class Clock:
    now = 100.0


class Start:
    """A start on a clock of its own, each look at the processes a tenth of a second."""

    def __init__(self, concurrency=4, timeout_seconds=60.0):
        self.clock = Clock()
        self.pace = StartPace(concurrency=concurrency, timeout_seconds=timeout_seconds)
        self.at_once = []
        self.ticks = []
        self.begun = []

    def fake(self, label, **options):
        return Fake(label, self.clock, **options)

    def run(self, children):
        start_stages([children], self._begin, self._ready_among, self.pace, lambda: self.clock.now, self.ticks.append)

    def _begin(self, child):
        child.begun_at = self.clock.now
        self.begun.append(child.label)

    def _ready_among(self, children):
        self.at_once.append(len(children))
        self.clock.now += 0.1
        return [c for c in children if self.clock.now >= c.begun_at + c.ready_after and c.returncode is None]


def test_only_a_few_start_at_the_same_time():
    """A hundred processes start in their order, no more of them at once than the pace allows."""
    start = Start(concurrency=4)
    start.run([start.fake(f"s{number}") for number in range(100)])
    assert max(start.at_once) == 4
    assert start.begun == [f"s{number}" for number in range(100)]
    assert start.ticks[-1] == 100
    assert start.ticks == sorted(start.ticks)


def test_a_long_start_goes_on_while_one_after_the_other_becomes_ready():
    """The bound counts from the last one that became ready: a start may take many times as long."""
    start = Start(concurrency=1, timeout_seconds=5.0)
    start.run([start.fake(f"s{number}", ready_after=4.0) for number in range(50)])
    assert start.clock.now - 100.0 > 195


def test_a_start_without_progress_ends_with_a_reason():
    """It says how many were ready, which are waited for, after what time, and how to wait longer."""
    start = Start(timeout_seconds=5.0)
    children = [start.fake("a"), start.fake("b", ready_after=1e9), start.fake("c", ready_after=1e9)]
    with pytest.raises(StartError) as raised:
        start.run(children)
    assert str(raised.value) == (
        "1 of 3 stages are ready, and no other became ready for 5s; waiting for b, c; --start-timeout waits longer; "
        "it wrote nothing to standard error"
    )
    assert 5.0 < start.clock.now - 101.0 < 6.0


@pytest.mark.parametrize(
    ("code", "words", "said"),
    [
        (2, "port 80 can't be used", "stage b did not start: it ended (exit code 2)\nport 80 can't be used"),
        (1, "", "stage b did not start: it ended (exit code 1); it wrote nothing to standard error"),
        (-9, "", "stage b did not start: it was killed (SIGKILL); it wrote nothing to standard error"),
    ],
)
def test_one_that_ends_is_told_with_how_it_ended(code, words, said):
    """No message ends in a colon and nothing."""
    start = Start()
    with pytest.raises(StartError) as raised:
        start.run([start.fake("a"), start.fake("b", ends_after=0.3, code=code, words=words)])
    assert str(raised.value) == said


def test_an_unknown_signal_has_its_number():
    """A signal without a name is reported by its number."""
    assert how_it_ended(-63) == "was killed (signal 63)"


def test_progress_on_a_pipe_is_a_line_every_few_seconds():
    """A start of a minute says a dozen times how far it is; a short one says nothing more."""
    clock, out = Clock(), io.StringIO()
    with StartProgress(Console(file=out, width=200), 112, lambda: clock.now) as progress:
        for second in range(61):
            clock.now = 100.0 + second
            progress.tick(second)
    lines = out.getvalue().splitlines()
    assert len(lines) == 12
    assert lines[0] == "5 of 112 stages ready after 5 s"
    assert lines[-1] == "60 of 112 stages ready after 60 s"


def test_progress_on_a_terminal_is_a_bar_that_goes_away():
    """A terminal shows a bar with the same words, and nothing of it is left when all are up."""
    clock, out = Clock(), io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, _environ={"TERM": "xterm"})
    with StartProgress(console, 10, lambda: clock.now) as progress:
        clock.now = 103.0
        progress.tick(4)
        assert "4 of 10 stages ready after 3 s" in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K")
