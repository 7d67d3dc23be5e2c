"""The injector: its schedule is kept whatever becomes of the answers, and its input is read to the line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import pytest

import simulator
from simulator.behaviour.draws import message_id
from simulator.behaviour.pacing import ConstantPace, PoissonPace
from simulator.errors import DownstreamFailed, InjectedFault, KeepingFailed, Rejected, StartError
from simulator.stage.injector import Draft, Injector, bounded_lines, from_lines, made_up, open_lines
from simulator.telemetry.record import Clock, Via
from simulator.topology.model import OnBadLine

START_NS = 1_700_000_000 * 10**9
LONG_SECONDS = 20.0
STEP = 1 / 1024


class Time:
    """A clock that moves by a step from one reading to the next, so that who waits for a point in time comes to it."""

    def __init__(self, step=0.0):
        self.now = -step  # the first reading is 0
        self.step = step
        self.clock = Clock(self._monotonic, lambda: START_NS + round(self.now * 1e9))

    def _monotonic(self):
        self.now += self.step
        return self.now


@dataclass
class Watching:
    """A watcher that remembers what it was told."""

    lags: list[float] = field(default_factory=list)
    missed_count: int = 0
    lines: int = 0
    bad_lines: list[tuple[int, str]] = field(default_factory=list)
    ends: int = 0

    def due(self, lag_seconds):
        self.lags.append(lag_seconds)

    def missed(self):
        self.missed_count += 1

    def line(self):
        self.lines += 1

    def bad_line(self, number, reason):
        self.bad_lines.append((number, reason))

    def finished(self):
        self.ends += 1


def at_once(run):
    run()


class Rig:
    """An injector that hands its messages to a function of the test."""

    def __init__(self, handle=None, spawn=at_once, time=None, via=Via.SCHEDULE):
        self.time, self.watcher, self.messages, self.roots = time or Time(), Watching(), [], []
        self._handle = handle or (lambda message: None)
        self.injector = Injector("injector", 7, self, self.watcher, self.time.clock, self._root, spawn, via)

    def handle(self, message):
        self.messages.append(message)
        return self._handle(message)

    @contextmanager
    def _root(self, due_ns, lag):
        self.roots.append([due_ns, lag, len(self.messages)])
        yield
        self.roots[-1].append(len(self.messages))


class Threads:
    """A spawn of real threads that can be waited for."""

    def __init__(self):
        self.started = []

    def __call__(self, run):
        self.started.append(threading.Thread(target=run))
        self.started[-1].start()

    def join(self):
        for thread in self.started:
            thread.join(LONG_SECONDS)
            assert not thread.is_alive()


@contextmanager
def running(run, *arguments):
    """Run something in a thread that must have ended by the end of the `with`."""
    thread = threading.Thread(target=run, args=arguments)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(LONG_SECONDS)
        assert not thread.is_alive()


def dues(rig):
    """Give when the messages were due, in seconds from the start."""
    return [round((message.due_unix_seconds - 1_700_000_000) * 1e6) / 1e6 for message in rig.messages]


def test_messages_are_sent_when_they_are_due():
    """At a constant rate each message is due one gap after the one before, and is begun at that time, not before."""
    rig = Rig(time=Time(STEP))
    rig.injector.run_paced(made_up(5), ConstantPace(256.0))
    assert dues(rig) == [round(number / 256, 6) for number in range(1, 6)]
    # Each wait ends at the very reading of the clock that is the due time; the lag is the reading after it.
    assert rig.watcher.lags == [STEP] * 5


def test_a_random_schedule_is_kept_too():
    """With Poisson arrivals the due times are the sums of the gaps, however late a message before was begun."""
    rig, pace = Rig(time=Time(STEP)), PoissonPace(500.0, seed=7, stage="injector")
    rig.injector.run_paced(made_up(20), pace)
    expected = list(accumulate(pace.gap(number) for number in range(1, 21)))
    assert dues(rig) == pytest.approx(expected, abs=2e-6)
    assert all(0 <= lag < 20 * STEP for lag in rig.watcher.lags)


def test_a_schedule_that_is_late_is_caught_up_with():
    """After a standstill all that was due is sent at once, each message with its own lag and its own due time."""
    readings = iter([0.0])
    time = Time()
    time.now = 10.0
    time.clock = Clock(lambda: next(readings, 10.0), lambda: START_NS + 10 * 10**9)
    rig = Rig(time=time)
    rig.injector.run_paced(made_up(5), ConstantPace(1.0))
    assert rig.watcher.lags == [9.0, 8.0, 7.0, 6.0, 5.0]
    assert dues(rig) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [root[:2] for root in rig.roots] == [[START_NS + number * 10**9, 10.0 - number] for number in range(1, 6)]


def test_the_schedule_never_waits_for_answers():
    """Messages are begun when they are due although none before has been answered."""
    together, threads = threading.Barrier(8), Threads()
    rig = Rig(lambda message: together.wait(LONG_SECONDS), threads, Time(STEP))
    rig.injector.run_paced(made_up(8), ConstantPace(512.0))
    threads.join()
    assert not together.broken
    assert len(rig.messages) == 8


def test_the_due_time_is_the_schedule_s():
    """A message that is begun late because the process was busy was due, all the same, when the schedule says."""
    waiting, rig = [], None

    def drafts():
        yield Draft(1, b"1")
        rig.time.now += 0.5  # the process does something else first
        waiting.pop()()

    rig = Rig(spawn=waiting.append, time=Time(STEP))
    rig.injector.run_paced(drafts(), ConstantPace(256.0))
    assert dues(rig) == [round(1 / 256, 6)]


def test_no_room_is_a_miss():
    """A due message that is rejected counts as missed; one that fails in another way does not."""
    errors = [
        Rejected("full"),
        DownstreamFailed("x"),
        InjectedFault("error", 503),
        KeepingFailed("x"),
        Rejected("full"),
    ]

    def handle(_):
        if errors:
            raise errors.pop(0)

    rig = Rig(handle)
    rig.injector.run_closed(made_up(7), 1)
    assert (len(rig.messages), rig.watcher.missed_count, rig.watcher.ends) == (7, 2, 1)


def test_an_unknown_exception_ends_one_message_only():
    """A message whose handling breaks does not keep the others from being sent, nor the end from being told."""
    flown = []

    def catching(run):
        try:
            run()
        except ZeroDivisionError as error:
            flown.append(error)

    def handle(message):
        if len(rig.messages) == 2:
            raise ZeroDivisionError

    rig = Rig(handle, catching)
    rig.injector.run_closed(made_up(4), 2)
    assert (len(rig.messages), len(flown), rig.watcher.ends, rig.watcher.missed_count) == (4, 1, 1, 0)


def test_a_made_up_message():
    """A message of the injector's own bears the id of its number, its due time and a body of JSON that says both."""
    rig = Rig(time=Time(STEP))
    rig.injector.run_paced(made_up(2), ConstantPace(256.0))
    for number, message in enumerate(rig.messages, 1):
        assert message.message_id == message_id(7, "injector", number)
        assert (message.visit, message.caller, message.via) == ("0", "outside", "schedule")
        assert (message.content_type, message.body_bytes) == ("application/json", len(message.read()))
        assert json.loads(message.read()) == {
            "number": number,
            "message_id": message.message_id,
            "created": f"2023-11-14T22:13:20.{round(number / 256 * 1e6):06d}Z",
        }


