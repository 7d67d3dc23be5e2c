"""How stages are spread over processes and containers."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from simulator.topology.packing import shares_of, spread
from simulator.topology.reader import parse_topology
from simulator.topology.samples import samples_beside
from simulator.topology.settings import resolve_topology_stage


@given(st.lists(st.integers(), max_size=20), st.integers(1, 9))
def test_all_are_there_once_and_the_shares_are_even(ones, shares):
    """No share is empty, or larger than another by more than one, and each is in order."""
    found = spread(ones, shares)
    assert len(found) == min(shares, len(ones))
    assert sorted(one for share in found for one in share) == sorted(ones)
    assert not found or max(map(len, found)) - min(map(len, found)) <= 1
    assert all(share == ones[number::shares] for number, share in enumerate(found))


def test_a_stage_apart_has_a_process_of_its_own():
    """It counts beyond the number that is asked for."""
    text = "{name: t, stages: {a: {calls: [b, c]}, b: {processes: apart, calls: [c]}, c: {calls: []}}}"
    topology = parse_topology(text, "t", samples_beside(Path()), "t")
    stages = [resolve_topology_stage(topology, name, {}, samples_beside(Path())) for name in topology.stages]
    found = {count: [[one.name for one in share] for share in shares_of(stages, count)] for count in (1, 2, 9)}
    assert found == {1: [["a", "c"], ["b"]], 2: [["a"], ["c"], ["b"]], 9: [["a"], ["c"], ["b"]]}
