"""Groups that change nothing are told, and those that do are not."""

import pytest

from simulator.local.idle_groups import idle_group_warnings
from tests.support.reading import read

LIST = "a list in a list changes nothing: write {parallel: [a, b]} for steps at the same time"


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        ("[[end, end]]", [f"a: calls[0]: {LIST}"]),
        ("[end, [end]]", [f"a: calls[1]: {LIST}"]),
        ("[{parallel: [[end, [end]]]}]", [f"a: calls[0].parallel[0][1]: {LIST}"]),
        ("[{to: end, fallback: [[end], end]}]", [f"a: calls[0].fallback[0]: {LIST}"]),
        (
            "[{parallel: [{to: end, times: 3}], limit: 3}]",
            ["a: calls[0]: its calls are made one after the other: write times: 3 on the group, not on the call"],
        ),
        ("[{parallel: [end], limit: 3}]", ["a: calls[0]: a group of one step has nothing to limit"]),
        ("[{parallel: [end], limit: 3, times: 9}]", []),
        ("[{parallel: [end, [end, end]], limit: 1}, {choose: [{steps: [end], weight: 1}]}, {parallel: [end]}]", []),
        ("[{parallel: [end, end], pick: 2}]", ["a: calls[0]: pick: 2 of 2 takes every step"]),
        ("[{parallel: [end, end], pick: 3}]", ["a: calls[0]: pick: 3 of 2 takes every step"]),
        ("[{parallel: [end, end], pick: 1}]", []),
        ("[{steps: [end], optional: true}]", []),
        ("[end, {steps: [end]}]", []),
    ],
)
def test_a_group_without_an_effect_is_told(calls, told):
    """It is allowed, and probably means something else."""
    text = f"stages:\n  a:\n    calls: {calls}\n  end:\n    role: terminator\n"
    assert list(idle_group_warnings(read(text))) == told
