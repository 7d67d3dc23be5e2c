"""How many messages the verdicts need."""

from __future__ import annotations

import pytest

from simulator.proof.statistics.power import draws_for_share
from simulator.proof.verify.needed import needed
from tests.support.virtual import topology_of

START = {"role": "injector", "load": {"rate": "10/s"}, "calls": ["shop"]}


def test_the_verdict_on_a_share_needs_the_messages_that_show_a_fifth_more() -> None:
    """A fault of 5 % needs as many messages as show that it is 6 %."""
    need = needed(topology_of({"start": START, "shop": {"faults": ["error(503, 5%)"]}}), 1e-5)
    assert need.messages == draws_for_share(0.05, 0.06, 1e-5)
    assert need.what == "error(503, 5%) of shop"
    assert need.visits == pytest.approx(2.0)


def test_a_stage_that_few_messages_reach_needs_more_of_them() -> None:
    """Where one message in ten comes, ten times as many must be sent."""
    shop = {"calls": [{"to": "price", "probability": "10%"}]}
    need = needed(topology_of({"start": START, "shop": shop, "price": {"faults": ["error(503, 5%)"]}}), 1e-5)
    assert need.messages == pytest.approx(10 * draws_for_share(0.05, 0.06, 1e-5), rel=1e-3)


def test_what_is_never_drawn_needs_one_message() -> None:
    """Constants and certainties are disproved by the first exception."""
    assert (
        needed(topology_of({"start": START, "shop": {"delay": "10ms", "faults": ["error(503, 100%)"]}}), 1e-5).messages
        == 1
    )
