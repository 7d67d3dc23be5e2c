"""What a backend is judged by: what the flag expects, else what the topology does."""

from __future__ import annotations

import pytest

from simulator.behaviour.keep_rules import KeepRule
from simulator.proof.backends.judgement import BackendJudge, Backends
from simulator.proof.truth.reading import open_truth
from simulator.topology.expectation import Expectation
from tests.support.held_spans import topology_of
from tests.support.truths import write_truth

STAGES = "name: shop\nstages:\n  start: {role: injector, load: {rate: 10/s}, calls: [shop]}\n  shop: {delay: 1ms}\n"
FAILED = {"stage": "shop", "outcome": "failed", "code": 500}


@pytest.mark.parametrize(
    ("key", "flag", "is_kept"),
    [
        ("", None, False),
        ("expect: {sampling: 0%}\n", None, True),
        ("expect: {keep: [slower than 1s]}\n", None, True),
        ("expect: {sampling: 0%, keep: [errors]}\n", None, False),
        ("expect: {sampling: 100%}\n", Expectation(keep=(KeepRule(slower_than_seconds=1.0),)), True),
        ("expect: {sampling: 0%}\n", Expectation(sampling_ratio=1.0), False),
    ],
)
def test_the_flag_is_what_is_expected_and_else_the_topology(tmp_path, key, flag, is_kept):
    """A backend without a single trace of a run whose request failed, by what a sampler should have kept."""
    topology = topology_of(tmp_path, key + STAGES)
    (tmp_path / "kept.jsonl").write_text('{"resourceSpans": []}\n')
    with open_truth(write_truth(tmp_path / "run", [FAILED], topology=topology)) as truth:
        verdicts = BackendJudge(truth).verdicts(Backends(otlp_file=tmp_path / "kept.jsonl", expected=flag))
    assert [verdict.is_good for verdict in verdicts] == [is_kept]
