"""Topologies that nobody thought of, run live: ledgers balance, messages have one whole trace each, nothing hangs.

Each run has others, and tells its seed where one fails; thousands of them run in virtual time.
"""

from __future__ import annotations

import pytest
import yaml

from tests.support.collector import SERVER, collector
from tests.support.processes import run, with_collector
from tests.support.random_topologies import topologies, without_races
from tests.support.seeds import drawn_with, new_seed
from tests.support.stories import story

MESSAGES = 25
SECONDS = 300  # far beyond what it takes: something hangs


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(2))
def test_whatever_is_drawn_balances_and_is_traced_whole(tmp_path, part):
    """A random topology with random faults, all of which are injected."""
    run_and_check(drawn_with(new_seed() + part, topologies(MESSAGES, genuine=False)), tmp_path)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(2, 4))
def test_live_and_virtual_time_tell_the_same_of_what_is_drawn(tmp_path, part):
    """Where nothing hangs on what comes first each visit of each message has the same delay, faults and outcome."""
    drawn = without_races(drawn_with(new_seed() + part, topologies(MESSAGES, genuine=False)))
    run_and_check(drawn, tmp_path)
    finished = run("run", "random.yaml", "--virtual", "--report", "virtual", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert story(tmp_path / "virtual") == story(tmp_path / "r"), yaml.safe_dump(drawn, sort_keys=False)


def run_and_check(topology, folder):
    text = yaml.safe_dump(topology, sort_keys=False)
    (folder / "random.yaml").write_text(text)
    with collector() as received:
        environment = with_collector(received.address)
        finished = run(
            "run", "random.yaml", "--report", "r", cwd=folder, environment=environment, timeout_seconds=SECONDS
        )
        traces = received.traces()
    assert finished.returncode == 0, f"{text}\n{finished.stdout}\n{finished.stderr}"
    assert "The ledger balances" in finished.stderr
    assert len(traces) == MESSAGES, text
    for trace in traces.values():
        known = {span.span_id for span in trace}
        assert sum(not span.parent_id for span in trace) == 1, text
        assert all(span.parent_id in known for span in trace if span.parent_id), text
    handled = sum(
        line.count('"event":"message.handled"')
        for log in (folder / "r" / "logs").glob("*.jsonl")
        for line in log.read_text().splitlines()
    )
    servers = sum(span.kind == SERVER for trace in traces.values() for span in trace)
    assert servers + MESSAGES == handled, text  # the injector handles its own without a server
