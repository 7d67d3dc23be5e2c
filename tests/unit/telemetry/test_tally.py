"""The tally: counts in a file, and quantiles of them that are right to 1 %."""

from __future__ import annotations

import math
import os
import signal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.telemetry import tally
from simulator.telemetry.record import CallOutcome, Outcome
from simulator.telemetry.tally import (
    ACCEPTED_WORK,
    ATTEMPT_OUTCOMES,
    HANDLING,
    PIPELINE,
    Tallies,
    Tally,
    TallyReader,
    TallySink,
    bucket_of,
    bucket_seconds,
    quantile,
)
from tests.support import records
from tests.support.python import python
from tests.support.records import arrival, attempt, called

SHORTEST, LONGEST = 1e-5, 2 * 24 * 3600.0
DURATIONS = st.floats(math.log(SHORTEST), math.log(LONGEST)).map(math.exp)


def counted(durations):
    buckets = {}
    for seconds in durations:
        buckets[bucket_of(seconds)] = buckets.get(bucket_of(seconds), 0) + 1
    return buckets


@given(
    durations=st.lists(DURATIONS, min_size=1, max_size=300),
    percent=st.sampled_from([1, 25, 50, 75, 90, 95, 99, 100]),
)
def test_a_quantile_is_right_to_one_percent(durations, percent):
    """Any quantile of counted durations differs by 1 % at most from that of the durations themselves, sorted."""
    rank = math.ceil(Fraction(percent, 100) * len(durations))
    exact = sorted(durations)[rank - 1]
    assert quantile(counted(durations), percent / 100) == pytest.approx(exact, rel=0.01)


@given(seconds=DURATIONS)
def test_a_bucket_stands_for_all_that_fall_in_it(seconds):
    """The duration that a bucket stands for is within 1 % of every duration that it counts."""
    assert bucket_seconds(bucket_of(seconds)) == pytest.approx(seconds, rel=0.01)


@given(first=DURATIONS, second=DURATIONS)
def test_buckets_keep_the_order(first, second):
    """A longer duration never falls in a lower bucket."""
    low, high = sorted((first, second))
    assert bucket_of(low) <= bucket_of(high)


@pytest.mark.parametrize("edge", [1, 10, 100, 500, 1100])
def test_the_edges_of_a_bucket(edge):
    """A bucket ends where the next starts: just below an edge and just above it are two neighbours."""
    seconds = 1e-5 * 1.02**edge
    assert (bucket_of(seconds * 0.9999), bucket_of(seconds * 1.0001)) == (edge, edge + 1)


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (-3.0, 0), (1e-9, 0), (1e-5, 0), (1.0001e-5, 1), (300_000.0, 1199), (1e9, 1199), (1e300, 1199)],
)
def test_what_is_out_of_range_counts_at_the_end_of_it(seconds, bucket):
    """A duration below 10 microseconds or beyond two days is counted in the first or the last bucket, never lost."""
    assert bucket_of(seconds) == bucket


def test_the_quantiles_of_a_known_set():
    """The q-quantile is the smallest duration that a share q does not exceed, and zeros in between change nothing."""
    buckets = {10: 50, 20: 45, 25: 0, 30: 4, 40: 1}
    found = [quantile(buckets, q) for q in (0.5, 0.51, 0.95, 0.96, 0.99, 1.0)]
    assert found == [bucket_seconds(bucket) for bucket in (10, 20, 20, 30, 30, 40)]


def test_there_is_no_quantile_of_nothing():
    """Where nothing was counted a quantile is missing, not 0."""
    assert math.isnan(quantile({}, 0.5))
    assert math.isnan(quantile({3: 0}, 1.0))


def test_every_count_begins_at_zero(tmp_path):
    """A new file has the counts of its stage, its callers, outside and its downstreams, all at 0."""
    names = tally.slots(["injector"], [("price", ""), ("stock", ""), ("price", "")])
    counts = Tally.create(tmp_path / "parse", names).counts()
    assert set(counts.values()) == {0}
    assert len(names) == len(set(names))
    assert {"received.injector", "received.outside", "sent.price", "sent.stock"} <= set(counts)
    assert {f"outcome.{outcome}" for outcome in Outcome} <= set(counts)
    assert {f"attempt.stock.{outcome}" for outcome in ATTEMPT_OUTCOMES} <= set(counts)
    assert {"due", "missed", "lines", "bad_lines", "load_finished", "queue_depth", "disconnects"} <= set(counts)


