"""`verify` finds what is not as it was configured, or not as it is told, and names the promise that is broken."""

from __future__ import annotations

import subprocess
import sys

import pytest

from simulator.proof.verify.command import Showing, verify_run
from tests.support import lying_program
from tests.support.processes import clean_environment

pytestmark = pytest.mark.processes
TOPOLOGY = """
name: lies
seed: 3
stages:
  visitors: {role: injector, load: {rate: 40/s, arrivals: poisson}, calls: [shop]}
  shop:
    delay: "exponential(20ms)"
    workers: 1
    queue: 1000
    log: "{message_id} is here"
    calls: [{to: stock, optional: true, retries: "retries(1, backoff=5ms)"}, {delay: exponential(1ms)}]
  stock: {kind: database, system: postgresql, delay: "exponential(2ms)", faults: ["error(503, 5%)"], calls: []}
"""
LIVE = ("--no-console", "--telemetry", "told", "--processes", "1", "--messages", "60", "--rate", "20/s")
# All that are compared by their buckets, and so by what they have counted.
HISTOGRAMS = {
    "db_client_operation_duration_seconds",
    "http_server_request_duration_seconds",
    "simulator_delay_drawn_seconds",
    "simulator_downstream_attempt_duration_seconds",
    "simulator_downstream_call_duration_seconds",
    "simulator_message_bytes",
    "simulator_overhead_seconds",
    "simulator_pipeline_duration_seconds",
    "simulator_processing_seconds",
    "simulator_queue_wait_seconds",
}


def broken(tmp_path, capsys, lie, *flags):
    """Run the topology with a lie, judge the run without, and return what is broken: {promise: what of it}."""
    (tmp_path / "lies.yaml").write_text(TOPOLOGY)
    command = [sys.executable, lying_program.__file__, lie, "run", "lies.yaml", "--report", "run", *flags]
    environment = clean_environment()
    finished = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=300, check=False)
    assert finished.returncode in (0, 1), finished.stderr.decode()
    code = verify_run(tmp_path / "run", tmp_path / "told", Showing(is_quiet=True))
    found = {}
    for line in capsys.readouterr().err.splitlines():
        if line.startswith("broken: "):
            _, promise, subject, _ = line.split(": ", 3)
            found.setdefault(promise, set()).add(subject)
    assert code == (1 if found else 0)
    return found


@pytest.mark.parametrize(
    ("lie", "promises"),
    [
        ("a_delay_is_cut_short", {"delays taken"}),
        ("a_delay_is_drawn_too_short", {"delays as drawn", "delays as distributed"}),
        ("a_delay_between_calls_is_another_draw", {"delays as drawn"}),
        ("a_share_is_too_large", {"choices as drawn"}),
        ("a_message_is_lost", {"no message lost", "ledger"}),
        ("a_message_is_doubled", {"no message doubled"}),
        ("an_attempt_is_unannounced", {"no unannounced attempt"}),
        ("a_queue_serves_last_come_first", {"first come, first served"}),
        ("a_schedule_slips", {"arrivals as scheduled"}),
    ],
)
def test_a_lie_of_the_engine_breaks_its_promise_by_name(tmp_path, capsys, lie, promises):
    """In virtual time, where nothing but the lie can be the reason."""
    # As many as show by its distribution that an exponential delay is a tenth too short; all else shows earlier.
    messages = "8000" if "delays as distributed" in promises else "1500"
    found = broken(tmp_path, capsys, lie, "--virtual", "--messages", messages)
    assert found.keys() >= promises


@pytest.mark.parametrize(
    ("lie", "promise"),
    [
        ("a_span_is_dropped", "spans = truth"),
        ("a_parent_is_wrong", "parents of spans"),
        ("a_counter_is_wrong", "counters = truth"),
        ("a_log_line_is_missing", "log lines = truth"),
        ("an_own_line_is_missing", "own log lines = truth"),
    ],
)
def test_a_lie_of_the_telemetry_breaks_its_promise_by_name(tmp_path, capsys, lie, promise):
    """Live, with stages whose telemetry lies."""
    assert promise in broken(tmp_path, capsys, lie, *LIVE)


def test_a_bucket_off_by_one_is_found_in_each_histogram(tmp_path, capsys):
    """Not in that of the lag, which is taken at another moment than the truth's, and compared by its total."""
    found = broken(tmp_path, capsys, "a_bucket_is_off_by_one", *LIVE)
    assert found.keys() == {"histograms = truth"}
    assert found["histograms = truth"] == HISTOGRAMS
