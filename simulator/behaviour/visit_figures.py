"""What thresholds need to know of one visit of a message to a stage, and what each measure makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitFigures:
    """One visit; `at` is when the message was due, or arrived if that is not known, in seconds of the run's clock.

    `begins` means that a request begins here: at an injector, or at a stage that a client calls. Times are in seconds;
    None if there is no such time.
    """

    stage: str
    operation: str
    begins: bool
    at: float
    succeeded: bool
    rejected: bool
    duration_seconds: float
    end_to_end_seconds: float | None = None
    lag_seconds: float | None = None
    queue_wait_seconds: float | None = None
    processing_seconds: float | None = None
    overhead_seconds: float | None = None
    accepted_work_seconds: float | None = None


# The time that a measure is of, None for a visit that it leaves out: of the whole, and of a stage.
TIMES_OF_WHOLE: Mapping[str, Callable[[VisitFigures], float | None]] = MappingProxyType(
    {
        "duration": lambda visit: visit.end_to_end_seconds if visit.succeeded else None,
        "lag": lambda visit: visit.lag_seconds,
    }
)
TIMES_OF_STAGE: Mapping[str, Callable[[VisitFigures], float | None]] = MappingProxyType(
    {
        "duration": lambda visit: visit.duration_seconds if visit.succeeded else None,
        "queue_wait": lambda visit: visit.queue_wait_seconds,
        "processing": lambda visit: visit.processing_seconds,
        "overhead": lambda visit: visit.overhead_seconds,
        "accepted_work": lambda visit: visit.accepted_work_seconds if visit.succeeded else None,
    }
)
# Whether a visit counts, of all that there are: for a rate those that do are counted per second.
COUNTED: Mapping[str, Callable[[VisitFigures], bool]] = MappingProxyType(
    {
        "errors": lambda visit: not visit.succeeded,
        "rejected": lambda visit: visit.rejected,
        "rate": lambda visit: visit.succeeded,
    }
)
