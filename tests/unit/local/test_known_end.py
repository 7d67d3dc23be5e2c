"""When a run is expected to end."""

from __future__ import annotations

import pytest

from simulator.behaviour.delays import no_samples
from simulator.local.known_end import expected_end_seconds
from simulator.topology.reader import parse_topology

STAGES = "stages:\n  a: {{role: injector, {a}calls: [c]}}\n{b}  c: {{}}\n"


def topology(text):
    """Return the topology of a text."""
    return parse_topology(text, "x.yaml", no_samples, "x")


def end_of(a="", b="", duration=None):
    """Return the expected end of a run with one or two injectors, which have these keys."""
    other = f"  b: {{role: injector, {b}calls: [c]}}\n" if b else ""
    return expected_end_seconds(topology(STAGES.format(a=a, b=other)).stages, duration)


@pytest.mark.parametrize(
    ("load", "seconds"),
    [
        ("load: {rate: 20/s}, ", None),
        ("load: {rate: 20/s, messages: 100}, ", 5.0),
        ("load: {profile: 'constant(20/s, 1m)'}, ", 60.0),
        ("load: {profile: 'constant(20/s, 1m)', messages: 100}, ", 5.0),
        ("load: {profile: 'constant(20/s, 1s)', messages: 100}, ", 1.0),
        ("load: {profile: 'ramp(0/s, 20/s, 10s)', messages: 25}, ", 5.0),
        ("load: {messages: 100}, ", None),
        ("load: {users: 5, think: 1s}, ", None),
        ("input: a.jsonl, load: {rate: 20/s}, ", None),
    ],
)
def test_a_load_with_an_end_has_a_known_one(load, seconds):
    """It is when the last message is expected, or the profile ends; what waits for answers takes as long as these."""
    assert end_of(load) == (seconds if seconds is None else pytest.approx(seconds))


def test_a_run_ends_with_its_last_load_or_its_duration():
    """The latest load decides, one without an end leaves it open, and --duration ends all of them."""
    five, sixty, never = (f"load: {{rate: 20/s{more}}}, " for more in (", messages: 100", ", messages: 1200", ""))
    assert end_of(five, sixty) == pytest.approx(60)
    assert end_of(five, never) is None
    assert end_of(five, never, duration=90.0) == 90
    assert end_of(five, sixty, duration=90.0) == pytest.approx(60)
    assert end_of(five, sixty, duration=7.0) == 7
