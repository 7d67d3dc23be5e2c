"""What a request took, on the console's page and on /metrics: HydraGen's simple example, 1.1 s through a tree."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.support.browser import opened
from tests.support.consoles import running_console
from tests.support.processes import read_samples, wait_for

SIMPLE = """
name: simple
seed: 7
stages:
  clients: {role: injector, load: {rate: 4/s, arrivals: constant}, calls: [service1.endpoint1]}
  service1:
    operations:
      endpoint1: {path: /endpoint1, calls: [{parallel: [service2.endpoint1, service2.endpoint2]}]}
      endpoint2: {path: /endpoint2}
  service2:
    operations:
      endpoint1: {path: /endpoint1, delay: 1100ms}
      endpoint2: {path: /endpoint2, delay: 22ms}
"""
SECONDS = 1.1
LABELS = {("stage", "clients"), ("role", "injector"), ("operation", "service1.endpoint1"), ("outcome", "forwarded")}


@pytest.mark.backend("chromium")
@pytest.mark.calm
def test_a_request_through_a_tree_shows_what_it_took(browser, tmp_path):
    """Not the 22 ms of the leaf that is reached first, nor anything at a service that is called."""
    (tmp_path / "simple.yaml").write_text(SIMPLE)
    with running_console(tmp_path, tmp_path / "simple.yaml") as shown, opened(browser, shown.origin) as tab:
        tab.page.goto(shown.url)
        for percentile in ("p50", "p99"):
            expect(tab.page.locator(f"#sum-{percentile}")).to_have_text(re.compile(r"1\.[1-5]\d* ?s"), timeout=60_000)

        def handled():
            samples = read_samples(metrics_of(shown, "clients"))
            count = samples.get(("simulator_pipeline_duration_seconds_count", frozenset(LABELS)), 0)
            return (count, samples) if count >= 8 else None

        count, samples = wait_for(handled, "eight requests")
        mean = samples["simulator_pipeline_duration_seconds_sum", frozenset(LABELS)] / count
        assert SECONDS <= mean < SECONDS + 0.5
        for called in ("service1", "service2"):
            of_called = read_samples(metrics_of(shown, called))
            assert not any(
                v for (name, _), v in of_called.items() if name == "simulator_pipeline_duration_seconds_count"
            )
        tab.check()


def metrics_of(shown, stage):
    return requests.get(f"{shown.running.stage_base(stage)}/metrics", timeout=30).text
