"""An alert, live: a fault is switched on, the alert fires within the time in its rule, and clears again."""

from __future__ import annotations

import time

import pytest

from simulator.behaviour.delays import no_samples
from simulator.render.objectives import BURNS
from simulator.render.rules import rules_text
from simulator.topology.reader import parse_topology
from tests.support.backends import find, running_prometheus
from tests.support.processes import ROOT, running_topology, wait_for

PIPELINE = ROOT / "topologies" / "pipeline.yaml"
TWICE_THE_LOAD = 40  # messages a second; the default is 20
# An hour becomes a minute: the shortest pair of windows is then a minute and five seconds.
SCALE = 1 / 60
QUIET_SECONDS = 20 * 60 * SCALE
LATE = "LatencyBudgetBurns"
SLACK_SECONDS = 20  # for scraping, evaluating, and a busy machine


@pytest.mark.calm
@pytest.mark.backend("prometheus")
def test_a_fault_raises_its_alert_and_the_alert_clears(tmp_path):
    """The shipped pipeline at twice its load raises no alert; with a fault the page fires in its time, then ends."""
    find("prometheus")
    topology = parse_topology(PIPELINE.read_text(), str(PIPELINE), no_samples, "pipeline")
    assert topology.stages["injector"].load.rate_per_second * 2 == TWICE_THE_LOAD
    rules = tmp_path / "rules.yml"
    rules.write_text(rules_text(topology, SCALE))
    with running_topology(tmp_path, PIPELINE, "--rate", f"{TWICE_THE_LOAD}/s") as running:
        addresses = {name: running.stage_base(name).removeprefix("http://") for name in topology.stages}
        with running_prometheus(tmp_path, addresses, job="stages", rules=[str(rules)]) as prometheus:
            heard = set()

            def firing():
                found = [alert["metric"] for alert in prometheus.query('ALERTS{alertstate="firing"}')]
                heard.update((alert["alertname"], alert.get("stage")) for alert in found)
                return {(alert["alertname"], alert.get("severity"), alert.get("stage")) for alert in found}

            # Only from now on could an alert be observed.
            wait_for(lambda: prometheus.value('sum(up{job="stages"})') == len(addresses), "all stages scraped")
            quiet_until = time.monotonic() + QUIET_SECONDS
            wait_for(lambda: firing() or time.monotonic() > quiet_until, "the end of the quiet time")
            assert {alert for alert in firing() if alert[0] != LATE} == set()
            handled = prometheus.value(f'sum(rate(simulator_messages_total{{stage="parse"}}[{QUIET_SECONDS:g}s]))')
            assert abs(handled - TWICE_THE_LOAD) <= 0.2 * TWICE_THE_LOAD
            begin = time.monotonic()
            running.change("parse", {"faults": ["error(503, 60%)"]})
            page = BURNS[0]
            promised = page.long_seconds * SCALE + SLACK_SECONDS
            wait_for(lambda: ("ErrorBudgetBurns", "page", "parse") in firing(), "the page", promised)
            running.change("parse", {"faults": []})
            # The short window clears first: half an hour is the longest of a page's short windows.
            forgets = max(burn.short_seconds for burn in BURNS if burn.severity == "page") * SCALE + SLACK_SECONDS
            wait_for(lambda: ("ErrorBudgetBurns", "page", "parse") not in firing(), "the end of the page", forgets)
            assert time.monotonic() - begin < promised + forgets
            # Nothing else was wrong at any time: an immediate error is not a slow answer.
            assert {alert for alert in heard if alert[0] != LATE} == {("ErrorBudgetBurns", "parse")}
            # On a machine that can't carry the load answers are slow, and the alert that says so is right.
            assert len([alert for alert in heard if alert[0] == LATE]) < 1, heard