def test_only_what_a_try_can_come_to_is_counted_of_tries():
    """Of the ends that a call can have without an attempt there is no count of attempts, and of all others there is."""
    assert set(CallOutcome) - set(ATTEMPT_OUTCOMES) == {CallOutcome.BREAKER_OPEN, CallOutcome.EXPIRED}
    names = [name for name in tally.slots([], [("price", ""), ("stock", "")]) if name.startswith("attempt.")]
    assert names == [f"attempt.{called}.{outcome}" for called in ("price", "stock") for outcome in ATTEMPT_OUTCOMES]


def test_the_file_survives_reopening(tmp_path):
    """What was counted is there when the file is opened again, durations included, and counting goes on from it."""
    path = tmp_path / "parse"
    first = Tally.create(path, tally.slots(["injector"], [("price", "")]))
    first.add("received.injector", 7)
    first.set("queue_depth", 3)
    first.observe("handling_seconds", 0.25)
    first.observe("pipeline_seconds", 2.0)
    first.observe("pipeline_seconds", 2.0)
    del first
    again = Tally(path)
    again.add("received.injector")
    again.observe("handling_seconds", 1e9)
    counts = Tally(path).counts()
    assert {name: count for name, count in counts.items() if count} == {"received.injector": 8, "queue_depth": 3}
    assert again.durations(HANDLING) == {bucket_of(0.25): 1, 1199: 1}
    assert again.durations(PIPELINE) == {bucket_of(2.0): 2}


def test_readers_see_counts_as_they_are_made(tmp_path):
    """A reader that has the file open sees each count at once, without its writer doing anything for it."""
    path = tmp_path / "parse"
    writer = Tally.create(path, tally.slots([], []))
    reader = Tally(path)
    for number in range(1, 4):
        writer.add("due")
        assert reader.counts()["due"] == number


