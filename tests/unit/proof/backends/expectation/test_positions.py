"""BackendFinding the call that a position of the truth names."""

from __future__ import annotations

import pytest

from simulator.proof.backends.expectation.positions import call_at
from tests.support.held_spans import topology_of

TOPOLOGY = """
name: shop
stages:
  page:
    calls:
      - a
      - {parallel: [b, {to: c, times: 3}]}
      - {choose: {d: 1, e: 1}}
      - {steps: [a, {parallel: [[b, c], d], on_error: [e]}], times: 2}
      - {to: a, fallback: b}
      - {to: a, fallback: [c, {to: d, fallback: [e]}]}
      - {delay: 1ms}
  a: {calls: []}
  b: {calls: []}
  c: {calls: []}
  d: {calls: []}
  e: {calls: []}
"""


@pytest.mark.parametrize(
    ("position", "called"),
    [
        ("0", "a"),
        ("1.parallel.0", "b"),
        ("1.parallel.1#3", "c"),
        ("2.choose.1", "e"),
        ("3#2.0", "a"),
        ("3#1.1.parallel.0.1", "c"),
        ("3#1.1.on_error.0", "e"),
        ("4", "a"),
        ("4.fallback", "b"),
        ("5.fallback.0", "c"),
        ("5.fallback.1.fallback", "e"),
    ],
)
def test_a_call_is_found_by_its_position(tmp_path, position, called):
    """Positions go through groups, choices, times, fallbacks and steps after errors."""
    call = call_at(topology_of(tmp_path, TOPOLOGY).stages["page"].calls, position)
    assert call is not None and call.to == called


@pytest.mark.parametrize("position", ["9", "1", "6", "6.0", "1.parallel.7", "0.parallel.0", "", "x"])
def test_a_position_that_the_steps_do_not_have_is_none(tmp_path, position):
    """The steps may have been changed during the run."""
    assert call_at(topology_of(tmp_path, TOPOLOGY).stages["page"].calls, position) is None
