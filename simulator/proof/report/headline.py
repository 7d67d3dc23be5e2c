"""The figures that a reader looks for first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simulator.proof.report.figures import count_text, duration_text, share_text
from simulator.proof.report.run_span import RunSpan

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_QUERY = """
SELECT count(*), count(*) FILTER (NOT succeeded),
       quantile_disc(end_to_end_seconds, [0.5, 0.99, 0.999]) FILTER (succeeded)
FROM requests
"""
_MISSED = "SELECT sum(missed) FROM seconds"


def headline(tables: DuckDBPyConnection, report: Mapping[str, Any], span: RunSpan) -> list[tuple[str, str]]:
    """Return each figure with its name."""
    [[count, wrong, quantiles]] = tables.execute(_QUERY).fetchall()
    [[missed]] = tables.execute(_MISSED).fetchall()
    p50, p99, p999 = quantiles or (None, None, None)
    per_second = count / span.seconds if span.seconds else 0.0
    figures = [
        (count_text(count), "requests"),
        (f"{per_second:,.1f}/s" if count > 1 else "-", "on average"),
        (duration_text(p50), "p50"),
        (duration_text(p99), "p99"),
        (duration_text(p999 if count >= 1000 else None), "p99.9"),
        (share_text(wrong, count), "not good"),
    ]
    if missed is not None:
        figures.append((count_text(missed), "missed"))
    return [*figures, (duration_text(span.seconds), "took"), (str(report["seed"]), "seed")]
