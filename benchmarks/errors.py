"""The one way in which a benchmark fails without a figure."""

from __future__ import annotations


class BenchmarkFailed(Exception):
    """Something did not start, did not answer or answered wrongly, so that there is nothing to measure."""
