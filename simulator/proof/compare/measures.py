"""What is compared of a run: of the whole and of each stage, percentiles, errors, rate and what was missed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.proof.compare.bootstrap import Estimate, quantile_estimates, ratio_estimate
from simulator.proof.report.requests import SUCCEEDED, make_requests
from simulator.proof.report.run_span import run_span
from simulator.topology.graph import label

if TYPE_CHECKING:
    import numpy as np

    from simulator.proof.truth.reading import Truth

WHOLE = "end to end"
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
ERRORS, RATE, MISSED = "errors", "rate", "missed"
METRICS = (*QUANTILES, ERRORS, RATE, MISSED)
_SLICES = 40
_WHOLE_TIMES = """
SELECT end_to_end_seconds AS seconds FROM requests WHERE succeeded AND end_to_end_seconds IS NOT NULL
ORDER BY began_at
"""
_WHOLE_ERRORS = "SELECT cast(NOT succeeded AS DOUBLE) AS wrong FROM requests ORDER BY began_at"
_STAGES = "SELECT DISTINCT stage, operation FROM visits ORDER BY stage, operation"
_VISITS = f"""
SELECT duration_seconds AS seconds, cast(outcome NOT IN ({SUCCEEDED}) AS DOUBLE) AS wrong
FROM visits WHERE stage = $1 AND operation = $2 ORDER BY received_at
"""
_SENT = """
SELECT cast(least($3 - 1, floor((began_at - $1) / $2)) AS INTEGER) AS slice, count(*) AS succeeded
FROM requests WHERE succeeded GROUP BY slice
"""
_SCHEDULE = """
SELECT cast(sum(due) AS DOUBLE) AS due, cast(sum(missed) AS DOUBLE) AS missed FROM seconds
GROUP BY second ORDER BY second
"""


@dataclass(frozen=True)
class Figure:
    """What a figure is of: a stage, an operation as `cart.read` or the whole; and which metric."""

    subject: str
    metric: str


def measure(truth: Truth, seed: int) -> Mapping[Figure, Estimate]:
    """Return every figure of a run. The same truth and seed give the same errors."""
    make_requests(truth.connection)
    found = _of_the_whole(truth, seed)
    for stage, operation in truth.rows(_STAGES):
        visits = truth.columns(_VISITS, [stage, operation])
        subject, generator = label((stage, operation)), _generator(seed, label((stage, operation)))
        found |= _times(subject, visits["seconds"], generator)
        wrong = visits["wrong"]
        found[Figure(subject, ERRORS)] = ratio_estimate(wrong, wrong * 0 + 1, generator)
    return found


def _of_the_whole(truth: Truth, seed: int) -> dict[Figure, Estimate]:
    generator = _generator(seed, WHOLE)
    found = _times(WHOLE, truth.columns(_WHOLE_TIMES)["seconds"], generator)
    wrong = truth.columns(_WHOLE_ERRORS)["wrong"]
    if not len(wrong):
        return found
    found[Figure(WHOLE, ERRORS)] = ratio_estimate(wrong, wrong * 0 + 1, generator)
    found[Figure(WHOLE, RATE)] = _rate(truth, generator)
    schedule = truth.columns(_SCHEDULE)
    if len(schedule["due"]):
        found[Figure(WHOLE, MISSED)] = ratio_estimate(schedule["missed"], schedule["due"], generator)
    return found


def _times(subject: str, seconds: np.ndarray, generator: np.random.Generator) -> dict[Figure, Estimate]:
    if not len(seconds):
        return {}
    estimates = quantile_estimates(seconds, tuple(QUANTILES.values()), generator)
    return {Figure(subject, name): estimate for name, estimate in zip(QUANTILES, estimates, strict=True)}


def _rate(truth: Truth, generator: np.random.Generator) -> Estimate:
    """Return the requests per second that succeeded, by when they were due, from slices of the same length."""
    import numpy as np  # noqa: PLC0415 - only what judges a run needs it

    first, last = truth.rows("SELECT min(began_at), max(began_at) FROM requests")[0]
    seconds = max((last - first) or run_span(truth.connection).seconds, 1e-9)
    slices = truth.columns(_SENT, [first, seconds / _SLICES, _SLICES])
    succeeded = np.zeros(_SLICES)
    succeeded[slices["slice"]] = slices["succeeded"]
    return ratio_estimate(succeeded, np.full(_SLICES, seconds / _SLICES), generator)


def _generator(seed: int, subject: str) -> np.random.Generator:
    import numpy as np  # noqa: PLC0415 - only what judges a run needs it

    return np.random.default_rng([seed, zlib.crc32(subject.encode())])
