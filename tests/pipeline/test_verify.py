"""`verify`: runs that keep their promise pass, by each way in which they can be judged."""

from __future__ import annotations

import json

import pytest

from tests.support.processes import run

TOPOLOGY = """
name: proven
seed: 11
stages:
  visitors: {role: injector, load: {rate: 25/s, arrivals: poisson}, calls: [shop]}
  shop:
    delay: "lognormal(p50=3ms, p99=20ms)"
    workers: 4
    decide: {hit: 70%}
    calls:
      - {to: stock, retries: "retries(2, backoff=5ms, max=10ms)", optional: true}
      - {to: mail, probability: 30%}
      - {delay: exponential(2ms)}
  stock: {delay: "exponential(2ms)", faults: ["error(503, 20%)", "hang(5ms, 5%)"], instances: 2}
  mail: {delay: 1ms, forward: accept}
"""


def verified(tmp_path, *flags):
    """Verify the topology and return the finished process, and its verdict."""
    (tmp_path / "proven.yaml").write_text(TOPOLOGY)
    finished = run("verify", "proven.yaml", "--json", *flags, cwd=tmp_path)
    return finished, json.loads(finished.stdout)


def test_a_live_run_keeps_every_promise(tmp_path):
    """Delays, shares, arrivals, retries, queues, ledger, traces, logs and metrics are found as they were configured."""
    finished, told = verified(tmp_path, "--messages", "200")
    assert finished.returncode == 0, finished.stderr
    assert told["messages"] == 200
    kept = {found["promise"] for found in told["findings"] if found["verdict"] == "kept"}
    assert kept >= {
        *("delays as drawn", "delays as distributed", "delays taken", "choices as drawn", "shares"),
        *("arrivals as scheduled", "arrival rate", "schedule kept", "no message lost", "no message doubled"),
        *("no unannounced attempt", "retries as configured", "pauses of retries as drawn", "first come, first served"),
        *("ledger", "whole traces", "parents of spans", "spans = truth", "log lines = truth"),
        *("values of log lines = truth", "counters = truth", "histograms = truth", "no unattributed time"),
    }
    again = run("verify", "--run", "runs/proven-verify", "--quiet", "--junit", "verdict.xml", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert 'name="verify proven"' in (tmp_path / "verdict.xml").read_text()
    assert again.stdout.startswith(f"{sum(found['verdict'] == 'kept' for found in told['findings']):,} kept, 0 broken")


def test_a_run_in_virtual_time_keeps_every_promise_that_it_makes(tmp_path):
    """Spans and metrics are not made there, and their promises are not judged; all others are kept."""
    finished, told = verified(tmp_path, "--virtual", "--messages", "500")
    assert finished.returncode == 0, finished.stderr
    not_judged = {found["promise"] for found in told["findings"] if found["verdict"] == "not judged"}
    assert not_judged == {"whole traces", "parents of spans", "spans = truth", "counters = truth", "histograms = truth"}


@pytest.mark.parametrize(
    "form",
    [
        {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"},
        {"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "base2_exponential_bucket_histogram"},
    ],
)
def test_metrics_in_another_form_are_judged_too(tmp_path, form):
    """Points that only say what was added, and histograms whose buckets are their own, of a run as its user ran it."""
    (tmp_path / "proven.yaml").write_text(TOPOLOGY)
    flags = ("--messages", "60", "--no-console", "--report", "mine", "--telemetry", "mine/telemetry")
    assert run("run", "proven.yaml", *flags, cwd=tmp_path, environment=form).returncode == 0
    finished = run("verify", "--run", "mine", "--json", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    judged = [found for found in json.loads(finished.stdout)["findings"] if found["promise"] == "histograms = truth"]
    assert {found["verdict"] for found in judged if found["checked"]} == {"kept"}


def test_a_run_that_was_cut_off_is_not_found_good(tmp_path):
    """Rows of the truth that are missing are no proof of anything: exit code 1, and the reason."""
    verified(tmp_path, "--virtual", "--messages", "50")
    manifest = tmp_path / "runs" / "proven-verify" / "truth" / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "rows_lost": {"shop": 3}}))
    finished = run("verify", "--run", "runs/proven-verify", "--quiet", cwd=tmp_path)
    assert finished.returncode == 1
    assert "3 rows of the truth are missing" in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--run", "nowhere"), "nowhere"),
        (("--run", "runs/x", "pipeline"), "leave out the topology"),
        (("--virtual", "--rate", "fast"), "fast"),
    ],
)
def test_what_can_not_be_verified_is_refused(tmp_path, arguments, message):
    """A folder without a run, two runs at once, and flags that mean nothing have exit code 2."""
    finished = run("verify", *arguments, cwd=tmp_path)
    assert finished.returncode == 2
    assert message in finished.stderr
