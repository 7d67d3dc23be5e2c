"""The result of `find-capacity` in words."""

from __future__ import annotations

import pytest

from simulator.proof.capacity.bottleneck import Bottleneck, Limit
from simulator.proof.capacity.finding import Capacity
from simulator.proof.capacity.showing import result_lines, shown_rate


def lines(limit, stage="", why="why", kept=199.0, broken=202.0, margin=0.0):
    limit = Bottleneck(limit=limit, stage=stage, why=why)
    capacity = Capacity(kept_rate=kept, broken_rate=broken, limit=limit, margin_ratio=margin, probes=())
    return [line for line, _ in result_lines(capacity, "four")]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (
            {"limit": Limit.WORKERS, "stage": "shop"},
            ["The capacity of four is 199/s: it kept that, and not 202/s.", "The bottleneck is shop: why"],
        ),
        (
            {"limit": Limit.WORKERS, "stage": "shop", "margin": 0.025},
            ["The capacity of four is 199/s, within 2.5%: it kept that, and not 202/s.", "The bottleneck is shop: why"],
        ),
        (
            {"limit": Limit.MACHINE, "why": "this machine: busy"},
            ["four kept 199/s here; its capacity may be higher.", "The limit is this machine: busy"],
        ),
        (
            {"limit": Limit.INJECTOR, "stage": "users"},
            [
                "four kept 199/s here; its capacity may be higher.",
                "The limit is the injector, not the system: users: why",
            ],
        ),
        (
            {"limit": Limit.DELAYS, "kept": None},
            ["four does not keep the thresholds at any rate.", "The reason: why"],
        ),
        (
            {"limit": Limit.WORKERS, "stage": "shop", "kept": None, "broken": 0.5},
            ["four does not keep the thresholds at any rate down to 0.5/s.", "The bottleneck is shop: why"],
        ),
        (
            {"limit": Limit.UNKNOWN, "broken": None},
            ["four keeps 199/s, the highest rate that was asked for; --to sets a higher one."],
        ),
    ],
)
def test_the_result_says_what_was_found_and_what_not(given, shown):
    assert lines(**given) == shown


@pytest.mark.parametrize(("rate", "text"), [(199.00000000004, "199/s"), (0.5, "0.5/s"), (12345.6, "12,350/s")])
def test_a_rate_has_four_digits(rate, text):
    assert shown_rate(rate) == text
