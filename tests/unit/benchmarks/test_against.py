"""Bursts in turns: what their ratio is, and the files of another commit."""

from __future__ import annotations

import random

import pytest

from benchmarks.against import Variant, files_of, measure, ratio_of
from benchmarks.errors import BenchmarkFailed
from benchmarks.stages import ours


def test_a_difference_of_3_percent_is_seen_through_a_noise_of_30():
    """The noise of a round is the same for both, as on a machine that is slow for a while; some are held up."""
    source = random.Random(7)
    before, after = [], []
    for _ in range(100):
        machine = source.uniform(1, 2)
        before.append(machine * source.uniform(0.97, 1.03))
        after.append(1.03 * machine * source.uniform(0.97, 1.03) * (3 if source.random() < 0.05 else 1))
    ratio, around = ratio_of(before, after)
    assert 0.002 < around < 0.015
    assert abs(ratio - 1.03) < around


def test_two_pairs_are_enough_for_a_ratio():
    """With an interval that says how little they tell."""
    ratio, around = ratio_of([1.0, 1.0], [1.0, 2.0])
    assert ratio == 1.5 and around > 0.5


@pytest.mark.processes
def test_a_commit_that_is_not_there_is_said(tmp_path):
    """With what git says."""
    with pytest.raises(BenchmarkFailed, match=r"the files of nowhere can't be had: .*nowhere"):
        files_of("nowhere", tmp_path)


@pytest.mark.processes
def test_stages_of_a_commit_are_measured_in_turns(tmp_path):
    """Each gets as many bursts, and takes some CPU."""
    then = files_of("HEAD", tmp_path / "then")
    assert (then / "run_web_service.py").exists()
    variants = [
        Variant(name="one", program=ours, stages=["middle"], messages=20),
        Variant(name="three", program=ours, stages=["first", "middle", "last"], messages=10),
    ]
    measured = measure(variants, 0.0, tmp_path, flush_seconds=0.0)
    assert {name: (len(bursts.of_each_seconds), bursts.messages) for name, bursts in measured.items()} == {
        "one": (2, 40),
        "three": (2, 20),
    }
    assert all(bursts.of_all_seconds > 0 for bursts in measured.values())
