"""The configurations of Prometheus and Jaeger, and the rules, as plain data."""

from __future__ import annotations

import pytest
import yaml

from simulator.behaviour.delays import no_samples
from simulator.render.jaeger import Ports, jaeger_config
from simulator.render.objectives import BURNS, window
from simulator.render.prometheus import prometheus_config
from simulator.render.rules import rules_text
from simulator.topology.reader import parse_topology

TEXT = """
name: t
stages:
  a: {role: terminator, slo: {latency: 300ms@99%%, errors: %s}}
  b: {role: terminator, slo: {latency: 1s@95%%}}
  c: {role: terminator}
"""


def rules(errors="0.1%", scale=1.0):
    topology = parse_topology(TEXT % errors, "t.yaml", no_samples, "t")
    return [rule for group in yaml.safe_load(rules_text(topology, scale))["groups"] for rule in group["rules"]]


def test_each_promise_has_a_page_and_a_ticket_and_nothing_else_has():
    alerts = [rule for rule in rules() if "Budget" in rule.get("alert", "")]
    named = [(rule["alert"], rule["labels"]["severity"], rule["annotations"]["summary"]) for rule in alerts]
    assert named == [
        ("ErrorBudgetBurns", "page", "a misses its objective: errors under 0.1000%"),
        ("ErrorBudgetBurns", "ticket", "a misses its objective: errors under 0.1000%"),
        ("LatencyBudgetBurns", "page", "a misses its objective: 300ms@99%"),
        ("LatencyBudgetBurns", "ticket", "a misses its objective: 300ms@99%"),
        ("LatencyBudgetBurns", "page", "b misses its objective: 1s@95%"),
        ("LatencyBudgetBurns", "ticket", "b misses its objective: 1s@95%"),
    ]


def test_the_threshold_is_the_factor_times_the_budget_over_both_windows():
    page = next(rule for rule in rules() if rule.get("alert") == "ErrorBudgetBurns")
    assert (
        '(stage:error_ratio:rate1h{stage="a"} > 0.0144 and stage:error_ratio:rate5m{stage="a"} > 0.0144)'
        in page["expr"]
    )
    assert (
        '(stage:error_ratio:rate6h{stage="a"} > 0.006 and stage:error_ratio:rate30m{stage="a"} > 0.006)' in page["expr"]
    )


def test_the_bucket_is_the_stage_s_own():
    """The bound in the expression is written as the client library writes it on /metrics."""
    text = yaml.safe_dump(rules(), width=10_000)
    assert 'stage="a",http_request_method="POST",le="0.3"' in text
    assert 'stage="b",http_request_method="POST",le="1.0"' in text


def test_every_recorded_ratio_that_is_asked_for_is_recorded():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    windows = {window(seconds) for burn in BURNS for seconds in (burn.long_seconds, burn.short_seconds)}
    assert recorded == {f"stage:{what}:rate{span}" for what in ("error_ratio", "slow_ratio") for span in windows}


def test_scaled_windows_are_shorter_and_keep_their_names():
    short = {rule["record"]: rule["expr"] for rule in rules(scale=1 / 60) if rule.get("record", "").endswith("rate1h")}
    assert all("[1m]" in expression for expression in short.values()) and short


@pytest.mark.parametrize(
    ("seconds", "text"), [(300, "5m"), (3600, "1h"), (86_400, "1d"), (90, "90s"), (0.25, "250ms"), (1e-9, "1ms")]
)
def test_windows(seconds, text):
    assert window(seconds) == text


def test_prometheus_asks_the_stages_and_jaeger():
    config = yaml.safe_load(
        prometheus_config({"a": ["h:1", "h:2"], "b": []}, "j:8889", ["rules.yml"], "1s", {"many": 8080})
    )
    stages, jaeger = config["scrape_configs"]
    assert stages["static_configs"] == [{"targets": ["h:1", "h:2"]}]
    assert stages["dns_sd_configs"] == [{"names": ["many"], "type": "A", "port": 8080, "refresh_interval": "1s"}]
    assert jaeger["static_configs"] == [{"targets": ["j:8889"]}]
    assert config["rule_files"] == ["rules.yml"]
    assert len(yaml.safe_load(prometheus_config({"a": ["h:1"]}, None))["scrape_configs"]) == 1


def test_jaeger_listens_where_it_is_told():
    text = jaeger_config("http://p:9090", "127.0.0.1", Ports(1, 2, 3, 4, 5, 6, 7), "1s")
    config = yaml.safe_load(text)
    assert config["receivers"]["otlp"]["protocols"] == {
        "grpc": {"endpoint": "127.0.0.1:3"},
        "http": {"endpoint": "127.0.0.1:4"},
    }
    assert config["extensions"]["jaeger_query"]["http"]["endpoint"] == "127.0.0.1:1"
    assert config["exporters"]["prometheus"]["endpoint"] == "127.0.0.1:6"
    assert "0.0.0.0" not in text