def test_a_message_from_the_input():
    """A message that was read keeps its body, and its id is that of its line."""
    rig = Rig(via=Via.INPUT)
    rig.injector.run_closed(iter([Draft(3, b'{"a":  1}')]), 1)
    (message,) = rig.messages
    assert (message.read(), message.body_bytes, message.via) == (b'{"a":  1}', 9, "input")
    assert message.message_id == message_id(7, "injector", 3)


def test_the_root_span_covers_the_handling():
    """Each message is handled inside its root span, which is opened with its due time and lag."""
    rig = Rig(time=Time(STEP))
    rig.injector.run_paced(made_up(2), ConstantPace(256.0))
    assert rig.roots == [
        [START_NS + round(10**9 / 256), STEP, 0, 1],
        [START_NS + round(2 * 10**9 / 256), STEP, 1, 2],
    ]


def test_a_closed_loop_keeps_exactly_so_many_under_way():
    """With a concurrency of 4 there are four messages under way at a time: no fewer, and never more."""
    together, lock, threads = threading.Barrier(4), threading.Lock(), Threads()
    at_once_now, most = [0], [0]

    def handle(_):
        with lock:
            at_once_now[0] += 1
            most[0] = max(most[0], at_once_now[0])
        together.wait(LONG_SECONDS)  # passes only when four have come
        with lock:
            at_once_now[0] -= 1

    rig = Rig(handle, threads)
    rig.injector.run_closed(made_up(40), 4)
    threads.join()
    assert not together.broken
    assert (most[0], len(rig.messages), rig.watcher.lags) == (4, 40, [0.0] * 40)


