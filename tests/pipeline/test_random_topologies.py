"""Topologies that nobody thought of, run live: ledgers balance, messages have one whole trace each, nothing hangs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.support.collector import SERVER, collector
from tests.support.processes import run, with_collector

MESSAGES = 40
SECONDS = 200  # far beyond what it takes: something hangs

FAULTS = st.sampled_from(
    [
        "error(503, 20%)",
        "error(429, 10%)",
        "reset(10%)",
        "truncate(10%)",
        "hang(30ms, 20%)",
        "slow_body(2KB/s, 20%)",
        "cpu(2ms, 50%)",
        "memory(1MB)",
    ]
)
DELAYS = st.sampled_from(["constant(0s)", "exponential(3ms)", "uniform(1ms, 10ms)", "growing(constant(2ms), full=3)"])


@st.composite
def calls_to(draw, targets, depth=0):
    """Draw the steps of a stage that may call these stages."""
    steps = []
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["call", "call", "parallel", "choose"] if depth < 2 else ["call"]))
        if kind == "parallel":
            inner = draw(st.lists(calls_to(targets, depth + 1), min_size=1, max_size=3))
            group = {"parallel": [item if len(item) > 1 else item[0] for item in inner]}
            steps.append({**group, **draw(st.sampled_from([{}, {"limit": 1}, {"probability": "50%"}]))})
        elif kind == "choose":
            one, other = draw(st.sampled_from(targets)), draw(st.sampled_from(targets))
            steps.append({"choose": [{"to": one, "weight": "70%"}, {"to": other, "weight": "30%"}]})
        else:
            steps.append(draw(single_call(targets)))
    return steps


@st.composite
def single_call(draw, targets):
    call = {"to": draw(st.sampled_from(targets))}
    options = {
        "probability": "60%",
        "times": 2,
        "retries": "retries(2, backoff=1ms, budget=50%)",
        "optional": True,
        "fallback": draw(st.sampled_from(targets)),
        "hedge": "15ms",
        "breaker": "breaker(failures=3, reset=50ms)",
        "request_bytes": "uniform(10B, 5KB)",
        "timeout": "25s",
    }
    for key in draw(st.sets(st.sampled_from(sorted(options)), max_size=3)):
        call[key] = options[key]
    return call


@st.composite
def topologies(draw):
    """Draw an injector and up to six stages, each of which calls only later ones."""
    names = [f"s{number}" for number in range(draw(st.integers(2, 6)))]
    stages = {}
    for number, name in enumerate(names):
        later = names[number + 1 :]
        stage = {"delay": draw(DELAYS), "faults": draw(st.lists(FAULTS, max_size=2))}
        stage["instances"] = draw(st.sampled_from([1, 1, 1, 2]))
        stage["response_bytes"] = draw(st.sampled_from(["10B", "uniform(100B, 3KB)"]))
        if not later:
            stage["role"] = "terminator"
        else:
            stage["calls"] = draw(calls_to(later)) if draw(st.booleans()) or number == 0 else [later[0]]
            stage["forward"] = draw(st.sampled_from(["wait", "wait", "wait", "accept"]))
        stages[name] = stage
    load = {"rate": "40/s", "messages": MESSAGES}
    stages = {"source": {"role": "injector", "load": load, "calls": [names[0]]}, **stages}
    # What nobody calls would be an entry that is never used; a terminator that nobody calls is a mistake.
    if not any(names[-1] in str(stage.get("calls")) for stage in stages.values()):
        stages[names[0]]["calls"].append(names[-1])
    return {"name": "random", "seed": draw(st.integers(0, 1000)), "stages": stages}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(5))
def test_whatever_is_drawn_balances_and_is_traced_whole(part):
    """Four of twenty random topologies with random faults, each run with 40 messages."""

    @seed(part)
    @settings(
        max_examples=4,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(topologies())
    def runs_well(topology):
        with tempfile.TemporaryDirectory() as folder:
            run_and_check(topology, Path(folder))

    runs_well()


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
