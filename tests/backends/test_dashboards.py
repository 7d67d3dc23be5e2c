"""Every panel's queries, run by a real Prometheus that scrapes a system in which everything happens."""

from __future__ import annotations

import math
import os
import signal
import socket
import time
from urllib.parse import urlsplit

import pytest

from simulator.render.dashboards import all_dashboards
from tests.support.backends import find, running_prometheus
from tests.support.processes import eventually, running_topology, wait_for

# Load, a full queue, faults of two kinds, retries, a breaker, accepted work, and an instance that is stopped.
SYSTEM = """
name: everything
seed: 3
stages:
  clients:
    role: injector
    load: {rate: 40/s, arrivals: poisson}
    calls: [front]
  front:
    delay: uniform(1ms, 3ms)
    workers: 4
    queue: 4
    calls:
      - {to: pool, retries: "retries(2, backoff=5ms, max=20ms)"}
      - {to: broken, optional: true, breaker: "breaker(failures=3, reset=1s)"}
      - archive
      - cart.read
      - cart.pay
      - db.find
      - mail
  pool:
    instances: 2
    delay: "lognormal(p50=5ms, p99=20ms, max=100ms)"
    faults: ["error(503, 20%)", "hang(30ms, 10%)"]
    calls: []
  broken: {faults: ["error(500, 100%)"], calls: []}
  archive: {role: terminator, delay: constant(5ms)}
  cart:
    role: terminator
    operations:
      read: {method: GET, delay: constant(1ms)}
      pay: {delay: constant(2ms)}
  db:
    kind: database
    system: postgresql
    operations:
      find: {delay: constant(1ms)}
  mail: {role: terminator, forward: accept, delay: constant(10ms)}
"""
STAGES = ["clients", "front", "pool", "broken", "archive", "cart", "db", "mail"]
# Prometheus scrapes every second here; a range of 15 s is three of the intervals that Grafana would choose for 5 s.
VALUES = {"$__rate_interval": "15s", "$__range": "15s", "$stage": ".+", "$instance": ".+"}
PANELS = [
    (name, panel) for name, dashboard in all_dashboards().items() for panel in dashboard["panels"] if "targets" in panel
]


def substituted(expression):
    for variable, value in VALUES.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


def expressions(dashboard, title):
    found = [
        [substituted(target["expr"]) for target in panel["targets"]]
        for name, panel in PANELS
        if (name, panel["title"]) == (dashboard, title)
    ]
    return found[-1]


def numbers(prometheus, expression):
    """Return {the values of a series' labels: its value} of all series that have a number."""
    results = {
        tuple(v for k, v in sorted(result["metric"].items()) if k not in ("job", "service")): float(result["value"][1])
        for result in prometheus.query(expression)
    }
    return {labels: value for labels, value in results.items() if math.isfinite(value)}


def addresses(running):
    """Return {name: host:port} of every process; the instances of a stage listen on consecutive ports."""
    first = {name: urlsplit(running.stage_base(name)) for name in STAGES}
    found = {name: f"{url.hostname}:{url.port}" for name, url in first.items()}
    return {**found, "pool.2": f"{first['pool'].hostname}:{first['pool'].port + 1}"}


def hang_up(address):
    """Send a message and close the connection before the answer."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf of it")


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Run the system with Prometheus, and stop one instance when everything is running."""
    find("prometheus")
    folder = tmp_path_factory.mktemp("dashboards")
    begin = time.time()
    # Apart: the instance that is killed takes no other stage with it.
    with running_topology(folder, SYSTEM, "--processes", "100") as running:
        targets = addresses(running)
        with running_prometheus(folder, targets) as prometheus:
            both = 'count(rate(simulator_messages_total{stage="pool",outcome="delivered"}[15s]) > 0)'
            wait_for(lambda: prometheus.value(both) == 2, "rates of both instances")
            hang_up(targets["front"])
            os.kill(running.pid("pool.2"), signal.SIGKILL)
            yield prometheus, begin


def test_every_expression_of_every_panel_has_data(watched):
    """With all variables at All every expression has a number, even those of panels for rare events."""
    prometheus, _ = watched
    missing = {
        (name, panel["title"], substituted(target["expr"])) for name, panel in PANELS for target in panel["targets"]
    }
    assert len(missing) > 50

    def all_there() -> bool:
        missing.difference_update([entry for entry in missing if numbers(prometheus, entry[2])])
        return not missing

    try:
        wait_for(all_there, "data")
    except AssertionError:
        pytest.fail("no data for\n" + "\n".join(map(str, sorted(missing))))


def test_the_panels_show_what_was_configured(watched):
    """Shares, attempts, breakers and the parts of a message's time are those of the system that runs."""
    prometheus, _ = watched
    # Rates reach back 15 s: a series that Prometheus has just seen for the first time shows a little later.
    eventually(lambda: assert_shown(prometheus))


def assert_shown(prometheus):
    shares = numbers(prometheus, expressions("stage", "Failed and rejected, by instance")[0])
    assert {value for (_, stage), value in shares.items() if stage == "broken"} == {1.0}
    # A fifth of the calls fails by an injected fault and is retried; so is a call to the stopped instance.
    per_call = numbers(prometheus, expressions("stage", "Attempts per call")[0])
    assert 1.1 < per_call["pool", "front"] < 1.5
    # The counts of a new status before its first scrape are lost.
    assert per_call["front", "clients"] == pytest.approx(1, abs=0.2)
    assert per_call["broken", "front"] < 0.5  # the breaker is between them
    assert numbers(prometheus, expressions("stage", "Breakers open")[0])["broken", "front"] == 1
    parts = [numbers(prometheus, expression) for expression in expressions("pipeline", "Where a message's time goes")]
    waiting, processing, downstream, overhead = ({stage: v for (stage,), v in part.items()} for part in parts)
    assert 0.005 <= processing["archive"] < 0.0125  # a mean of hundreds, each late by what a busy machine takes
    assert downstream["archive"] == 0 and waiting["archive"] < 0.01
    assert overhead["pool"] > 0.1 * 0.03 * 0.6  # a tenth of its messages hang for 30 ms
    assert downstream["front"] > processing["archive"] and "clients" not in overhead


def test_the_quantiles_of_a_panel_link_to_traces(watched):
    """Each target that draws exemplars gets some for its own expression, with the ids of a trace."""
    prometheus, begin = watched
    asked = {substituted(target["expr"]) for _, panel in PANELS for target in panel["targets"] if target["exemplar"]}
    assert asked
    for expression in sorted(asked):
        found = wait_for(lambda e=expression: prometheus.exemplars(e, begin, time.time()), expression)
        assert all(len(exemplar["labels"]["trace_id"]) == 32 for exemplar in found)
