"""Passing on: nothing waits for the user's collector, and every span is passed on, waiting or counted as dropped."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.traces.passing import PARCEL_BYTES, Parcel, Passer, Standing
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_posting import PAUSE_SECONDS, Answer, Poster
from tests.support.collector import collector
from tests.support.exports import export

ENDPOINT = "http://collector:4318/v1/traces"
TAKEN = Answer(True)
AWAY = Answer(False, True, PAUSE_SECONDS, 0, "no connection")
UNWANTED = Answer(False, False, 0.0, 0, "400")
LONG_SECONDS = 20.0


def parcel(number=0, spans=1, size=100, via=""):
    return Parcel(bytes([number]) * size, "application/x-protobuf", "identity", spans, via)


class Stop(threading.Event):
    """A sign to stop, given once nothing is left to do or so many pauses were made, each of which takes no time."""

    def __init__(self, passer, most_pauses=3):
        super().__init__()
        self._passer, self._most_pauses, self.pauses = passer, most_pauses, []

    def is_set(self):
        return super().is_set() or not self._passer.standing().spans_waiting

    def wait(self, timeout=None):
        if timeout:
            self.pauses.append(timeout)
        if len(self.pauses) >= self._most_pauses:
            self.set()
        return self.is_set()


class Rig:
    """A passer whose collector answers as it is told."""

    def __init__(self, answers=(), **options):
        self.answers, self.posted, self.timeouts = list(answers), [], []
        self.now = 100.0
        options.setdefault("post", self._post)
        self.passer = Passer(Destination(endpoint=ENDPOINT), monotonic=lambda: self.now, **options)

    def _post(self, parcel, timeout_seconds):
        self.posted.append(parcel.body[0] if parcel.body else None)
        self.timeouts.append(timeout_seconds)
        return self.answers.pop(0) if self.answers else TAKEN

    def offer(self, *parcels):
        for one in parcels:
            self.passer.offer(one)

    def run(self, most_pauses=3):
        stop = Stop(self.passer, most_pauses)
        self.passer.run(stop)
        return stop.pauses

    @property
    def counts(self):
        standing = self.passer.standing()
        return standing.spans_passed_on, standing.spans_dropped, standing.spans_waiting


def test_parcels_are_passed_on_in_order():
    """What is offered is posted in the order in which it came, with the destination's timeout, and counted."""
    rig = Rig()
    rig.offer(parcel(1, spans=3), parcel(2, spans=4), parcel(3, spans=5))
    assert rig.counts == (0, 0, 12)
    rig.run()
    assert (rig.posted, rig.timeouts[0]) == ([1, 2, 3], 10.0)
    assert rig.passer.standing() == Standing(ENDPOINT, 12, 0, 0, "")


def test_a_request_without_spans_is_not_worth_a_call():
    """A parcel with nothing in it is left out."""
    rig = Rig()
    rig.offer(parcel(spans=0))
    rig.run()
    assert (rig.posted, rig.counts) == ([], (0, 0, 0))


def test_a_collector_that_is_away_loses_nothing_while_there_is_room():
    """A parcel that found no collector is tried again after a pause, before those that came later."""
    rig = Rig([TAKEN, AWAY, AWAY])
    rig.offer(parcel(1), parcel(2), parcel(3))
    pauses = rig.run(most_pauses=9)
    assert rig.posted == [1, 2, 2, 2, 3]
    assert pauses[:2] == [PAUSE_SECONDS, PAUSE_SECONDS]
    assert rig.passer.standing() == Standing(ENDPOINT, 3, 0, 0, "")


def test_the_collector_s_own_pause_is_made():
    """A pause is as long as the answer says."""
    rig = Rig([Answer(False, True, 17.0, 0, "503")])
    rig.offer(parcel(1))
    assert rig.run(most_pauses=9)[0] == 17.0


def test_what_is_refused_is_dropped_and_told():
    """A parcel that would fail again is dropped and counted at once, the next one is tried, and the problem shown."""
    rig = Rig([TAKEN, UNWANTED])
    rig.offer(parcel(1, spans=3), parcel(2, spans=4))
    rig.run()
    assert rig.passer.standing() == Standing(ENDPOINT, 3, 4, 0, "400")


@pytest.mark.parametrize(("rejected", "counts"), [(1, (3, 1, 0)), (4, (0, 4, 0)), (99, (0, 4, 0))])
def test_what_is_rejected_of_a_parcel_is_counted_as_dropped(rejected, counts):
    """Spans that the collector says it rejected were not passed on, however many it says."""
    rig = Rig([Answer(True, spans_rejected=rejected, problem="too old")])
    rig.offer(parcel(spans=4))
    rig.run()
    assert (rig.counts, rig.passer.standing().problem) == (counts, "too old")


def test_a_problem_is_over_with_the_next_success():
    """The problem shown is that of the last try."""
    rig = Rig([UNWANTED, TAKEN])
    rig.offer(parcel(1), parcel(2))
    rig.run()
    assert rig.passer.standing().problem == ""


def test_the_oldest_are_dropped_for_want_of_room():
    """No more than the bound is held; the newest are kept, and those dropped are counted in spans."""
    rig = Rig(most_bytes=3 * (100 + PARCEL_BYTES))
    rig.offer(*(parcel(number, spans=10 + number) for number in range(5)))
    assert rig.counts == (0, 10 + 11, 12 + 13 + 14)
    rig.run()
    assert rig.posted == [2, 3, 4]


def test_a_parcel_larger_than_the_room_is_dropped():
    """What could never be held is counted as dropped."""
    rig = Rig(most_bytes=1000)
    rig.offer(parcel(spans=7, size=2000))
    assert rig.counts == (0, 7, 0)


