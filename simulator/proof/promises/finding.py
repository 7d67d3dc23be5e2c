"""What was found of one promise at one subject: a stage, an operation, a call, or the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from simulator.proof.statistics.many_tests import rejected


class PromiseVerdict(StrEnum):
    """How a promise was found."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A promise at a subject: what was configured, what was injected, what was observed, and the verdict.

    `p_value` of None means that the test is exact: a single exception breaks the promise. `reason` says why it is
    broken or not judged. `checked` is how many values were compared, `shows` what difference so many would have shown.
    """

    promise: str
    subject: str
    configured: str = ""
    injected: str = ""
    observed: str = ""
    test: str = ""
    verdict: PromiseVerdict = PromiseVerdict.KEPT
    p_value: float | None = None
    reason: str = ""
    checked: int = 0
    shows: str = ""

    def exact(self, wrong: int, example: str = "") -> Finding:
        """Return the finding with the verdict of an exact test, of which `wrong` values were exceptions."""
        if not self.checked:
            return self.not_judged("nothing of it has happened")
        if not wrong:
            return self
        of = f"{wrong:,} of {self.checked:,} are wrong"
        return replace(self, verdict=PromiseVerdict.BROKEN, reason=f"{of}: {example}" if example else of)

    def not_judged(self, reason: str) -> Finding:
        """Return the finding without a verdict."""
        return replace(self, verdict=PromiseVerdict.NOT_JUDGED, reason=reason, p_value=None)


def judged(findings: Sequence[Finding], alpha: float) -> list[Finding]:
    """Return the findings with the verdicts of their statistical tests, corrected for how many there are.

    If every promise is kept, the probability that one is found broken by chance is `alpha` at most.
    """
    p_values = [finding.p_value for finding in findings if finding.p_value is not None]
    verdicts = iter(rejected(p_values, alpha))
    return [finding if finding.p_value is None else _with(finding, next(verdicts)) for finding in findings]


def _with(finding: Finding, is_rejected: bool) -> Finding:
    if not is_rejected or finding.verdict is not PromiseVerdict.KEPT:
        return finding
    reason = f"so unlikely that chance is no explanation: p = {finding.p_value:.2g}"
    return replace(finding, verdict=PromiseVerdict.BROKEN, reason=reason)