@pytest.mark.processes
def test_counts_outlive_a_killed_process(tmp_path):
    """What a process counted is in the file although it was killed without a chance to close it."""
    path = tmp_path / "parse"
    Tally.create(path, tally.slots([], []))
    code = (
        "import os, signal, sys; from pathlib import Path; from simulator.telemetry.tally import Tally\n"
        "counts = Tally(Path(sys.argv[1])); counts.add('received.outside', 41); counts.add('received.outside')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = python(code, str(path))
    assert killed.returncode == -signal.SIGKILL
    assert Tally(path).counts()["received.outside"] == 42


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES_OF_DURATIONS = st.builds("{}/{}".format, st.sampled_from([HANDLING, PIPELINE, ACCEPTED_WORK]), NAMES)


@given(names=st.lists(NAMES | NAMES_OF_DURATIONS, min_size=1, max_size=20, unique=True))
@example(names=["pipeline_seconds"])
@example(names=["handling_seconds/", "handling_seconds", "a"])
def test_names_of_any_length_keep_their_counts(tmp_path_factory, names):
    """Whatever the names are called, each count comes back under its own name, and durations under theirs.

    A name of durations, with or without an operation behind a slash, is no count.
    """
    path = tmp_path_factory.mktemp("tallies") / "any"
    writer = Tally.create(path, names)
    whole = {HANDLING, PIPELINE, ACCEPTED_WORK}
    counts = {name: number for number, name in enumerate(names, 1) if name.split("/")[0] not in whole}
    apart = [name for name in names if name.split("/")[0] in whole and name not in whole]
    for name, number in counts.items():
        writer.add(name, number)
    writer.observe(HANDLING, 1.0)
    for number, name in enumerate(apart, 1):
        writer.observe(name, float(number))
    reader = Tally(path)
    assert reader.counts() == counts
    assert reader.durations(HANDLING) == {bucket_of(1.0): 1}
    assert reader.durations(PIPELINE) == {}
    assert [reader.durations(name) for name in apart] == [{bucket_of(float(n)): 1} for n in range(1, len(apart) + 1)]


def record(outcome, duration_seconds, answer_seconds=None, **came):
    return records.record(
        outcome, duration_seconds=duration_seconds, answer_seconds=answer_seconds, came=arrival(**came)
    )


def test_the_sink_counts_what_it_is_told(tmp_path):
    """Messages count under their caller, attempts under their call and end, handled messages under their outcome."""
    counts = Tally.create(tmp_path / "parse", tally.slots(["injector"], [("price", "")]))
    waiting = [0]
    sink = TallySink(counts, lambda: waiting[0])
    sink.received(arrival(caller="injector"))
    sink.received(arrival())
    waiting[0] = 5
    sink.received(arrival(caller="injector"))
    assert counts.counts()["queue_depth"] == 5
    for _ in range(3):
        sink.sending("price")
    attempts = (attempt(CallOutcome.BROKEN, None), attempt(number=2))
    sink.attempted(arrival(), "price", attempts[0], 0.25)
    sink.attempted(arrival(), "price", attempts[1], None)
    sink.sent(arrival(), called("price", *attempts))
    sink.injected(arrival(), "error")
    waiting[0] = 2
    sink.handled(record(Outcome.DELIVERED, 0.5, request="parse", due_at=-1.0))
    sink.handled(record(Outcome.FAULTED, 0.25, request="parse", due_at=-1.0))
    assert {name: count for name, count in counts.counts().items() if count} == {
        "received.injector": 2,
        "received.outside": 1,
        "sent.price": 3,
        "attempt.price.broken": 1,
        "attempt.price.ok": 1,
        "outcome.delivered": 1,
        "outcome.faulted": 1,
        "queue_depth": 2,
    }
    assert counts.durations(HANDLING) == {bucket_of(0.5): 1, bucket_of(0.25): 1}
    assert counts.durations(PIPELINE) == {bucket_of(1.5): 1}


def test_requests_and_accepted_work_are_counted_apart(tmp_path):
    """By what was asked for, and by the operation that accepted it; only what succeeded has a duration."""
    names = tally.slots([], [], ["read", "add"], requests=["parse.read", "parse.add"], accepting=["add"])
    counts = Tally.create(tmp_path / "parse", names)
    sink = TallySink(counts, lambda: 0)
    read = {"request": "parse.read", "operation": "read", "due_at": -0.5}
    add = {"request": "parse.add", "operation": "add", "due_at": -0.5}
    sink.handled(record(Outcome.DELIVERED, 0.25, **read))
    sink.handled(record(Outcome.FORWARDED, 4.0, answer_seconds=0.5, **add))
    sink.handled(record(Outcome.FAILED, 4.0, answer_seconds=0.5, **add))
    sink.handled(record(Outcome.DELIVERED, 8.0, operation="read", due_at=-0.5))
    assert counts.durations(PIPELINE) == {bucket_of(0.75): 1, bucket_of(1.0): 1}
    assert counts.durations(tally.pipeline_slot("parse.read")) == {bucket_of(0.75): 1}
    assert counts.durations(tally.pipeline_slot("parse.add")) == {bucket_of(1.0): 1}
    assert counts.durations(tally.ACCEPTED_WORK) == counts.durations(tally.accepted_slot("add")) == {bucket_of(4.5): 1}
    assert counts.durations(tally.accepted_slot("read")) == {}
    assert counts.counts()[tally.ACCEPTED] == 1


def test_a_kind_of_requests_that_a_change_made_counts_with_all(tmp_path):
    """What an injector calls may change while it runs; its file has no place for the new kind."""
    counts = Tally.create(tmp_path / "clients", tally.slots([], [], requests=["cart.read", "cart.pay"]))
    TallySink(counts, lambda: 0).handled(record(Outcome.FORWARDED, 0.25, request="cart.read + cart.pay"))
    assert counts.durations(PIPELINE) == {bucket_of(0.25): 1}


@pytest.mark.parametrize("outcome", ATTEMPT_OUTCOMES)
@pytest.mark.parametrize("retry_in_seconds", [None, 0.5])
def test_a_try_counts_however_it_ended(tmp_path, outcome, retry_in_seconds):
    """Every end that an attempt can have has its count, whether another attempt follows or not."""
    counts = Tally.create(tmp_path / "parse", tally.slots([], [("price", "")]))
    TallySink(counts, lambda: 0).attempted(arrival(), "price", attempt(outcome, None), retry_in_seconds)
    assert {name for name, count in counts.counts().items() if count} == {f"attempt.price.{outcome}"}


@pytest.mark.parametrize("outcome", CallOutcome)
def test_a_call_as_a_whole_is_not_counted(tmp_path, outcome):
    """A call adds nothing to its attempts, also one that was given up without any."""
    counts = Tally.create(tmp_path / "parse", tally.slots([], [("price", "")]))
    TallySink(counts, lambda: 0).sent(arrival(), called("price", outcome=outcome, code=None))
    assert not any(counts.counts().values())


NAMES = tally.slots(["injector"], [("price", "")])
ADDED = st.tuples(st.sampled_from(NAMES), st.integers(0, 2**40))


@given(
    instances=st.lists(
        st.tuples(st.lists(ADDED, max_size=10), st.lists(DURATIONS, max_size=20), st.lists(DURATIONS, max_size=20)),
        min_size=1,
        max_size=5,
    )
)
def test_instances_add_up(tmp_path_factory, instances):
    """A stage's counts and durations are exactly the sums of its instances', as if one had counted all of it."""
    folder = tmp_path_factory.mktemp("tallies")
    one, parts = Tally.create(folder / "one", NAMES), []
    for number, (added, handled, delivered) in enumerate(instances, 1):
        part = Tally.create(folder / f"parse.{number}", NAMES)
        parts.append(part)
        for counter in (one, part):
            for name, count in added:
                counter.add(name, count)
            for seconds in handled:
                counter.observe("handling_seconds", seconds)
            for seconds in delivered:
                counter.observe("pipeline_seconds", seconds)
    together = Tallies(parts)
    assert together.counts() == one.counts()
    assert together.durations(HANDLING) == one.durations(HANDLING)
    assert together.durations(PIPELINE) == one.durations(PIPELINE)


def test_a_single_instance_is_its_own_sum(tmp_path):
    """The sum over one instance is that instance, and it follows as that goes on counting."""
    part = Tally.create(tmp_path / "parse", NAMES)
    together = Tallies([part])
    for number in (1, 2):
        part.add("due")
        assert together.counts() == part.counts()
        assert together.counts()["due"] == number
    assert together.durations(HANDLING) == {}


def test_a_reader_sees_what_another_process_counts(tmp_path):
    """Counts and durations come through the file as they are at each look."""
    counter = Tally.create(tmp_path / "parse", ["a", "b"])
    reader = TallyReader(tmp_path / "parse")
    counter.add("b", 3)
    counter.observe("handling_seconds", 0.01)
    counter.observe("pipeline_seconds", 0.5)
    assert reader.counts() == {"a": 0, "b": 3}
    assert reader.durations(HANDLING) == {bucket_of(0.01): 1}
    assert reader.durations(PIPELINE) == {bucket_of(0.5): 1}
    assert not reader.truncated
    reader.close()


def test_a_truncated_tally_is_no_end_of_its_reader(tmp_path):
    """Where the file is made shorter under it, a reader keeps what it saw last, says so, and is not killed."""
    counter = Tally.create(tmp_path / "parse", ["a"])
    reader = TallyReader(tmp_path / "parse")
    counter.add("a", 3)
    assert reader.counts() == {"a": 3}
    os.truncate(tmp_path / "parse", 0)
    assert reader.counts() == {"a": 3}
    assert reader.durations(HANDLING) == {}
    assert reader.truncated
    reader.close()


def test_a_tally_has_its_blocks_from_the_start(tmp_path):
    """A full disk can't end a process that counts: no block of its mapped file is missing."""
    Tally.create(tmp_path / "parse", ["a"])
    status = (tmp_path / "parse").stat()
    assert status.st_blocks * 512 >= status.st_size


@pytest.mark.processes
def test_a_tally_for_which_there_is_no_room_is_an_error(tmp_path):
    """A limit on the size of files, as a full disk, is an OSError where the file is made, and no signal."""
    code = "\n".join(
        [
            "import resource, sys; from pathlib import Path; from simulator.telemetry.tally import Tally",
            "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))",
            "try: Tally.create(Path(sys.argv[1]), ['a'])",
            "except OSError as error: print(error.strerror)",
        ]
    )
    done = python(code, str(tmp_path / "parse"))
    assert (done.stdout, done.returncode) == ("File too large\n", 0), done.stderr