def test_small_parcels_are_bounded_too():
    """A great many parcels of next to nothing are held to the bound like large ones."""
    rig = Rig(most_bytes=10 * PARCEL_BYTES)
    rig.offer(*(parcel(size=0) for _ in range(100)))
    assert rig.counts == (0, 90, 10)


def test_what_is_under_way_takes_its_room():
    """A parcel that is being posted counts as held, and is dropped by nobody."""
    rig = Rig(most_bytes=2 * (100 + PARCEL_BYTES), post=lambda sent, timeout_seconds: during(sent))
    seen = []

    def during(sent):
        if sent.body[0] == 1:
            rig.offer(parcel(2), parcel(3))
            seen.append(rig.counts)
        return TAKEN

    rig.offer(parcel(1))
    rig.run()
    assert (seen, rig.counts) == ([(0, 1, 2)], (2, 1, 0))


def test_an_offer_does_not_wait_for_the_collector():
    """While the collector is stuck, offers return at once, and all that is over the bound is counted."""
    entered, released, stop = threading.Event(), threading.Event(), threading.Event()

    def stuck(sent, timeout_seconds):
        entered.set()
        assert released.wait(LONG_SECONDS)
        return TAKEN

    rig = Rig(most_bytes=4 * (100 + PARCEL_BYTES), post=stuck)
    thread = threading.Thread(target=rig.passer.run, args=(stop,))
    thread.start()
    try:
        rig.offer(parcel())
        assert entered.wait(LONG_SECONDS)
        rig.offer(*(parcel() for _ in range(50)))
        assert rig.counts == (0, 47, 4)
    finally:
        stop.set()
        released.set()
        thread.join()
    assert rig.counts == (4, 47, 0)


def test_the_end_passes_on_what_is_left():
    """What was waiting when the sign to stop came is passed on, within the time for it."""
    rig = Rig()
    rig.offer(parcel(1), parcel(2))
    stop = threading.Event()
    stop.set()
    rig.passer.run(stop)
    assert (rig.posted, rig.timeouts, rig.counts) == ([1, 2], [2.0, 2.0], (2, 0, 0))


def test_the_end_does_not_wait_for_a_collector_that_is_away():
    """One try is made for what is left, and then it is counted as dropped, as is what is offered afterwards."""
    rig = Rig([AWAY, AWAY])
    rig.offer(parcel(1, spans=2), parcel(2, spans=3))
    stop = threading.Event()
    stop.set()
    rig.passer.run(stop)
    rig.offer(parcel(3, spans=4))
    assert (rig.posted, rig.counts) == ([1], (0, 9, 0))
    assert rig.passer.standing().problem == "no connection"


def test_the_end_has_a_bound():
    """A slow collector holds the end up for two seconds, and what has not gone by then is dropped."""

    def slow(sent, timeout_seconds):
        rig.now += 1.5
        rig.timeouts.append(timeout_seconds)
        return TAKEN

    rig = Rig(post=slow)
    rig.offer(*(parcel(number) for number in range(5)))
    stop = threading.Event()
    stop.set()
    rig.passer.run(stop)
    assert (rig.timeouts, rig.counts) == ([2.0, 0.5], (2, 3, 0))


def test_what_comes_back_is_not_passed_on_again():
    """Where the endpoint leads back to the console itself, a span goes round once, and the problem says what to set."""
    rig = Rig()
    poster = Poster(Destination(endpoint=ENDPOINT), {"via": f"1.1 {rig.passer._name}"})
    sent = poster._headers(parcel(1, via="1.0 first"))
    poster.close()
    rig.offer(parcel(1, spans=6, via=sent["via"]), parcel(2, via="1.1 another"))
    assert rig.counts == (0, 6, 1)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in rig.passer.standing().problem


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3000)), max_size=20),
    st.lists(st.sampled_from([TAKEN, AWAY, UNWANTED, Answer(True, spans_rejected=2)]), max_size=20),
    st.integers(1000, 20_000),
)
def test_every_span_is_accounted_for(offers, answers, most_bytes):
    """Whatever comes and whatever the collector answers, passed on, dropped and waiting are all that was offered."""
    rig = Rig(answers, most_bytes=most_bytes)
    offered = sum(spans for spans, _ in offers)
    rig.offer(*(parcel(spans=spans, size=size) for spans, size in offers))
    assert sum(rig.counts) == offered
    rig.run(most_pauses=10)
    assert sum(rig.counts) == offered
    assert rig.counts[2] == 0
    assert rig.passer._held_bytes == 0


def test_a_real_collector_gets_the_spans():
    """Over a real connection, in a thread of its own, every span that was offered arrives."""
    with collector() as received:
        passer = Passer(Destination(endpoint=received.address + "/v1/traces"))
        stop = threading.Event()
        thread = threading.Thread(target=passer.run, args=(stop,))
        thread.start()
        body = export(spans=3).SerializeToString()
        for _ in range(20):
            passer.offer(Parcel(body, "application/x-protobuf", "identity", 3))
        stop.set()
        thread.join()
        assert received.bodies == [body] * 20
    assert (passer.standing().spans_passed_on, passer.standing().spans_dropped) == (60, 0)


def test_a_count_is_kept_outside():
    """What is offered and what is passed on is counted as it happens, so that a console that is killed leaves it."""
    counts = Counter()
    rig = Rig([TAKEN, Answer(True, spans_rejected=1), UNWANTED], count=lambda name, spans: counts.update({name: spans}))
    rig.offer(parcel(spans=5), parcel(spans=3), parcel(spans=7), parcel(spans=0))
    rig.run()
    assert counts == {"spans_offered": 15, "spans_passed_on": 5 + 2}
