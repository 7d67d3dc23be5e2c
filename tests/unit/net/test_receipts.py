"""The receipt that a client gets, and how large it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.net.receipts import receipt

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def written(size_bytes=None, duration_seconds=0.25):
    return receipt("parse", "m-1", "delivered", TRACE_ID, duration_seconds=duration_seconds, size_bytes=size_bytes)


def test_a_receipt():
    """A receipt says of a message what became of it, as one line of JSON."""
    assert written(duration_seconds=1 / 3) == (
        b'{"message_id":"m-1","stage":"parse","outcome":"delivered",'
        b'"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","duration_seconds":0.333333}\n'
    )


def test_a_receipt_before_the_work():
    """A message that was only taken in gets a receipt without a duration."""
    assert receipt("parse", "m-1", "accepted", TRACE_ID) == (
        b'{"message_id":"m-1","stage":"parse","outcome":"accepted","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}\n'
    )


def test_without_a_trace_none_is_named():
    """Where there is no trace a receipt has no id of one."""
    assert "trace_id" not in json.loads(receipt("parse", "m-1", "accepted", ""))


SHORTEST = len(written())
ROOM = len(b',"filling":""')


@given(st.integers(1, 20_000))
def test_a_receipt_has_the_size_that_was_asked_for(size):
    """A receipt is filled up to exactly the size that was asked for, and stays JSON; one that is longer stays."""
    text = written(size)
    assert len(text) == max(size, SHORTEST)
    content = json.loads(text)
    assert {key: content[key] for key in ("message_id", "outcome")} == {"message_id": "m-1", "outcome": "delivered"}
    assert text.endswith(b"}\n")


@pytest.mark.parametrize("more", [1, ROOM - 1, ROOM])
def test_a_receipt_has_the_size_that_was_asked_for_by_a_few_bytes(more):
    """Also where only a few bytes are missing the receipt has the size that was asked for."""
    assert len(written(SHORTEST + more)) == SHORTEST + more
