"""Whether a sampler kept what it should: a share of whole traces, and every trace that a rule names."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.proof.backends.findings import BackendCheck, BackendFinding, share, some
from simulator.proof.backends.matching import MatchedTrace
from simulator.proof.backends.sampling_rules import SamplingRules

# The probability that a sampler that keeps the right share is found wrong.
_ALPHA = 0.001


def judge_sampling(traces: Sequence[MatchedTrace], rules: SamplingRules) -> BackendCheck:
    """Return the check of a sampler. Whether the traces that it kept are whole is another one."""
    ruled = [trace for trace in traces if rules.must_keep(trace.expected)]
    others = [
        trace for trace in traces if not rules.must_keep(trace.expected) and not rules.is_uncertain(trace.expected)
    ]
    kept = sum(not trace.is_missing for trace in others)
    findings = (*_ruled_findings(ruled, rules), *_share_findings(kept, len(others), rules.ratio))
    text = f"{share(kept, len(others))} kept, {rules.ratio:.1%} expected" if others else "none to choose from"
    if rules.shown_rules:
        text += f", and all {len(ruled):,} {rules.shown_rules}"
    return BackendCheck(name="sampling", kept=text, findings=findings)


def _ruled_findings(ruled: Sequence[MatchedTrace], rules: SamplingRules) -> tuple[BackendFinding, ...]:
    missing = [trace for trace in ruled if trace.is_missing]
    if not missing:
        return ()
    return (
        BackendFinding(
            name="kept traces missing",
            count=len(missing),
            total=len(ruled),
            meaning=f"{share(len(missing), len(ruled))} that are {rules.shown_rules} should have been kept",
            examples=some(
                f"{trace.expected.trace_id}: {trace.expected.duration_seconds:.3f} s"
                f"{', with an error' if trace.expected.has_error else ''}"
                for trace in missing
            ),
        ),
    )


def _share_findings(kept: int, total: int, ratio: float) -> tuple[BackendFinding, ...]:
    from simulator.proof.statistics.shares import share_p_value  # noqa: PLC0415 - it imports scipy

    if not total or (ratio in (0.0, 1.0) and kept == total * ratio):
        return ()
    # A single exception refutes a share of 0 or 1.
    p_value = 0.0 if ratio in (0.0, 1.0) else share_p_value(kept, total, ratio)
    if p_value >= _ALPHA:
        return ()
    return (
        BackendFinding(
            name="sampling share",
            count=kept,
            total=total,
            meaning=f"{share(kept, total)} were kept where {ratio:.1%} should be (exact binomial, p = {p_value:.2g})",
        ),
    )
