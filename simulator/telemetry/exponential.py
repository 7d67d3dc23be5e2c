"""Base-2 exponential histograms, as OpenTelemetry's data model has them: buckets that fit the values by themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX_BUCKETS = 160
_MAX_SCALE = 20
_MIN_SCALE = -10


@dataclass(frozen=True)
class ExponentialBuckets:
    """Counts of values: bucket `offset + i` of `counts` has those in (base ** bucket, base ** (bucket + 1)].

    The base is 2 ** 2 ** -scale.
    """

    scale: int
    offset: int
    counts: tuple[int, ...]
    zero_count: int
    count: int
    sum: float


class ExponentialHistogram:
    """Count values in at most MAX_BUCKETS buckets, as narrow as their range allows; what is not positive is zero."""

    def __init__(self) -> None:
        self._scale = _MAX_SCALE
        self._counts: dict[int, int] = {}
        self._low, self._high = 0, -1  # of the buckets in use; none at first
        self._zero_count = self._count = 0
        self._sum = 0.0

    def record(self, value: float) -> None:
        """Count a value."""
        self._count += 1
        self._sum += value
        if value <= 0:
            self._zero_count += 1
            return
        bucket = _bucket_of(value, self._scale)
        if self._counts:
            low, high = min(self._low, bucket), max(self._high, bucket)
            shift = _shift_for(low, high)
            if shift:
                self._counts = _shifted(self._counts, shift)
                self._scale -= shift
                bucket >>= shift
            self._low, self._high = low >> shift, high >> shift
        else:
            self._low = self._high = bucket
        self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def buckets(self) -> ExponentialBuckets:
        """Return all counts."""
        counts = tuple(self._counts.get(bucket, 0) for bucket in range(self._low, self._high + 1))
        return ExponentialBuckets(self._scale, self._low, counts, self._zero_count, self._count, self._sum)


def since(now: ExponentialBuckets, before: ExponentialBuckets) -> ExponentialBuckets:
    """Return what was counted after `before`, which is an earlier state of the same histogram."""
    earlier = _shifted(
        {before.offset + number: count for number, count in enumerate(before.counts)}, before.scale - now.scale
    )
    counts = tuple(count - earlier.get(now.offset + number, 0) for number, count in enumerate(now.counts))
    return ExponentialBuckets(
        now.scale,
        now.offset,
        counts,
        now.zero_count - before.zero_count,
        now.count - before.count,
        now.sum - before.sum,
    )


def _bucket_of(value: float, scale: int) -> int:
    """Return the bucket of a positive value: ceil(log2(value) * 2 ** scale) - 1, exact for powers of two."""
    mantissa, exponent = math.frexp(value)  # value = mantissa * 2 ** exponent, 0.5 <= mantissa < 1
    if mantissa == 0.5:
        power = exponent - 1
        return (power << scale) - 1 if scale > 0 else (power - 1) >> -scale
    if scale > 0:
        return ((exponent - 1) << scale) + math.floor(math.ldexp(math.log2(mantissa * 2), scale))
    return (exponent - 1) >> -scale


def _shift_for(low: int, high: int) -> int:
    """Return by how much the scale must go down for the buckets from `low` to `high` to be few enough."""
    shift = 0
    while (high >> shift) - (low >> shift) >= MAX_BUCKETS:
        shift += 1
    return shift


def _shifted(counts: dict[int, int], shift: int) -> dict[int, int]:
    shifted: dict[int, int] = {}
    for bucket, count in counts.items():
        shifted[bucket >> shift] = shifted.get(bucket >> shift, 0) + count
    return shifted
