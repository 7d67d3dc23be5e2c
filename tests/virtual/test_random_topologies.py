"""Two thousand topologies that nobody thought of, other ones in each run: ledgers balance, nothing hangs."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from tests.support.accounts import run_to_its_end
from tests.support.random_topologies import topologies
from tests.support.seeds import check_many
from tests.support.virtual import topology_of

PARTS, EACH = 4, 250
MESSAGES = 8


def _ends(line):
    return line.delivered, line.forwarded, line.rejected, line.invalid, line.faulted, line.failed, line.broken_off


def check(drawn, genuine):
    """Run what was drawn twice: every sum agrees, and the two reports are the same to the last byte."""
    topology = topology_of(drawn["stages"], drawn["seed"])
    result = run_to_its_end(topology)
    ledger = result.ledger
    assert ledger.balanced, ledger.problems
    assert all(line.received == sum(_ends(line)) for line in ledger.stages)
    assert sum(line.received for line in ledger.stages if line.stage == "source") == MESSAGES
    if not genuine:
        assert sum(line.failed + line.rejected for line in ledger.stages) == 0, "an injected failure is called genuine"
    assert json.dumps(asdict(result), default=str) == json.dumps(asdict(run_to_its_end(topology)), default=str)


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_is_drawn_balances_and_is_the_same_twice(part):
    """Faults, limits, timeouts and deadlines: every ledger balances, and the same seed gives the same report."""
    check_many(topologies(MESSAGES), EACH, lambda drawn: check(drawn, genuine=True))


@pytest.mark.parametrize("part", range(PARTS))
def test_what_is_injected_is_never_called_genuine(part):
    """Where injected faults are all that goes wrong, no message fails in any other way."""
    check_many(topologies(MESSAGES, genuine=False), EACH, lambda drawn: check(drawn, genuine=False))
