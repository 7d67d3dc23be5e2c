"""`verify` finds nothing wrong with the telemetry of a run that nobody touched, whatever went wrong in the run."""

from __future__ import annotations

import json

import pytest

from tests.support.processes import run, running_topology

# Every kind of fault, retry, hedge, breaker, fallback, group and stage, and too much load.
TOPOLOGY = """
name: nasty
seed: 11
stages:
  start: {role: injector, load: {rate: 40/s, messages: 200}, calls: [{to: gate, timeout: 900ms}]}
  gate:
    delay: exponential(4ms)
    workers: 6
    queue: 4
    rate_limit: 60/s
    decide: {vip: 30%, items: "uniform(1, 3)"}
    attributes: {app.user: pick(100)}
    calls:
      - {delay: exponential(2ms)}
      - parallel:
          - {to: many, times: items}
          - {to: many, optional: true}
          - {to: flaky, optional: true, timeout: 50ms, retries: "retries(2, backoff=5ms)"}
      - {to: slow, hedge: 30ms, optional: true, when: vip}
      - {to: broken, fallback: [{to: many}, db.read], breaker: "breaker(failures=3, reset=300ms)"}
      - {choose: {topic: 1, db.write: 2}}
  many: {delay: "uniform(1ms, 3ms)", instances: 2, calls: []}
  flaky: {delay: 3ms, faults: ["error(500, 10%)", "reset(10%)", "truncate(10%)", "hang(1s, 5%)"], calls: []}
  slow: {delay: exponential(25ms), work: cpu(1ms), faults: ["error(404, 5%)"], calls: []}
  broken: {delay: 1ms, faults: ["error(503, 70%)"], calls: []}
  topic:
    forward: accept
    server_span: false
    delay: 5ms
    workers: 1
    queue: 1
    calls: [{to: db.write, retries: "retries(1, backoff=5ms)"}]
  db:
    kind: database
    system: postgresql
    namespace: shop
    operations:
      read: {delay: 1ms, faults: ["error(503, 10%)"]}
      write: {delay: 2ms, attributes: {db.collection.name: orders}}
"""


@pytest.mark.parametrize("sampler", ["always_on", "traceidratio"])
def test_a_run_in_which_everything_goes_wrong_has_telemetry_in_which_nothing_is(tmp_path, sampler):
    """Spans, log records, data points and log lines are what the truth says, also of a run that samples by itself."""
    environment = {
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_TRACES_SAMPLER": sampler,
        "OTEL_TRACES_SAMPLER_ARG": "0.3" if sampler == "traceidratio" else "",
    }
    with running_topology(tmp_path, TOPOLOGY, "--no-console", "--telemetry", "sent", environment=environment) as ran:
        # Messages fail, as they should here: the circuit breaker, the queue and the rate limit are no injected faults.
        assert ran.process.wait(120) in (0, 1), ran.errors.read_text()
    run_folder = str(ran.report_folder)
    flags = "--otlp-file", "sent", "--logs", f"{run_folder}/logs", "--json"
    done = run("verify", "--run", run_folder, *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["is_good"] and len(verdict["backends"]) == 2
    kept = {check["name"]: check["kept"] for check in verdict["backends"][0]["checks"]}
    traces = int(kept["traces"].partition(" ")[0])
    # Beyond four standard deviations of the binomial: sqrt(200 * 0.3 * 0.7) = 6.5.
    assert traces == 200 if sampler == "always_on" else abs(traces - 60) < 27