def test_the_end_is_told_once_when_all_are_answered():
    """The end is told when the last message has been answered, once, and not before."""
    waiting, begun, ended, messages_at_end = [], threading.Event(), threading.Event(), []

    def drafts():
        yield from made_up(3)
        begun.set()

    def finished():
        messages_at_end.append(len(rig.messages))
        ended.set()

    rig = Rig(spawn=waiting.append)
    rig.watcher.finished = finished
    with running(rig.injector.run_closed, drafts(), 3):
        assert begun.wait(LONG_SECONDS)
        for run in waiting:
            assert not ended.wait(0.02)  # long enough for one who does not wait for the answers
            run()
    assert messages_at_end == [3]


def test_an_empty_load_has_an_end_too():
    """A load of no messages is finished at once."""
    rig = Rig()
    rig.injector.run_paced(made_up(0), ConstantPace(1.0))
    rig.injector.run_closed(made_up(0), 4)
    assert (rig.messages, rig.watcher.lags, rig.watcher.ends) == ([], [], 2)


def test_stop_ends_the_wait_for_the_next_message():
    """An injector that is stopped while it waits for a due time ends at once, and tells of no end of the load."""
    rig = Rig(time=Time())
    with running(rig.injector.run_paced, made_up(None), ConstantPace(1 / 3600)):
        rig.injector.stop()
    assert (rig.messages, rig.watcher.lags, rig.watcher.ends) == ([], [], 0)


def test_stop_waits_for_what_was_begun():
    """A stopped closed loop begins nothing more, and ends when what it had begun is answered."""
    entered, answered, threads = threading.Semaphore(0), threading.Event(), Threads()

    def handle(_):
        entered.release()
        assert answered.wait(LONG_SECONDS)

    rig = Rig(handle, threads)
    with running(rig.injector.run_closed, made_up(None), 2) as loop:
        for _ in range(2):
            assert entered.acquire(timeout=LONG_SECONDS)
        rig.injector.stop()
        assert loop.is_alive()
        answered.set()
    threads.join()
    assert (len(rig.messages), rig.watcher.ends) == (2, 0)


def test_a_stopped_injector_sends_nothing():
    """After `stop` neither loop sends a message."""
    rig = Rig()
    rig.injector.stop()
    rig.injector.run_paced(made_up(None), ConstantPace(1000.0))
    rig.injector.run_closed(made_up(None), 2)
    assert (rig.messages, rig.watcher.ends) == ([], 0)


def test_another_pace_from_now_on():
    """After `repace` what was left of the old gap is forgotten: the next message is due one new gap from then."""
    time = Time(STEP)
    rig = Rig(time=time)

    def drafts():
        for draft in made_up(6):
            if draft.number == 4:
                rig.injector.repace(ConstantPace(64.0))
            yield draft

    rig.injector.run_paced(drafts(), ConstantPace(256.0))
    gaps = [later - earlier for earlier, later in zip([0.0, *dues(rig)], dues(rig), strict=False)]
    assert gaps == pytest.approx([1 / 256] * 3 + [1 / 64] * 3, abs=2e-6)


