"""The requests of a run: the visits of messages where they began, with when they were due and what they took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.telemetry.record import SUCCESSES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SUCCEEDED = ", ".join(f"'{outcome}'" for outcome in SUCCESSES)
_VIEW = f"""
CREATE OR REPLACE TEMPORARY VIEW requests AS
SELECT *,
       outcome IN ({SUCCEEDED}) AS succeeded,
       coalesce(due_at, received_at) AS began_at,
       end_to_end_seconds - coalesce(lag_seconds, 0) AS from_send_seconds
FROM visits WHERE request <> ''
"""


def make_requests(tables: DuckDBPyConnection) -> None:
    """Create the view `requests`, beside the tables of the truth."""
    tables.execute(_VIEW)
