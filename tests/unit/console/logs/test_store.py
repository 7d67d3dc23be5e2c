"""The store of received log records: what it keeps, refuses and drops."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.console.logs.store import LogStore
from simulator.console.otlp.refusals import Refusals
from simulator.console.turns import Turns
from tests.support.otlp import START, log_record, logs_request, trace_hex

MIB = 2**20
MS = 10**6


def events(lines):
    return [line.event for line in lines]


def test_the_lines_of_a_trace_are_in_the_order_of_their_times():
    """Of every service, and no line of another trace; the earliest, if there are too many."""
    store = LogStore()
    late = log_record("late", START + 5 * MS, trace=1)
    store.add(logs_request(bank=[late, log_record("other", START, trace=2)]), START)
    store.add(logs_request(shop=[log_record("early", START + MS, trace=1), log_record("none", START)]), START)
    assert [(line.label, line.event) for line in store.of_trace(trace_hex(1), 10)] == [
        ("shop", "early"),
        ("bank", "late"),
    ]
    assert events(store.of_trace(trace_hex(1), 1)) == ["early"]
    assert store.count_of_trace(trace_hex(1)) == 2
    for nothing in ("", trace_hex(3), "xyz", "é"):
        assert (store.of_trace(nothing, 10), store.count_of_trace(nothing)) == ([], 0)


def test_the_last_lines_of_a_service_are_those_that_arrived_last():
    """Oldest first, and of that service only."""
    store = LogStore()
    for number in range(5):
        store.add(logs_request(bank=[log_record(f"b{number}", START)], shop=[log_record(f"s{number}")]), START)
    assert events(store.last("bank", 3)) == ["b2", "b3", "b4"]
    assert (store.last("nobody", 3), store.services()) == ([], ["bank", "shop"])


def test_a_batch_that_is_sent_again_is_stored_once():
    """An exporter that missed the answer repeats itself; the same text at another time is another line."""
    store, batch = LogStore(), logs_request(bank=[log_record("once", START, trace=1), log_record("two", START)])
    for _ in range(3):
        assert store.add(batch, START) == Refusals()
    store.add(logs_request(bank=[log_record("once", START + 1, trace=1)]), START)
    store.add(logs_request(shop=[log_record("once", START, trace=1)]), START)
    assert events(store.of_trace(trace_hex(1), 10)) == ["once"] * 3
    status = store.status()
    assert (status.records, status.records_taken, status.records_repeated) == (4, 4, 4)


def test_the_oldest_is_dropped_for_the_newest():
    """By number and by memory; what is dropped is counted, and nothing of it stays."""
    store = LogStore(max_records=3)
    for number in range(5):
        store.add(logs_request(**{f"s{number}": [log_record(f"r{number}", trace=number + 1)]}), START)
    assert store.services() == ["s2", "s3", "s4"]
    assert (store.of_trace(trace_hex(1), 9), events(store.of_trace(trace_hex(5), 9))) == ([], ["r4"])
    assert (store.status().records, store.status().records_dropped) == (3, 2)
    store = LogStore(max_bytes=20_000)
    for number in range(50):
        store.add(logs_request(bank=[log_record("x" * 1000, START + number)]), START)
    assert 5 < store.status().records < 20
    assert store.status().bytes <= 20_000


def test_an_endless_trace_is_refused_at_its_bound():
    """The sender is told how many were refused and why; other traces are not affected."""
    store = LogStore(max_records_a_trace=3)
    endless = [log_record(f"r{number}", trace=1) for number in range(5)]
    refusals = store.add(logs_request(bank=[*endless, log_record("other", trace=2)]), START)
    assert refusals == Refusals(2, "2 of traces that have 3 log records")
    assert (store.status().records, store.status().records_refused) == (4, 2)


def test_the_store_stays_within_its_bound_by_itself():
    """A record larger than the whole store leaves nothing behind."""
    store = LogStore(max_bytes=5000)
    store.add(logs_request(bank=[log_record("x" * 9000)]), START)
    assert (store.status().records, store.status().bytes) == (0, 0)


RECORDS = st.builds(
    log_record,
    st.text(max_size=20),
    st.integers(START, START + 3),
    st.sampled_from([b"", 1, 2, b"\1\2"]),
    st.sampled_from([b"", 1]),
)


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.lists(RECORDS, max_size=4), max_size=3), max_size=6),
    st.integers(1, 6),
    st.integers(1000, 20_000),
)
def test_the_accounts_are_right_whatever_is_sent(requests, max_records, max_bytes):
    """Every record sent is stored, refused, dropped or repeated, and bounds hold."""
    store, sent = LogStore(max_records, max_bytes, max_records_a_trace=2), 0
    for records in requests:
        sent += sum(map(len, records.values()))
        store.add(logs_request(**records), START)
        status = store.status()
        assert status.records <= max_records and status.bytes <= max_bytes
        assert status.records_taken + status.records_refused + status.records_repeated == sent
        assert status.records == status.records_taken - status.records_dropped
        assert (status.bytes == 0) == (status.records == 0)
        assert sum(len(store.last(name, 100)) for name in store.services()) == status.records


@pytest.mark.parametrize("kind", ["lone", "small", "long"])
@pytest.mark.long
def test_the_bound_is_one_of_real_memory(kind):
    """Filled and filled again, all of Python's memory for the store stays within its bound."""
    chance, store = random.Random(7), LogStore(max_bytes=2 * MIB)

    def some():
        a_trace = {"lone": 1, "small": 5, "long": 100}[kind]
        traces = [chance.randbytes(16) for _ in range(200 // a_trace)]
        size = 3000 if kind == "long" else 40
        return logs_request(
            one=[
                log_record(chance.randbytes(size // 2).hex(), START, trace) for trace in traces for _ in range(a_trace)
            ]
        )

    some()
    tracemalloc.start()
    try:
        base, most = tracemalloc.get_traced_memory()[0], 0
        while store.status().records_dropped < 3000:
            request = some()
            store.add(request, START)
            del request
            most = max(most, tracemalloc.get_traced_memory()[0] - base)
    finally:
        tracemalloc.stop()
    assert most < 2.1 * MIB


def test_a_large_request_is_taken_in_turns():
    """While many records are stored other greenlets get their turn."""
    given_way = []
    store = LogStore(turns=Turns(lambda: given_way.append(None)))
    store.add(logs_request(bank=[log_record("x", START + number) for number in range(2000)]), START)
    assert len(given_way) >= 10
