"""An alert, live: a fault is switched on, the alert comes within the time that its rule promises, and goes again."""

from __future__ import annotations

import time

import pytest
import requests

from simulator.behaviour.delays import no_samples
from simulator.render.rules import BURNS, rules_text
from simulator.topology.reader import parse_topology
from tests.support.backends import find, running_prometheus
from tests.support.processes import running_topology, wait_for

TEXT = """
name: promising
seed: 4
stages:
  source: {role: injector, load: {rate: 40/s}, calls: [shop]}
  shop: {role: terminator, slo: {errors: 1%, latency: 100ms@95%}}
"""
# An hour takes a minute: the shortest pair of windows is then a minute and five seconds.
SCALE = 1 / 60
SLACK_SECONDS = 20  # for scraping, evaluating, and a machine that is busy


@pytest.mark.alone
@pytest.mark.backend("prometheus")
def test_a_fault_raises_its_alert_and_the_alert_clears(tmp_path):
    """Quiet while all is well, at twice the load too; with a fault the page fires in its time, then ends."""
    find("prometheus")
    rules = tmp_path / "rules.yml"
    rules.write_text(rules_text(parse_topology(TEXT, "t.yaml", no_samples, "t"), SCALE))
    with running_topology(tmp_path, TEXT) as running:
        addresses = {name: running.stage_base(name).removeprefix("http://") for name in ("source", "shop")}
        with running_prometheus(tmp_path, addresses, job="stages", rules=[str(rules)]) as prometheus:

            def firing():
                found = prometheus.query('ALERTS{alertstate="firing"}')
                return {(alert["metric"]["alertname"], alert["metric"].get("severity")) for alert in found}

            change(running, "source", {"load": {"rate": "80/s"}})
            quiet_until = time.monotonic() + 20  # twenty minutes of such an hour
            wait_for(lambda: firing() or time.monotonic() > quiet_until, "twenty quiet seconds")
            assert firing() == set()
            begin = time.monotonic()
            change(running, "shop", {"faults": ["error(503, 60%)"]})
            page = BURNS[0]
            promised = page.long_seconds * SCALE + SLACK_SECONDS
            wait_for(lambda: ("ErrorBudgetBurns", "page") in firing(), "the page", promised)
            assert not any(name == "LatencyBudgetBurns" for name, _ in firing())
            change(running, "shop", {"faults": []})
            # The short window forgets first: half an hour is the longest that a page looks back by.
            forgets = max(burn.short_seconds for burn in BURNS if burn.severity == "page") * SCALE + SLACK_SECONDS
            wait_for(lambda: ("ErrorBudgetBurns", "page") not in firing(), "the end of the page", forgets)
            assert time.monotonic() - begin < promised + forgets


def change(running, stage, patch):
    answer = requests.patch(f"{running.stage_base(stage)}/control", json=patch, timeout=10)
    assert answer.status_code == 200, answer.text
