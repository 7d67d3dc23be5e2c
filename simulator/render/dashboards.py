"""Three Grafana dashboards: the pipeline as a whole, one stage or several of them, and a load test.

They read alike for one stage and for a hundred: where there would be too many lines, those that matter most over the
time shown are drawn. Numbers that add up instances are sums over them; `instance` tells them apart.
"""

from __future__ import annotations

from simulator.render.frame import Dashboard
from simulator.render.load_test_dashboard import load_test
from simulator.render.pipeline_dashboard import pipeline
from simulator.render.stage_dashboard import stage


def all_dashboards() -> dict[str, Dashboard]:
    """Give {file name without its ending: dashboard}."""
    return {"pipeline": pipeline(), "stage": stage(), "load-test": load_test()}
