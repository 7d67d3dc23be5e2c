"""Loads in virtual time: every profile has the messages that it expects, when they are due, and then ends."""

import pytest

from simulator.behaviour.profiles.registry import parse_profile
from tests.support.virtual import observe


def system(**load):
    return {
        "visitors": {"role": "injector", "load": load, "calls": ["shop"]},
        "shop": {"delay": "constant(5ms)"},
    }


@pytest.mark.parametrize(
    "profile",
    [
        "constant(20/s, 10s)",
        "ramp(0/s, 40/s, 10s)",
        "steps(10/s, 0/s, 40/s, each=4s)",
        "spike(10/s, 100/s, 2s, 1s, 2s)",
        "sine(5/s, 35/s, 5s, for=10s)",
        ["ramp(0/s, 40/s, 5s)", "constant(40/s, 2s)", "ramp(40/s, 0/s, 5s)"],
    ],
    ids=str,
)
def test_constant_arrivals_of_a_profile(profile):
    """Message n comes when n are expected, to a nanosecond, and the load ends with the last one."""
    expected = parse_profile(profile)
    seen = observe(system(profile=profile, arrivals="constant"))
    begun = [record.arrival.received_at for record in seen.records["visitors"]]
    assert begun == pytest.approx([expected.time_of(n) for n in range(1, int(expected.messages) + 1)], abs=2e-9)
    assert seen.count("shop") == len(begun)
