"""Forwarding: nothing waits for the user's collector, and every span is forwarded, waiting or counted as dropped."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.traces.forwarding import BATCH_OVERHEAD_BYTES, Forwarder, ForwarderStatus, OtlpBatch
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_posting import PAUSE_SECONDS, CollectorAnswer, Poster
from tests.support.collector import collector
from tests.support.exports import export

ENDPOINT = "http://collector:4318/v1/traces"
TAKEN = CollectorAnswer(True)
AWAY = CollectorAnswer(False, True, PAUSE_SECONDS, 0, "no connection")
UNWANTED = CollectorAnswer(False, False, 0.0, 0, "400")
LONG_SECONDS = 20.0


def batch(number=0, spans=1, size=100, via=""):
    return OtlpBatch(bytes([number]) * size, "application/x-protobuf", "identity", spans, via)


class Stop(threading.Event):
    """A stop event, set when nothing is left to do or after so many pauses, which take no time."""

    def __init__(self, forwarder, max_pauses=3):
        super().__init__()
        self._passer, self._max_pauses, self.pauses = forwarder, max_pauses, []

    def is_set(self):
        return super().is_set() or not self._passer.status().spans_waiting

    def wait(self, timeout=None):
        if timeout:
            self.pauses.append(timeout)
        if len(self.pauses) >= self._max_pauses:
            self.set()
        return self.is_set()


class Rig:
    """A forwarder whose collector gives the configured answers."""

    def __init__(self, answers=(), **options):
        self.answers, self.posted, self.timeouts = list(answers), [], []
        self.now = 100.0
        post = options.pop("post", self._post)
        self.forwarder = Forwarder(
            Destination(endpoint=ENDPOINT), connect=lambda _: post, monotonic=lambda: self.now, **options
        )

    def _post(self, batch, timeout_seconds):
        self.posted.append(batch.body[0] if batch.body else None)
        self.timeouts.append(timeout_seconds)
        return self.answers.pop(0) if self.answers else TAKEN

    def offer(self, *batches):
        for one in batches:
            self.forwarder.offer(one)

    def run(self, max_pauses=3):
        stop = Stop(self.forwarder, max_pauses)
        self.forwarder.run(stop)
        return stop.pauses

    @property
    def counts(self):
        standing = self.forwarder.status()
        return standing.spans_forwarded, standing.spans_dropped, standing.spans_waiting


def test_batches_are_forwarded_in_order():
    """Batches are posted in the order of their arrival, with the destination's timeout, and counted."""
    rig = Rig()
    rig.offer(batch(1, spans=3), batch(2, spans=4), batch(3, spans=5))
    assert rig.counts == (0, 0, 12)
    rig.run()
    assert (rig.posted, rig.timeouts[0]) == ([1, 2, 3], 10.0)
    assert rig.forwarder.status() == ForwarderStatus(ENDPOINT, 12, 0, 0, "")


def test_a_request_without_spans_is_not_worth_a_call():
    """A batch with nothing in it is left out."""
    rig = Rig()
    rig.offer(batch(spans=0))
    rig.run()
    assert (rig.posted, rig.counts) == ([], (0, 0, 0))


def test_a_collector_that_is_away_loses_nothing_while_there_is_room():
    """A batch that found no collector is retried after a pause, before those that came later."""
    rig = Rig([TAKEN, AWAY, AWAY])
    rig.offer(batch(1), batch(2), batch(3))
    pauses = rig.run(max_pauses=9)
    assert rig.posted == [1, 2, 2, 2, 3]
    assert pauses[:2] == [PAUSE_SECONDS, PAUSE_SECONDS]
    assert rig.forwarder.status() == ForwarderStatus(ENDPOINT, 3, 0, 0, "")


def test_the_collector_s_own_pause_is_made():
    """A pause is as long as the answer says."""
    rig = Rig([CollectorAnswer(False, True, 17.0, 0, "503")])
    rig.offer(batch(1))
    assert rig.run(max_pauses=9)[0] == 17.0


