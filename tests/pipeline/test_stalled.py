"""A stage that stalls: the latency that counts is that from the due time, and a naive figure hides it."""

from __future__ import annotations

import os
import re
import signal
import time

import numpy as np
import pytest

from simulator.proof.report.waiting_client import measured_by_waiting
from simulator.proof.truth.reading import open_truth
from tests.support.processes import running_topology, wait_for

RATE, SECONDS, STALL_SECONDS = 100, 20, 1.0
TOPOLOGY = f"""
name: stalled
seed: 7
stages:
  users: {{role: injector, load: {{rate: {RATE}/s, arrivals: constant, messages: {RATE * SECONDS}}}, calls: [shop]}}
  shop: {{delay: constant(5ms)}}
"""


@pytest.mark.calm
def test_a_stall_is_seen_from_the_due_time_and_hidden_from_a_client_that_waits(tmp_path):
    """A stage stopped for 1 s of 20 s at 100/s: a twentieth of the messages was due then, so p99 has to show it.

    The first quarter of them, 1.25 % of all, waited for at least 0.75 s. A client with one connection would have sent
    one of them.
    """
    environment = {"OTEL_TRACES_EXPORTER": "none", "SIMULATOR_PAGE": "1"}
    with running_topology(tmp_path, TOPOLOGY, "--no-console", environment=environment) as stalled:

        def handled():
            return sum(line["event"] == "message.handled" for line in stalled.log("shop"))

        wait_for(lambda: handled() > 2 * RATE or None, "two seconds of messages")
        os.kill(stalled.pid("shop"), signal.SIGSTOP)
        time.sleep(STALL_SECONDS)  # the stall itself
        os.kill(stalled.pid("shop"), signal.SIGCONT)
        assert stalled.process.wait(120) == 0
    with open_truth(stalled.report_folder) as truth:
        found = truth.columns(
            "SELECT received_at AS sent_at, duration_seconds, end_to_end_seconds FROM visits WHERE stage = 'users' "
            "ORDER BY received_at"
        )
    assert len(found["sent_at"]) == RATE * SECONDS
    honest = float(np.quantile(found["end_to_end_seconds"], 0.99))
    ended_at = found["sent_at"] + found["duration_seconds"]
    places = measured_by_waiting(zip(found["sent_at"].tolist(), ended_at.tolist(), strict=True), connections=1)
    naive = float(np.quantile(found["duration_seconds"][places], 0.99))
    assert honest >= 0.7 * STALL_SECONDS
    assert naive <= honest / 3
    page = (stalled.report_folder / "report.html").read_text()
    section = page[page.index("What a naive figure would have hidden</h2>") :]
    assert re.search(r"would have reported a p99 of [\d.]+ms. It was [\d.]+(ms|s)", section)
