"""The error of a benchmark that fails without a figure."""

from __future__ import annotations


class BenchmarkFailed(Exception):
    """Raised when something did not start, did not answer or answered wrongly, so that there is nothing to measure."""
