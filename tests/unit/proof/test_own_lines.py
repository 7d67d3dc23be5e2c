"""The lines that a service itself logs, as they are made again from the truth."""

from __future__ import annotations

import pytest

from simulator.proof.backends.expectation.log_lines import expected_lines
from simulator.proof.own_lines import own_lines
from tests.support.held_spans import rows_of_messages, topology_of
from tests.support.virtual import topology_of as made

LOG = ["cart {tenant} has {items}", {"level": "warning", "message": "missed {message_id}", "when": "not hit"}]
TOPOLOGY = """
name: shop
seed: 7
stages:
  start: {{role: injector, load: {{rate: 10/s}}, calls: [page]}}
  page: {{delay: 10ms, log: [{{message: "{{message_id}} at the page", level: {level}}}], calls: [store]}}
  store: {{delay: 5ms}}
"""
VISIT = {"message_id": "m-1", "delay_drawn_seconds": 0.0, "decisions": {"hit": True, "tenant": "a"}, "attributes": {}}


def lines(**changes):
    attributes = {"items": "uniform(1, 8)"}
    shop = {"shop": {"decide": {"hit": "50%", "tenant": "pick(9)"}, "attributes": attributes, "log": LOG}}
    return [tuple(line) for line in own_lines(made(shop).stages["shop"], "", {**VISIT, **changes})]


def test_a_line_has_the_values_of_its_message():
    """Decisions, attributes and the id; what a message does not have is empty."""
    assert lines(attributes={"items": 2}) == [("info", "cart a has 2")]
    assert lines(attributes={}) == [("info", "cart a has ")]


def test_a_line_with_a_condition_is_only_of_some():
    """Of those whose decisions are as it says."""
    found = lines(decisions={"hit": False, "tenant": "b"})
    assert found == [("info", "cart b has "), ("warning", "missed m-1")]


def test_there_is_none_before_the_delay_is_over():
    """A message that was rejected has not come so far."""
    assert lines(delay_drawn_seconds=None) == []


@pytest.mark.parametrize(("level", "count"), [("info", 3), ("error", 3), ("debug", 0)])
def test_a_backend_must_have_them_unless_a_stage_may_leave_them_out(tmp_path, level, count):
    """It is not known of a run whether its stages log what is of the level debug."""
    rows = rows_of_messages(topology_of(tmp_path, TOPOLOGY.format(level=level)), 3)
    found = [line for line in expected_lines(rows) if line.event == "service.log"]
    assert len(found) == count
    assert all(line.stage == "page" and line.keys["message"] == f"{line.message_id} at the page" for line in found)