def test_a_refused_batch_is_dropped_and_reported():
    """A batch that would fail again is dropped and counted, the next one is posted, and the problem is shown."""
    rig = Rig([TAKEN, UNWANTED])
    rig.offer(batch(1, spans=3), batch(2, spans=4))
    rig.run()
    assert rig.forwarder.status() == ForwarderStatus(ENDPOINT, 3, 4, 0, "400")


@pytest.mark.parametrize(("rejected", "counts"), [(1, (3, 1, 0)), (4, (0, 4, 0)), (99, (0, 4, 0))])
def test_what_is_rejected_of_a_batch_is_counted_as_dropped(rejected, counts):
    """Spans that the collector says it rejected do not count as forwarded, however many it says."""
    rig = Rig([CollectorAnswer(True, rejected=rejected, problem="too old")])
    rig.offer(batch(spans=4))
    rig.run()
    assert (rig.counts, rig.forwarder.status().problem) == (counts, "too old")


def test_a_problem_is_over_with_the_next_success():
    """The problem shown is that of the last attempt."""
    rig = Rig([UNWANTED, TAKEN])
    rig.offer(batch(1), batch(2))
    rig.run()
    assert rig.forwarder.status().problem == ""


def test_the_oldest_are_dropped_to_make_room():
    """No more than the bound is held; the newest are kept, and those dropped are counted in spans."""
    rig = Rig(max_bytes=3 * (100 + BATCH_OVERHEAD_BYTES))
    rig.offer(*(batch(number, spans=10 + number) for number in range(5)))
    assert rig.counts == (0, 10 + 11, 12 + 13 + 14)
    rig.run()
    assert rig.posted == [2, 3, 4]


def test_a_batch_larger_than_the_room_is_dropped():
    """A batch that could never be held is counted as dropped."""
    rig = Rig(max_bytes=1000)
    rig.offer(batch(spans=7, size=2000))
    assert rig.counts == (0, 7, 0)


def test_small_batches_are_bounded_too():
    """Very many tiny batches are bounded like large ones."""
    rig = Rig(max_bytes=10 * BATCH_OVERHEAD_BYTES)
    rig.offer(*(batch(size=0) for _ in range(100)))
    assert rig.counts == (0, 90, 10)


def test_a_batch_in_flight_counts_as_held():
    """A batch that is being posted counts as held, and is not dropped."""
    rig = Rig(max_bytes=2 * (100 + BATCH_OVERHEAD_BYTES), post=lambda sent, timeout_seconds: during(sent))
    seen = []

    def during(sent):
        if sent.body[0] == 1:
            rig.offer(batch(2), batch(3))
            seen.append(rig.counts)
        return TAKEN

    rig.offer(batch(1))
    rig.run()
    assert (seen, rig.counts) == ([(0, 1, 2)], (2, 1, 0))


def test_an_offer_does_not_wait_for_the_collector():
    """While the collector is stuck, offers return immediately, and everything over the bound is counted."""
    entered, released, stop = threading.Event(), threading.Event(), threading.Event()

    def stuck(sent, timeout_seconds):
        entered.set()
        assert released.wait(LONG_SECONDS)
        return TAKEN

    rig = Rig(max_bytes=4 * (100 + BATCH_OVERHEAD_BYTES), post=stuck)
    thread = threading.Thread(target=rig.forwarder.run, args=(stop,))
    thread.start()
    try:
        rig.offer(batch())
        assert entered.wait(LONG_SECONDS)
        rig.offer(*(batch() for _ in range(50)))
        assert rig.counts == (0, 47, 4)
    finally:
        stop.set()
        released.set()
        thread.join()
    assert rig.counts == (4, 47, 0)


