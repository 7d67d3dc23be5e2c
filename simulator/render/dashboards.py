"""Three Grafana dashboards: the pipeline as a whole, one stage or several of them, and a load test.

They look alike for one stage and for a hundred: instead of too many lines, those that matter most over the time shown
are drawn. Figures over several instances are sums; `instance` selects single ones.
"""

from __future__ import annotations

from simulator.render.frame import Dashboard
from simulator.render.load_test_dashboard import load_test
from simulator.render.pipeline_dashboard import pipeline
from simulator.render.stage_dashboard import stage


def all_dashboards() -> dict[str, Dashboard]:
    """Return {file name without its suffix: dashboard}."""
    return {"pipeline": pipeline(), "stage": stage(), "load-test": load_test()}
