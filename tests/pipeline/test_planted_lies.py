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
    calls: [{to: stock, optional: true, retries: "retries(1, backoff=5ms)"}, {delay: exponential(1ms)}]
  stock: {delay: "exponential(2ms)", faults: ["error(503, 5%)"]}
"""


def broken(tmp_path, capsys, lie, *flags):
    """Run the topology with a lie, judge the run without, and return the names of the promises that are broken."""
    (tmp_path / "lies.yaml").write_text(TOPOLOGY)
    command = [sys.executable, lying_program.__file__, lie, "run", "lies.yaml", "--report", "run", *flags]
    environment = clean_environment()
    finished = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=300, check=False)
    assert finished.returncode in (0, 1), finished.stderr.decode()
    code = verify_run(tmp_path / "run", tmp_path / "told", Showing(is_quiet=True))
    lines = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines() if line.startswith("broken: ")]
    assert code == (1 if lines else 0)
    return set(lines)


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
    assert found >= promises


@pytest.mark.parametrize(
    ("lie", "promise"),
    [
        ("a_span_is_dropped", "spans = truth"),
        ("a_parent_is_wrong", "parents of spans"),
        ("a_counter_is_wrong", "counters = truth"),
        ("a_log_line_is_missing", "log lines = truth"),
        ("a_bucket_is_off_by_one", "histograms = truth"),
    ],
)
def test_a_lie_of_the_telemetry_breaks_its_promise_by_name(tmp_path, capsys, lie, promise):
    """Live, with stages whose telemetry lies."""
    flags = ("--no-console", "--telemetry", "told", "--processes", "1", "--messages", "60", "--rate", "20/s")
    assert promise in broken(tmp_path, capsys, lie, *flags)
