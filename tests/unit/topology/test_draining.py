"""How long a stop may take: as long as a message that was admitted just now can still take, within bounds."""

from __future__ import annotations

import pytest

from simulator.behaviour.delays import no_samples
from simulator.topology.draining import run_drain_seconds, stage_drain_seconds, waits_for
from simulator.topology.reader import parse_topology

HEAD = "name: drained\nstages:\n  first: {role: injector, load: {rate: 1/s}, calls: CALLS}\n"


def topology(calls="[one, two]", top="", **stages):
    text = HEAD.replace("CALLS", calls)
    for name, rest in {"one": "delay: constant(12s)", "two": "delay: constant(12s)", **stages}.items():
        text += f"  {name}: {{role: terminator, {rest}}}\n"
    return parse_topology(top + text, "file.yaml", no_samples, "default")


def bound(given, name="first"):
    return stage_drain_seconds(name, given.stages[name], given)


@pytest.mark.parametrize(
    ("calls", "stages", "seconds"),
    [
        ("[one, two]", {}, 24.0),
        ("[{parallel: [one, two]}]", {}, 12.0),
        ("[{parallel: [one, two], limit: 1}]", {}, 24.0),
        ("[{choose: {one: 50%, two: 50%}}]", {}, 12.0),
        ("[{to: one, times: 2}, two]", {}, 36.0),
        # Two attempts of a second each, the pause between them, and what the stage takes after it was given up.
        ("[{to: one, timeout: 1s, retries: 'retries(1, backoff=500ms)'}, two]", {}, 2.5 + 11.0 + 12.0),
        ("[{to: one, fallback: two}, two]", {}, 36.0),
        ("[{to: one, hedge: 3s}, two]", {}, 27.0),
        ("[one, two]", {"one": "delay: constant(12s), faults: ['hang(30s, 1%)', 'cpu(2s, 1%)']"}, 56.0),
        # Not waited for: a fault of a week, and one at 0 %.
        ("[one, two]", {"one": "delay: constant(12s), faults: ['cpu(168h, 1%)', 'hang(30s, 0%)']"}, 24.0),
        ("[one, two]", {"one": "delay: constant(12s), workers: 2, queue: 5"}, 48.0),
    ],
)
def test_the_bound_is_the_longest_path_of_a_message(calls, stages, seconds):
    """Delays, faults, retries, queues and calls along the longest path add up, plus a tenth and a second."""
    given = topology(calls, **stages)
    assert bound(given) == pytest.approx(1.1 * seconds + 1.0)
    assert run_drain_seconds(given) == pytest.approx(1.1 * seconds + 1.0)


def test_the_bound_has_bounds():
    """At least 10 s, at most 10 minutes, whatever the distribution."""
    assert bound(topology(one="delay: constant(1ms)", two="delay: constant(1ms)")) == 10.0
    assert bound(topology(one="delay: 'pareto(min=1s, shape=0.1)'")) == 600.0


def test_each_stage_has_its_own():
    """A stage waits for no more than what is behind it."""
    given = topology(one="delay: constant(40s)")
    assert (bound(given, "one"), bound(given, "two")) == (pytest.approx(45.0), pytest.approx(14.2))


def test_a_key_overrides_the_bound():
    """`drain_timeout` of the topology is for the run and for every stage that has none of its own."""
    given = topology(top="drain_timeout: 3s\n", two="delay: constant(1s), drain_timeout: 0s")
    assert run_drain_seconds(given) == 3.0
    assert [bound(given, name) for name in given.stages] == [3.0, 3.0, 0.0]


def test_a_stage_by_itself_waits_for_its_calls_timeouts():
    """If nothing is known of the called stage, it may take as long as the call allows."""
    given = topology("[{to: one, timeout: 50s}, {to: two, timeout: 5s}]").stages["first"]
    assert stage_drain_seconds("first", given, None) == pytest.approx(61.5)


def test_what_is_waited_for():
    """The stages that have messages are named, not those that only wait for them."""
    given = topology()
    assert waits_for(given, {"first": 3, "one": 2, "two": 1}) == {"one": 2, "two": 1}
    assert waits_for(given, {"first": 3, "one": 0, "two": 0}) == {"first": 3}
    assert waits_for(given, {"first": 0, "one": 0, "two": 0}) == {}
