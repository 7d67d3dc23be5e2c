"""All that `check` says, as JSON."""

from __future__ import annotations

import json

from simulator.behaviour.delays import no_samples
from simulator.local.check_json import check_json
from simulator.local.description import describe
from simulator.topology.outlook import Outlook
from simulator.topology.reader import parse_topology

TEXT = """
name: small
seed: 7
drain_timeout: 20s
stages:
  start: {role: injector, load: {rate: 20/s}, calls: [cart.read]}
  cart:
    workers: 8
    operations:
      read:
        method: GET
        path: "/carts/{id}"
        delay: 2ms
        calls:
          - to: db
            times: 2
            retries: 1
            timeout: 1ms
            headers: {X-Key: secret}
            fallback: {to: spare, headers: {X-Key: secret}}
  db: {delay: "uniform(0ms, 4ms)", faults: ["error(503, 1%)"]}
  spare: {}
"""


def test_all_is_there():
    """Defaults are written out where the text has a column for them; each call has its place and options."""
    topology = parse_topology(TEXT, "file.yaml", no_samples, "any")
    found = check_json(topology, Outlook(topology), fits=True, warnings=["careful"])
    assert found == json.loads(json.dumps(found))
    assert {key: found[key] for key in ("name", "seed", "drain_timeout", "fits", "warnings")} == {
        "name": "small",
        "seed": 7,
        "drain_timeout": "20s",
        "fits": True,
        "warnings": ["careful"],
    }
    assert found["entries"] == [{"stage": "start", "messages": "20/s, poisson"}]
    assert found["stages"]["db"] == {
        "method": "POST",
        "path": "/messages",
        "delay": "uniform(0s, 4ms)",
        "role": "processor",
        "workers": 1000,
        "queue": 1000,
        "faults": ["error(503, 1%)"],
        "calls": "",
    }
    assert found["stages"]["cart"]["workers"] == 8
    assert found["stages"]["cart"]["operations"] == {
        "read": {"method": "GET", "path": "/carts/{id}", "delay": "constant(2ms)", "calls": "2 x db"}
    }
    assert found["calls"][1] == {
        "from": "cart.read",
        "to": "db",
        "place": "stages.cart.operations.read.calls[0]",
        "times": 2,
        "timeout": "1ms",
        "retries": "retries(1)",
        "headers": {"X-Key": "***"},
        "fallback": "spare",
        "late_ratio": 0.75,
    }
    assert found["calls"][2]["place"] == "stages.cart.operations.read.calls[0].fallback"
    assert found["multiplied"] == [
        {"entry": "start", "called": "cart.read", "max_calls": 1, "mean_calls": 1.0},
        {"entry": "start", "called": "db", "max_calls": 4, "mean_calls": 2.0},
        {"entry": "start", "called": "spare", "max_calls": 2, "mean_calls": 0.0},
    ]


def test_no_secret_is_written():
    """A header's value that is not a variable is shown as stars, also in a fallback."""
    topology = parse_topology(TEXT, "file.yaml", no_samples, "any")
    assert "secret" not in json.dumps(check_json(topology, Outlook(topology), fits=True, warnings=[]))


def test_the_series_that_labels_make():
    """By stage, and only of those with labels; the text has them with their factors."""
    text = TEXT.replace(
        "    workers: 8\n", "    workers: 8\n    attributes: {plan: {a: 1, b: 1}}\n    labels: [plan]\n"
    )
    topology = parse_topology(text, "file.yaml", no_samples, "any")
    found = check_json(topology, Outlook(topology), fits=True, warnings=[])
    assert found["labelled_series"] == {"cart": 48}
    lines = [str(line).strip() for line in describe(topology).renderables]
    assert "series of the labels: 2 plan x 24 series = 48" in lines
