"""Steps as plain values: every call changed wherever it stands, and what can't be read is kept."""

from __future__ import annotations

import pytest

from simulator.topology.plain_steps import is_to, targets_in, with_call_keys, with_plain_calls

PLAIN = [
    "a",
    {"delay": "1ms"},
    {"parallel": ["b", ["c"]], "limit": 1, "on_error": ["d"]},
    {"choose": {"e": 1, "cart.read": 3}},
    {"to": "f", "fallback": ["g", {"to": "a", "fallback": "h"}]},
]


def test_every_call_is_changed():
    """A name is changed as the call that it stands for; other keys and steps stay."""
    assert with_plain_calls(PLAIN, lambda call: {**call, "timeout": "1s"}) == [
        {"to": "a", "timeout": "1s"},
        {"delay": "1ms"},
        {
            "parallel": [{"to": "b", "timeout": "1s"}, [{"to": "c", "timeout": "1s"}]],
            "limit": 1,
            "on_error": [{"to": "d", "timeout": "1s"}],
        },
        {"choose": [{"to": "e", "weight": 1, "timeout": "1s"}, {"to": "cart.read", "weight": 3, "timeout": "1s"}]},
        {
            "to": "f",
            "fallback": [
                {"to": "g", "timeout": "1s"},
                {"to": "a", "fallback": {"to": "h", "timeout": "1s"}, "timeout": "1s"},
            ],
            "timeout": "1s",
        },
    ]


def test_targets_come_once():
    """What is called, in the order in which a change meets it, each once."""
    assert sorted(targets_in(PLAIN)) == ["a", "b", "c", "cart.read", "d", "e", "f", "g", "h"]
    assert targets_in(["a", "b", "a"]) == ["a", "b"]


@pytest.mark.parametrize("unreadable", [None, 5, True, [None, 7], {"delays": 1}, {"choose": 5}, {"parallel": "x"}])
def test_what_cant_be_read_is_kept(unreadable):
    """A mistake is told when the steps are read, so that changing calls must not fail on it."""
    with_plain_calls(unreadable, lambda call: call)
    assert with_plain_calls([unreadable, "a"], lambda call: call)[1] == {"to": "a"}


@pytest.mark.parametrize(
    ("to", "changed"),
    [
        (None, ["a", "cart.read", "cart.add"]),
        ("cart", ["cart.read", "cart.add"]),
        ("cart.add", ["cart.add"]),
        ("x", []),
    ],
)
def test_keys_of_some_calls(to, changed):
    """Keys change for all calls, for those to any operation of a stage, or to one of them; None removes a key."""
    calls = ["a", {"to": "cart.read", "timeout": "1s"}, {"to": "cart.add", "optional": True}]
    made = with_call_keys(calls, {"timeout": "2s"}, to)
    assert [call["to"] for call in made if isinstance(call, dict) and call.get("timeout") == "2s"] == changed
    removed = with_call_keys(calls, {"timeout": None}, to)
    assert ("timeout" in removed[1]) is ("cart.read" not in changed)


@pytest.mark.parametrize(
    ("target", "name", "expected"),
    [
        ("cart", "cart", True),
        ("cart.read", "cart", True),
        ("cart.read", "cart.read", True),
        ("cart.read", "cart.add", False),
        ("eu.cart.read", "eu.cart", True),
        ("eu.cart.read", "eu", False),
        (5, "5", False),
    ],
)
def test_which_calls_are_meant(target, name, expected):
    """A stage's name means its operations too, and part of a name with dots means nothing."""
    assert is_to(target, name) is expected
