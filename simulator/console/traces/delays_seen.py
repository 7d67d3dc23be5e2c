"""The drawn and actual delays in the stages' own spans: to be shown beside the configured distribution."""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span

_DRAWN, _SPEC = "simulator.delay.drawn_seconds", "simulator.delay.spec"
# Only the span in which a message is handled has it, and not those inside for the same delay.
_TOOK = "simulator.processing_seconds"
_TOOK_SERIALIZED = _TOOK.encode()
_OPERATION = "simulator.operation"
_MAX_TEXT = 1000


@dataclass(frozen=True)
class DelaySample:
    """One delay: what was drawn from the distribution `spec`, and what the processing took."""

    end_unix_seconds: float
    spec: str
    drawn_seconds: float
    took_seconds: float


class DelaysSeen:
    """The latest delays of each service, or of each of its operations, under each configuration of its delay.

    At most `max_samples` of each, and of the `max_series` most recently updated: 300 full ones take 15 MB.
    """

    def __init__(self, max_samples: int = 2000, max_series: int = 300) -> None:
        self._max_samples = max_samples
        self._max_series = max_series
        self._series: OrderedDict[tuple[str, str, str], _Ring] = OrderedDict()

    def take(self, span: Span, service: str) -> None:
        """Record the delay of the message that is handled in a span; do nothing if it is none of those, or invalid."""
        drawn, spec, took, operation = _delay_of(span)
        if not (0 <= drawn < math.inf and 0 <= took < math.inf):
            return
        if not 0 < len(spec) <= _MAX_TEXT or max(len(service), len(operation)) > _MAX_TEXT:
            return
        series = service, operation, spec
        ring = self._series.get(series)
        if ring is None:
            if len(self._series) >= self._max_series:
                self._series.popitem(last=False)
            ring = self._series[series] = _Ring(self._max_samples)
        else:
            self._series.move_to_end(series)
        ring.append(span.end_time_unix_nano / 1e9, drawn, took)

    def samples(self, service: str, spec: str, operation: str = "") -> list[DelaySample]:
        """Return the delays of a service's operation under the configuration `spec`, in the order of their arrival.

        A service that does not name its operations has one, "".
        """
        ring = self._series.get((service, operation, spec))
        return [] if ring is None else [DelaySample(end, spec, drawn, took) for end, drawn, took in ring.rows()]

    def latest_spec(self, service: str, operation: str) -> str:
        """Return the configuration of an operation's delay that its latest span names; "" if there is none."""
        return next((spec for one, other, spec in reversed(self._series) if (one, other) == (service, operation)), "")


class _Ring:
    """The last `size` rows of three numbers."""

    __slots__ = ("_drawn", "_ends", "_next", "_size", "_took")

    def __init__(self, size: int) -> None:
        self._size = size
        self._next = 0
        self._ends, self._drawn, self._took = array("d"), array("d"), array("d")

    def append(self, end: float, drawn: float, took: float) -> None:
        if len(self._ends) < self._size:
            self._ends.append(end)
            self._drawn.append(drawn)
            self._took.append(took)
            return
        at = self._next
        self._ends[at], self._drawn[at], self._took[at] = end, drawn, took
        self._next = (at + 1) % self._size

    def rows(self) -> list[tuple[float, float, float]]:
        rows = list(zip(self._ends, self._drawn, self._took, strict=True))
        return rows[self._next :] + rows[: self._next]


def may_have_delay(serialized: bytes) -> bool:
    """Return whether a span may be one in which a message is handled, from its bytes: reading attributes is slow."""
    return _TOOK_SERIALIZED in serialized


def _delay_of(span: Span) -> tuple[float, str, float, str]:
    """Return the drawn delay, its configuration, what the processing took, and the operation.

    A number that is missing is NaN, a missing text "".
    """
    drawn, spec, took, operation = math.nan, "", math.nan, ""
    for attribute in span.attributes:
        if attribute.key == _DRAWN:
            drawn = attribute.value.double_value
        elif attribute.key == _SPEC:
            spec = attribute.value.string_value
        elif attribute.key == _TOOK:
            took = attribute.value.double_value
        elif attribute.key == _OPERATION:
            operation = attribute.value.string_value
    return drawn, spec, took, operation
