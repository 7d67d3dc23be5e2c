"""Decisions that hold together: what was drawn once for a message is so wherever it goes."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.accounts import run_to_its_end
from tests.support.virtual import observe, topology_of

MESSAGES = 2000
STAGES = {
    "source": {
        "role": "injector",
        "load": {"rate": "500/s", "messages": MESSAGES},
        "decide": {"hit": "90%", "tenant": {"gold": "5%", "silver": "95%"}, "items": "uniform(0, 3)"},
        "calls": ["front"],
    },
    "front": {
        "calls": [
            "cache.get",
            {"steps": ["db.find", "cache.set"], "when": "not hit"},
            {"to": "row", "times": "items"},
            {"to": "pay", "optional": True},
            {"to": "ship", "optional": True},
        ]
    },
    "cache": {"operations": {"get": {"method": "GET", "path": "/keys/{id}"}, "set": {"method": "PUT"}}},
    "db": {"operations": {"find": {"method": "GET"}, "drop": {"method": "DELETE"}}},
    "row": {"role": "terminator"},
    "pay": {"role": "terminator", "faults": ['error(503, when="tenant = gold")']},
    "ship": {"role": "terminator", "faults": ['error(503, when="tenant = gold")']},
}


@pytest.fixture(scope="module")
def seen():
    """Return what all stages have told of a run."""
    return observe(STAGES)


def test_a_miss_is_followed_by_one_find_and_one_set(seen):
    """Every message that misses the cache finds once and sets once, and no other one does."""
    decided = {record.arrival.message_id: record.arrival.decisions for record in seen.records["source"]}
    visits = {
        (stage, operation): Counter(
            record.arrival.message_id for record in seen.records[stage] if record.arrival.operation == operation
        )
        for stage, operation in (("cache", "get"), ("cache", "set"), ("db", "find"), ("row", ""))
    }
    misses = Counter(message for message, values in decided.items() if not values["hit"])
    assert visits["cache", "get"] == dict.fromkeys(decided, 1)
    assert visits["cache", "set"] == misses
    assert visits["db", "find"] == misses
    assert 140 < misses.total() < 260
    assert visits["row", ""] == {message: values["items"] for message, values in decided.items() if values["items"]}
    ledger = run_to_its_end(topology_of(STAGES)).ledger
    assert ledger.balanced, ledger.problems


def test_gold_tenants_fail_everywhere(seen):
    """A fault for some tenants is injected into their messages in every service, and into no others."""
    gold = {
        record.arrival.message_id for record in seen.records["source"] if record.arrival.decisions["tenant"] == "gold"
    }
    assert 40 < len(gold) < 160
    for stage in ("pay", "ship"):
        outcomes = seen.outcomes(stage)
        assert len(outcomes) == MESSAGES
        assert {message for message, outcome in outcomes.items() if outcome == "faulted"} == gold