def test_another_pace_ends_the_wait_for_a_message():
    """An injector that waits an hour for its next message sends it soon where it is told to be quicker."""

    class Waking:
        """The event that the injector waits on; during the first wait the pace is changed."""

        def __init__(self):
            self.asked = []

        def wait(self, seconds):
            self.asked.append(seconds)
            if len(self.asked) == 1:
                rig.time.now += 10.0
                rig.injector.repace(ConstantPace(4.0))
                return True
            rig.time.now += seconds
            return False

        def set(self):
            pass

        def clear(self):
            pass

    rig = Rig()
    rig.injector._wake = waking = Waking()
    rig.injector.run_paced(made_up(2), ConstantPace(1 / 3600))
    assert dues(rig) == [10.25, 10.5]
    assert waking.asked[0] == 3600.0
    assert waking.asked[1] == 0.25
    assert rig.watcher.lags == [0.0, 0.0]


def test_the_pace_may_be_changed_again_and_again():
    """Of several changes before the next message the last one counts."""
    rig = Rig(time=Time(STEP))

    def drafts():
        for draft in made_up(2):
            for rate in (1.0, 1 / 3600, 256.0):
                rig.injector.repace(ConstantPace(rate))
            yield draft

    rig.injector.run_paced(drafts(), ConstantPace(1 / 3600))
    assert rig.watcher.ends == 1
    assert dues(rig)[1] < 0.1


def test_a_stop_beats_another_pace():
    """An injector that is told to be quicker and to stop sends nothing more."""
    rig = Rig(time=Time())
    with running(rig.injector.run_paced, made_up(None), ConstantPace(1 / 3600)):
        rig.injector.repace(ConstantPace(1 / 7200))
        rig.injector.stop()
    assert rig.messages == []


def test_only_a_rate_is_a_pace():
    """An injector is paced when it sends at a rate, and not before nor with a number of messages at a time."""
    rig = Rig(time=Time(STEP))
    assert rig.injector.is_paced is False
    rig.injector.run_closed(made_up(1), 1)
    assert rig.injector.is_paced is False
    rig.injector.run_paced(made_up(1), ConstantPace(256.0))
    assert rig.injector.is_paced is True


