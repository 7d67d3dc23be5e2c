"""What of a test of time may be skipped on a slow machine, and what is a failure on any."""

import subprocess

import pytest

from tests.support.yardstick import is_of_time


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("assert 2.4684 < 2.0"),
        AssertionError("assert -0.000307 >= -1e-06\n  +  where -0.000307 = min([0.001])"),
        AssertionError("the page\nassert (128 - 60) < (20 + 41)"),
        AssertionError("a run that is up did not come about within 90 s"),
        subprocess.TimeoutExpired(["run"], 60),
        TimeoutError("timed out"),
        AssertionError('Locator expected to be visible\n  - Expect "to_be_visible" with timeout 5000ms'),
    ],
    ids=str,
)
def test_a_slow_machine_can_be_the_cause(error):
    """A number beyond its bound, or a wait that took too long."""
    assert is_of_time(error)


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("assert 2 == 55\n  +  where 2 = len({3347, 3348})"),
        AssertionError("assert 'failed' == 'delivered'"),
        AssertionError("assert {'a', 'b'} == {'a'}"),
        AssertionError("the run ended with 2: 9 mistakes: the weights must add up to 100%"),
        KeyError("stage"),
        ZeroDivisionError("division by zero"),
    ],
    ids=str,
)
def test_a_slow_machine_is_no_excuse(error):
    """A wrong count, a wrong outcome, a run that could not start."""
    assert not is_of_time(error)
