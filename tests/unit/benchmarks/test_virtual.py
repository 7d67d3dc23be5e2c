"""The benchmark of virtual time."""

from __future__ import annotations

import pytest

from benchmarks.virtual import visits_per_second


@pytest.mark.parametrize("log_level", ["none", "info"])
def test_a_topology_is_run_with_and_without_logs(log_level, tmp_path):
    """Each has visits, and only the one with logs writes them."""
    assert visits_per_second("pipeline", 2.0, log_level, tmp_path) > 0
    assert any((tmp_path / "virtual" / "logs").glob("*.jsonl")) == (log_level == "info")