def test_the_end_forwards_what_is_left():
    """What was waiting when the stop event was set is forwarded, within the time for it."""
    rig = Rig()
    rig.offer(batch(1), batch(2))
    stop = threading.Event()
    stop.set()
    rig.forwarder.run(stop)
    assert (rig.posted, rig.timeouts, rig.counts) == ([1, 2], [2.0, 2.0], (2, 0, 0))


def test_the_end_does_not_wait_for_a_collector_that_is_away():
    """One attempt is made for what is left, and then it is counted as dropped, as is what is offered afterwards."""
    rig = Rig([AWAY, AWAY])
    rig.offer(batch(1, spans=2), batch(2, spans=3))
    stop = threading.Event()
    stop.set()
    rig.forwarder.run(stop)
    rig.offer(batch(3, spans=4))
    assert (rig.posted, rig.counts) == ([1], (0, 9, 0))
    assert rig.forwarder.status().problem == "no connection"


def test_the_end_has_a_bound():
    """A slow collector delays the end by two seconds, and what is not forwarded by then is dropped."""

    def slow(sent, timeout_seconds):
        rig.now += 1.5
        rig.timeouts.append(timeout_seconds)
        return TAKEN

    rig = Rig(post=slow)
    rig.offer(*(batch(number) for number in range(5)))
    stop = threading.Event()
    stop.set()
    rig.forwarder.run(stop)
    assert (rig.timeouts, rig.counts) == ([2.0, 0.5], (2, 3, 0))


def test_a_span_that_comes_back_is_not_forwarded_again():
    """If the endpoint leads back to the console itself, a span comes back once, and the problem says what to set."""
    rig = Rig()
    poster = Poster(Destination(endpoint=ENDPOINT), {"via": f"1.1 {rig.forwarder._name}"})
    sent = poster._headers(batch(1, via="1.0 first"))
    poster.close()
    rig.offer(batch(1, spans=6, via=sent["via"]), batch(2, via="1.1 another"))
    assert rig.counts == (0, 6, 1)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in rig.forwarder.status().problem


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3000)), max_size=20),
    st.lists(st.sampled_from([TAKEN, AWAY, UNWANTED, CollectorAnswer(True, rejected=2)]), max_size=20),
    st.integers(1000, 20_000),
)
def test_every_span_is_accounted_for(offers, answers, max_bytes):
    """Whatever the collector answers, forwarded, dropped and waiting spans add up to those offered."""
    rig = Rig(answers, max_bytes=max_bytes)
    offered = sum(spans for spans, _ in offers)
    rig.offer(*(batch(spans=spans, size=size) for spans, size in offers))
    assert sum(rig.counts) == offered
    rig.run(max_pauses=10)
    assert sum(rig.counts) == offered
    assert rig.counts[2] == 0
    assert rig.forwarder._held_bytes == 0


def test_a_real_collector_gets_the_spans():
    """Over a real connection, in a thread of its own, every span that was offered arrives."""
    with collector() as received:
        forwarder = Forwarder(Destination(endpoint=received.address + "/v1/traces"))
        stop = threading.Event()
        thread = threading.Thread(target=forwarder.run, args=(stop,))
        thread.start()
        body = export(spans=3).SerializeToString()
        for _ in range(20):
            forwarder.offer(OtlpBatch(body, "application/x-protobuf", "identity", 3))
        stop.set()
        thread.join()
        assert received.bodies == [body] * 20
    assert (forwarder.status().spans_forwarded, forwarder.status().spans_dropped) == (60, 0)


def test_a_count_is_kept_outside():
    """Offered and forwarded spans are counted as it happens, so that a console that is killed leaves the count."""
    counts = Counter()
    rig = Rig(
        [TAKEN, CollectorAnswer(True, rejected=1), UNWANTED],
        count=lambda name, spans: counts.update({name: spans}),
    )
    rig.offer(batch(spans=5), batch(spans=3), batch(spans=7), batch(spans=0))
    rig.run()
    assert counts == {"spans_offered": 15, "spans_forwarded": 5 + 2}
