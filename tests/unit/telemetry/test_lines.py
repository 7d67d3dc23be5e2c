"""Lines out of the process: in order, without ever waiting for their reader, and with nothing lost unsaid."""

from __future__ import annotations

import contextlib
import os
import re
import select
import threading
import time

from simulator.telemetry.lines import LineWriter, WriterThread
from tests.support.processes import wait_for

REPORT = re.compile(rb"dropped (\d+)")
LONG_SECONDS = 20.0  # far more than anything here takes; what exceeds it has blocked


def report(count):
    return b"dropped %d" % count


class Rig:
    """A writer on a descriptor, its thread, and the tests' hold on when it writes."""

    def __init__(self, descriptor, **options):
        self.descriptor = descriptor
        self.gathering = threading.Event()
        self.gathering.set()
        self.threads = []
        self.thread = WriterThread(
            self._start, options.pop("new_flag", threading.Event), lambda _: self.gathering.wait(LONG_SECONDS)
        )
        self.writer = LineWriter(descriptor, self.thread, options.pop("on_dropped", report), **options)

    def close(self, timeout_seconds=LONG_SECONDS):
        self.writer.close(lambda done: done.wait(timeout_seconds))
        self.thread.close()

    def _start(self, run):
        thread = threading.Thread(target=run)
        self.threads.append(thread)
        thread.start()

    def join(self):
        for thread in self.threads:
            thread.join(LONG_SECONDS)
            assert not thread.is_alive()


@contextlib.contextmanager
def piped(**options):
    """Return a writer into a pipe, and the end to read from; whatever is stuck is set free at the end."""
    read, write = os.pipe()
    if options.pop("nonblocking", False):
        os.set_blocking(write, False)
    rig = Rig(write, **options)
    try:
        yield rig, read
    finally:
        rig.gathering.set()
        os.close(read)  # which ends a write that nobody reads
        rig.close()
        rig.join()
        os.close(write)


def read_lines(descriptor, count):
    """Read until so many lines have come."""
    text = b""
    while text.count(b"\n") < count:
        text += os.read(descriptor, 2**16)
    return text.split(b"\n")[:-1]


def read_until(descriptor, ending):
    text = b""
    while not text.endswith(ending):
        text += os.read(descriptor, 2**16)
    return text


def wait_until_written(descriptor):
    """Wait until something can be read, which is when the thread is inside its write."""
    assert select.select([descriptor], [], [], LONG_SECONDS)[0]


def read_exactly(descriptor, count):
    text = b""
    while len(text) < count:
        text += os.read(descriptor, count - len(text))
    return text


def fill_pipe(descriptor):
    """Write into a pipe that does not block until it takes no more; return how many bytes that were."""
    written = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            written += os.write(descriptor, b"-" * 4096)
    return written


def fill_up(writer):
    """Write short lines until one is dropped; return how many were taken."""
    before, taken = writer.dropped, 0
    while writer.dropped == before:
        writer.write(b"x" * 99)
        taken += 1
    return taken - 1


def test_lines_come_out_in_order_and_whole():
    """Every line comes out once, in the order in which it was written, each with one line break."""
    lines = [b"line %d" % number for number in range(5000)]
    with piped() as (rig, read):
        for line in lines:
            rig.writer.write(line)
        assert read_lines(read, len(lines)) == lines
        assert rig.writer.dropped == 0


