"""The rules, evaluated by Prometheus' own tool: every alert fires when it should, and at no other time."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from simulator.behaviour.delays import no_samples
from simulator.render.rules import RUNBOOK, rules_text
from simulator.topology.reader import parse_topology, read_topology
from tests.support.backends import find
from tests.support.processes import ROOT

TOPOLOGY = """
name: promises
stages:
  source: {role: injector, load: {rate: 10/s}, calls: [shop]}
  shop: {slo: {latency: 300ms@99%, errors: 0.1%}, calls: [store]}
  store: {role: terminator}
"""
HOURS = 8
MINUTES = HOURS * 60
# A healthy stage: its counters, every minute, at ten messages a second.
MESSAGES = 'simulator_messages_total{stage="shop",role="processor",outcome="%s"}'
REQUESTS = 'http_server_request_duration_seconds_%s{stage="shop",role="processor",http_request_method="POST"%s}'
WELL = {
    MESSAGES % "forwarded": "0+600x{n}",
    MESSAGES % "failed": "0+0x{n}",
    MESSAGES % "rejected": "0+0x{n}",
    REQUESTS % ("bucket", ',le="0.3"'): "0+600x{n}",
    REQUESTS % ("count", ""): "0+600x{n}",
    'up{job="stages",instance="shop:8080"}': "1+0x{n}",
    'simulator_workers{stage="shop",role="processor"}': "8+0x{n}",
    'simulator_workers_busy{stage="shop",role="processor"}': "3+0x{n}",
    'simulator_queue_depth{stage="shop",role="processor"}': "0+0x{n}",
    'simulator_breakers_open{stage="shop",role="processor",downstream="store"}': "0+0x{n}",
    'simulator_injector_missed_total{stage="source",role="injector"}': "0+0x{n}",
    'simulator_spans_dropped_total{stage="shop",role="processor"}': "0+0x{n}",
}
# {alert: (series of a problem, how many alerts fire then)}; each from the first minute on.
ILL = {
    "ErrorBudgetBurns": ({MESSAGES % "failed": "0+12x{n}"}, 2),
    "LatencyBudgetBurns": ({REQUESTS % ("bucket", ',le="0.3"'): "0+480x{n}"}, 2),
    "StageDown": ({'up{job="stages",instance="shop:8080"}': "0+0x{n}"}, 1),
    "StageSaturated": (
        {
            'simulator_workers_busy{stage="shop",role="processor"}': "8+0x{n}",
            'simulator_queue_depth{stage="shop",role="processor"}': "5+0x{n}",
        },
        1,
    ),
    "StageTurnsMessagesAway": ({MESSAGES % "rejected": "0+12x{n}"}, 1),
    "StageWithoutTraffic": ({MESSAGES % "forwarded": "0+600x5 3000+0x{n}"}, 1),
    "BreakerOpen": ({'simulator_breakers_open{stage="shop",role="processor",downstream="store"}': "1+0x{n}"}, 1),
    "ScheduleMissed": ({'simulator_injector_missed_total{stage="source",role="injector"}': "0+5x{n}"}, 1),
    "TelemetryDropped": ({'simulator_spans_dropped_total{stage="shop",role="processor"}': "0+5x{n}"}, 1),
}


def test_every_alert_is_tested():
    """None of the alerts in the rules is left out, and each has its paragraph in the runbook."""
    rules = yaml.safe_load(rules_text(topology()))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    assert alerts == set(ILL) == set(RUNBOOK)
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert "alert" not in rule or len(rule["annotations"]["runbook"]) > 100


def topology():
    return parse_topology(TOPOLOGY, "promises.yaml", no_samples, "promises")


@pytest.mark.parametrize("alert", ILL)
def test_an_alert_fires_when_something_is_wrong_and_only_then(tmp_path, alert):
    """A problem raises the alert; a healthy stage raises none in eight hours."""
    ill, firing = ILL[alert]
    (tmp_path / "rules.yml").write_text(rules_text(topology()))
    tests = [
        {"name": "ill", "interval": "1m", **series({**WELL, **ill}), **expecting(alert, firing)},
        {"name": "well", "interval": "1m", **series(WELL), **expecting(alert, 0)},
    ]
    play(tmp_path, tests)


OPERATIONS = """
name: operations
stages:
  source: {role: injector, load: {rate: 10/s}, calls: [shop.read, shop.add]}
  shop:
    slo: {latency: 300ms@99%, errors: 0.1%}
    operations: {read: {method: GET, path: "/carts/{id}"}, add: {path: /carts}}
"""
OF_SHOP = 'stage="shop",role="processor"'


def test_an_operation_has_alerts_of_its_own(tmp_path):
    """Where `read` fails and `add` is slow, each has the alerts of that and not the other's."""
    (tmp_path / "rules.yml").write_text(rules_text(parse_topology(OPERATIONS, "o.yaml", no_samples, "o")))
    values = {}
    for operation, method, route, failed, quick in (
        ("read", "GET", "/carts/{id}", 12, 600),
        ("add", "POST", "/carts", 0, 480),
    ):
        for outcome, count in (("forwarded", 600), ("failed", failed)):
            values[f'simulator_messages_total{{{OF_SHOP},operation="{operation}",outcome="{outcome}"}}'] = (
                f"0+{count}x{{n}}"
            )
        labels = f'{OF_SHOP},http_request_method="{method}",http_route="{route}"'
        values[f'http_server_request_duration_seconds_bucket{{{labels},le="0.3"}}'] = f"0+{quick}x{{n}}"
        values[f"http_server_request_duration_seconds_count{{{labels}}}"] = "0+600x{n}"
    expected = [
        {
            "expr": f'count by (stage, operation) (ALERTS{{alertname="{alert}",alertstate="firing"}})',
            "eval_time": f"{MINUTES}m",
            "exp_samples": [{"value": 2, "labels": f'{{stage="shop",operation="{operation}"}}'}],
        }
        for alert, operation in (("ErrorBudgetBurns", "read"), ("LatencyBudgetBurns", "add"))
    ]
    play(tmp_path, [{"name": "operations", "interval": "1m", **series(values), "promql_expr_test": expected}])


def play(folder, tests):
    """Test the rules in a folder with promtool."""
    content = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "tests.yml").write_text(yaml.safe_dump(content, width=1000))
    played = subprocess.run(
        [find("promtool"), "test", "rules", "tests.yml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert played.returncode == 0, played.stdout + played.stderr


def series(values):
    return {"input_series": [{"series": name, "values": text.format(n=MINUTES)} for name, text in values.items()]}


def expecting(alert, count):
    """Return a test of how many alerts fire at the end, by the alerts' own series."""
    selector = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    samples = [{"value": count, "labels": "{}"}] if count else []
    at = f"{MINUTES}m" if alert != "StageWithoutTraffic" else "60m"
    return {"promql_expr_test": [{"expr": selector, "eval_time": at, "exp_samples": samples}]}


def test_the_rules_of_the_ready_made_topologies_are_valid(tmp_path):
    """promtool finds no mistake in the rules of any topology, nor in those with scaled windows."""
    for path in (ROOT / "topologies").glob("*.yaml"):
        (tmp_path / f"{path.stem}.yml").write_text(rules_text(read_topology(path)))
    for number, scale in enumerate((1.0, 1 / 60, 0.001)):
        (tmp_path / f"{number}.yml").write_text(rules_text(topology(), scale))
    files = sorted(str(path) for path in tmp_path.iterdir())
    checked = subprocess.run([find("promtool"), "check", "rules", *files], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