def test_a_schedule_that_can_t_be_kept_lets_others_run():
    """An injector that is behind its schedule sends while it catches up, and can be stopped."""
    code = """
from gevent import monkey; monkey.patch_all()
import contextlib, gevent, itertools
from simulator.behaviour.pacing import ConstantPace
from simulator.stage.injector import Injector, made_up
from simulator.telemetry.record import Clock, Via
class Quiet:
    def __getattr__(self, name): return lambda *arguments: None
class Handling:
    def handle(self, message): injector.stop()
begun = itertools.count()
def spawn(run):
    next(begun)
    gevent.spawn(run)
ticks = itertools.count(0, 1000)
clock = Clock(lambda: float(next(ticks)), lambda: 0)
span = lambda due, lag: contextlib.nullcontext()
injector = Injector("injector", 7, Handling(), Quiet(), clock, span, spawn, Via.SCHEDULE)
injector.run_paced(made_up(5000), ConstantPace(1.0))
print(next(begun))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(simulator.__file__).parents[1])}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert 1 <= int(ended.stdout) < 5000


def test_made_up_drafts_have_no_end():
    """Without a number of messages there is always another, numbered on from 1."""
    drafts = made_up(None)
    assert [next(drafts) for _ in range(1000)] == [Draft(number, b"") for number in range(1, 1001)]


@pytest.mark.parametrize("messages", [0, 1, 5])
def test_so_many_drafts_and_no_more(messages):
    """With a number of messages there are exactly so many drafts."""
    assert [draft.number for draft in made_up(messages)] == list(range(1, messages + 1))


def read(*lines, on_bad_line=OnBadLine.STOP, max_body_bytes=100, messages=None):
    """Read lines to their end; give the drafts and the watcher."""
    watcher = Watching()
    return list(from_lines(iter(lines), watcher, on_bad_line, max_body_bytes, messages)), watcher


def test_each_line_is_a_draft():
    """Each line is a message byte for byte, without its line break, numbered as in the file."""
    drafts, watcher = read(b'{"a": 1}\n', b"  [1,  2]\r\n", b'"last"')
    assert drafts == [Draft(1, b'{"a": 1}'), Draft(2, b"  [1,  2]\r"), Draft(3, b'"last"')]
    assert (watcher.lines, watcher.bad_lines) == (3, [])


def test_blank_lines_are_passed_over():
    """Blank lines are no messages, but count for the numbers of the lines after them."""
    drafts, watcher = read(b"\n", b"1\n", b"  \t\n", b"\r\n", b"2\n", b"\n")
    assert drafts == [Draft(2, b"1"), Draft(5, b"2")]
    assert watcher.lines == 2


def test_a_bad_line_ends_the_input():
    """A line that is not JSON ends the input there, and is told with its number and the reason."""
    drafts, watcher = read(b"1\n", b"\n", b"{broken\n", b"2\n")
    assert drafts == [Draft(1, b"1")]
    ((number, reason),) = watcher.bad_lines
    assert (number, watcher.lines) == (3, 2)
    assert reason.startswith("not JSON: ")


def test_a_bad_line_is_skipped():
    """Told to skip bad lines, the input goes on after each of them."""
    drafts, watcher = read(b"nope\n", b"1\n", b"\xff\n", b"{} {}\n", b"2\n", on_bad_line=OnBadLine.SKIP)
    assert drafts == [Draft(2, b"1"), Draft(5, b"2")]
    assert [number for number, _ in watcher.bad_lines] == [1, 3, 4]
    assert watcher.lines == 5


def test_a_line_that_is_too_long():
    """A line of exactly max_body passes; one of a byte more is a bad one, with its size and the bound."""
    fits, too_long = b'"' + b"x" * 98 + b'"\n', b'"' + b"x" * 99 + b'"\n'
    drafts, watcher = read(fits, too_long, fits, on_bad_line=OnBadLine.SKIP)
    assert [draft.number for draft in drafts] == [1, 3]
    assert watcher.bad_lines == [(2, "it has more than max_body (100 bytes)")]
    drafts, watcher = read(too_long, fits)
    assert (drafts, watcher.lines) == ([], 1)


@pytest.mark.parametrize(("messages", "numbers"), [(0, []), (1, [2]), (2, [2, 4]), (9, [2, 4, 5])])
def test_no_more_messages_than_were_asked_for(messages, numbers):
    """With a number of messages the input ends after so many good lines."""
    drafts, _ = read(b"nope\n", b"1\n", b"\n", b"2\n", b"3\n", on_bad_line=OnBadLine.SKIP, messages=messages)
    assert [draft.number for draft in drafts] == numbers


@pytest.mark.parametrize("messages", [0, 1, 2])
def test_no_line_is_read_beyond_the_last_message(messages):
    """When there have been enough messages no further line is asked for, which may never come."""

    def lines():
        for _ in range(messages):
            yield b"1\n"
        raise AssertionError("a further line was asked for")

    drafts = list(from_lines(lines(), Watching(), OnBadLine.STOP, 100, messages))
    assert len(drafts) == messages


def test_a_file_of_lines(tmp_path):
    """A file is read line by line."""
    path = tmp_path / "orders.jsonl"
    path.write_bytes(b'{"n": 1}\n{"n": 2}\n')
    with closing(open_lines(str(path))) as lines:
        assert list(lines) == [b'{"n": 1}\n', b'{"n": 2}\n']


@pytest.mark.parametrize(("name", "reason"), [("missing.jsonl", "No such file"), ("", "Is a directory")])
def test_a_file_that_can_t_be_read_is_named(tmp_path, name, reason):
    """A file that can't be read is told by its name and with the reason."""
    path = tmp_path / name
    with pytest.raises(StartError) as raised:
        open_lines(str(path))
    assert str(raised.value).startswith(f"the input file {path} can't be read: {reason}")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"", []),
        (b"12345\n1234\n", [b"12345\n", b"1234\n"]),
        (b"1234", [b"1234"]),
        (b"123456\n1\n", [b"123456\n", b"1\n"]),
        (b"x" * 500_000 + b"\n1\n", [b"xxxxxxx", b"1\n"]),
        (b"x" * 500_000, [b"xxxxxxx"]),
    ],
)
def test_a_line_without_an_end_is_not_kept_whole(text, lines):
    """Of a line longer than the bound of 5 only the beginning is given, enough to see that it is too long."""
    assert list(bounded_lines(io.BytesIO(text), 5)) == lines