def test_lines_of_many_threads_are_all_there():
    """Lines written by several threads at once all come out whole, those of one thread in its order."""
    with piped() as (rig, read):

        def write(name):
            for number in range(500):
                rig.writer.write(b"%s %d" % (name, number))

        names = [b"a", b"b", b"c", b"d"]
        threads = [threading.Thread(target=write, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        lines = read_lines(read, 2000)
        for thread in threads:
            thread.join(LONG_SECONDS)
        for name in names:
            assert [line for line in lines if line[:1] == name] == [b"%s %d" % (name, n) for n in range(500)]


def test_closing_writes_what_is_left():
    """What was written just before the end is in the pipe when `close` comes back."""
    read, write = os.pipe()
    rig = Rig(write)
    rig.writer.write(b"the last words")
    rig.close()
    os.close(write)
    assert os.read(read, 100) == b"the last words\n"
    rig.join()
    os.close(read)


def test_closing_waits_for_what_came_before():
    """What was written while the pipe was full, before the end was asked for, gets out when the reader comes back."""
    asked_to_end = threading.Event()

    class Flag(threading.Event):
        def wait(self, timeout=None):
            if timeout is not None:
                asked_to_end.set()
            return super().wait(timeout)

    with piped(new_flag=Flag) as (rig, read):
        rig.writer.write(b"-" * 100_000)
        wait_until_written(read)
        rig.writer.write(b"the last words")
        closing = threading.Thread(target=rig.close)
        closing.start()
        assert asked_to_end.wait(LONG_SECONDS)
        assert read_lines(read, 2)[1] == b"the last words"
        closing.join(LONG_SECONDS)
        assert not closing.is_alive()


def test_closing_an_idle_writer_ends_its_thread():
    """A writer that never had a line to write is closed at once and leaves no thread behind."""
    read, write = os.pipe()
    rig = Rig(write)
    rig.close()
    rig.join()
    os.close(write)
    assert os.read(read, 100) == b""
    os.close(read)


def test_a_pipe_that_nobody_reads_never_blocks_a_writer():
    """With the pipe full and nobody reading, each write returns, and what exceeds the bound is dropped and counted."""
    with piped(bound_bytes=50_000) as (rig, read):
        rig.writer.write(b"-" * 100_000)
        wait_until_written(read)
        finished = threading.Event()

        def write():
            for _ in range(3000):
                rig.writer.write(b"x" * 999)
            finished.set()

        thread = threading.Thread(target=write)
        thread.start()
        assert finished.wait(LONG_SECONDS)
        thread.join()
        assert rig.writer.dropped == 3000 - 51


def test_drops_are_reported_when_the_reader_comes_back():
    """The reader that comes back gets what was kept, in order, and a line that says exactly how many are missing."""
    with piped(bound_bytes=50_000) as (rig, read):
        rig.writer.write(b"-" * 100_000)
        wait_until_written(read)
        for number in range(3000):
            rig.writer.write(b"%04d%s" % (number, b"x" * 995))
        first, *kept, last = read_lines(read, 1 + 51 + 1)
        assert first == b"-" * 100_000
        assert [int(line[:4]) for line in kept] == list(range(51))
        assert int(REPORT.fullmatch(last)[1]) == 3000 - 51 == rig.writer.dropped
        rig.writer.write(b"and on it goes")
        assert read_lines(read, 1) == [b"and on it goes"]


def test_exactly_the_bound_is_kept():
    """While the reader is away, as many lines wait as the bound says, and the next one is dropped."""
    with piped(bound_bytes=1000) as (rig, read):
        rig.writer.write(b"-" * 100_000)
        wait_until_written(read)
        assert fill_up(rig.writer) == 11  # 1,000 bytes have come by then, which is not yet more than the bound
        assert rig.writer.dropped == 1


def test_a_report_does_not_widen_the_bound():
    """After drops have been reported, no more lines wait than before."""
    with piped(bound_bytes=1000, on_dropped=lambda count: b"r" * 5000) as (rig, read):
        for _ in range(2):
            rig.writer.write(b"-" * 100_000)
            wait_until_written(read)
            assert fill_up(rig.writer) == 11
            read_until(read, b"r" * 5000 + b"\n")


def test_what_is_written_while_lines_go_out_is_counted():
    """A line written in the very moment in which others are taken out counts for the bound like every other."""
    asked, answered = threading.Event(), threading.Event()

    class Slow(bytes):
        def __len__(self):
            if threading.current_thread() is not threading.main_thread():
                asked.set()
                answered.wait(LONG_SECONDS)
            return super().__len__()

    with piped(bound_bytes=10_000) as (rig, read):
        rig.writer.write(Slow(b"first"))
        wait_for(lambda: asked.is_set() or select.select([read], [], [], 0)[0], "the first line on its way")
        for _ in range(50):
            rig.writer.write(b"x" * 99)
        answered.set()
        assert len(read_lines(read, 51)) == 51
        rig.writer.write(b"-" * 100_000)
        wait_until_written(read)
        assert fill_up(rig.writer) == 101


def test_a_closed_pipe_raises_nothing():
    """When the reader is gone for good, lines are dropped and counted, and neither write nor close raises."""
    read, write = os.pipe()
    rig = Rig(write)
    os.close(read)
    for _ in range(10):
        rig.writer.write(b"to nobody")
    rig.close()
    rig.join()
    os.close(write)
    assert rig.writer.dropped == 10


def test_a_full_disk_raises_nothing():
    """When the disk is full, lines are dropped and counted, and the service goes on."""
    full = os.open("/dev/full", os.O_WRONLY)
    rig = Rig(full)
    for _ in range(10):
        rig.writer.write(b"no room for this")
    rig.close()
    rig.join()
    os.close(full)
    assert rig.writer.dropped == 10


def test_a_failed_write_is_reported_by_the_next_that_works():
    """Lines lost in a write that failed are told, with their number, once writing works again."""
    with piped(nonblocking=True) as (rig, read):
        in_the_way = fill_pipe(rig.descriptor)
        rig.gathering.clear()
        for _ in range(3):
            rig.writer.write(b"lost")
        rig.gathering.set()
        wait_for(lambda: rig.writer.dropped == 3, "three dropped lines")
        assert read_exactly(read, in_the_way) == b"-" * in_the_way
        rig.writer.write(b"after")
        assert read_lines(read, 2) == [b"after", b"dropped 3"]
        assert rig.writer.dropped == 3


def test_after_half_a_line_a_new_one_begins():
    """Where a write took only a part of a line, the next line stands on its own all the same."""
    with piped(nonblocking=True) as (rig, read):
        rig.writer.write(b"x" * 100_000)
        wait_for(lambda: rig.writer.dropped == 1, "a dropped line")
        half = read_exactly(read, 65_536)
        rig.writer.write(b"after")
        assert (half + read_until(read, b"dropped 1\n")).split(b"\n")[1:] == [b"after", b"dropped 1", b""]


def test_only_lines_that_did_not_get_out_count_as_dropped():
    """Of a batch whose write failed midway, the lines that are out whole are not counted as dropped."""
    with piped(nonblocking=True) as (rig, read):
        rig.gathering.clear()
        for _ in range(100):
            rig.writer.write(b"x" * 999)
        rig.gathering.set()
        wait_for(lambda: rig.writer.dropped, "dropped lines")
        assert read_exactly(read, 65_536).count(b"\n") == 65
        assert rig.writer.dropped == 35


def test_nothing_is_counted_twice_after_half_a_line():
    """Where nothing at all gets out after half a line, each lost line is counted once all the same."""
    with piped(nonblocking=True) as (rig, read):
        rig.writer.write(b"x" * 100_000)
        wait_for(lambda: rig.writer.dropped, "a dropped line")
        rig.gathering.clear()
        for _ in range(3):
            rig.writer.write(b"lost")
        rig.gathering.set()
        wait_for(lambda: rig.writer.dropped > 1, "more dropped lines")
        assert rig.writer.dropped == 4
        assert read_exactly(read, 65_536) == b"x" * 65_536


def test_closing_is_bounded():
    """With the pipe full and nobody reading, `close` comes back when its time is up."""
    with piped() as (rig, read):
        rig.writer.write(b"x" * 200_000)
        wait_until_written(read)
        begin = time.monotonic()
        rig.close(0.05)
        assert 0.05 <= time.monotonic() - begin < 5
        assert rig.threads[0].is_alive()


def test_one_thread_writes_for_many():
    """Each of many writers has its lines in its own file, in order, and is closed while the others go on."""
    pipes = [os.pipe() for _ in range(50)]
    thread = WriterThread(lambda run: threading.Thread(target=run, daemon=True).start(), threading.Event, time.sleep)
    writers = [LineWriter(write, thread, report) for _, write in pipes]
    for number in range(20):
        for name, writer in enumerate(writers):
            writer.write(b"%d of %d" % (number, name))
    for name, writer in enumerate(writers):
        writer.close(lambda done: done.wait(LONG_SECONDS))
        read, write = pipes[name]
        assert read_lines(read, 20) == [b"%d of %d" % (number, name) for number in range(20)]
        os.close(read)
        os.close(write)
    thread.close()
