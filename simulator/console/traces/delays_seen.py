"""The delays that stages drew and took, as their own spans tell: to be shown beside the configured distribution."""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span

SPAN_NAME = "process"
_DRAWN, _SPEC = "simulator.delay.drawn_seconds", "simulator.delay.spec"
_MOST_TEXT = 1000


@dataclass(frozen=True)
class DelaySample:
    """One delay: what the distribution that `spec` writes down said, and what the processing took."""

    end_unix_seconds: float
    spec: str
    drawn_seconds: float
    took_seconds: float


class DelaysSeen:
    """The latest delays of each service under each configuration of its delay.

    At most `most` of each, and of the `most_series` that were added to last: 300 full ones take 15 MB.
    """

    def __init__(self, most: int = 2000, most_series: int = 300) -> None:
        self._most = most
        self._most_series = most_series
        self._series: OrderedDict[tuple[str, str], _Ring] = OrderedDict()

    def take(self, span: Span, service: str) -> None:
        """Take the delay that a span named "process" tells; do nothing where it tells none."""
        drawn, spec = _told(span)
        if drawn is None or not 0 < len(spec) <= _MOST_TEXT or len(service) > _MOST_TEXT:
            return
        ring = self._series.get((service, spec))
        if ring is None:
            if len(self._series) >= self._most_series:
                self._series.popitem(last=False)
            ring = self._series[service, spec] = _Ring(self._most)
        else:
            self._series.move_to_end((service, spec))
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        ring.append(end / 1e9, drawn, max(0, end - start) / 1e9)

    def samples(self, service: str, spec: str) -> list[DelaySample]:
        """Give the delays of a service while its delay was configured so, in the order in which they came."""
        ring = self._series.get((service, spec))
        return [] if ring is None else [DelaySample(end, spec, drawn, took) for end, drawn, took in ring.rows()]


class _Ring:
    """The last so many rows of three numbers."""

    __slots__ = ("_drawn", "_ends", "_most", "_next", "_took")

    def __init__(self, most: int) -> None:
        self._most = most
        self._next = 0
        self._ends, self._drawn, self._took = array("d"), array("d"), array("d")

    def append(self, end: float, drawn: float, took: float) -> None:
        if len(self._ends) < self._most:
            self._ends.append(end)
            self._drawn.append(drawn)
            self._took.append(took)
            return
        at = self._next
        self._ends[at], self._drawn[at], self._took[at] = end, drawn, took
        self._next = (at + 1) % self._most

    def rows(self) -> list[tuple[float, float, float]]:
        rows = list(zip(self._ends, self._drawn, self._took, strict=True))
        return rows[self._next :] + rows[: self._next]


def _told(span: Span) -> tuple[float | None, str]:
    """Give the drawn delay, None for none that is a duration, and the delay's configuration."""
    drawn, spec = math.nan, ""
    for attribute in span.attributes:
        if attribute.key == _DRAWN:
            drawn = attribute.value.double_value
        elif attribute.key == _SPEC:
            spec = attribute.value.string_value
    return (drawn if 0 <= drawn < math.inf else None), spec
