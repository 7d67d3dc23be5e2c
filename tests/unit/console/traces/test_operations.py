"""The services and operations to choose from."""

from __future__ import annotations

from simulator.console.traces.operations import Operations

SERVER, CLIENT = 2, 3


def test_they_are_given_in_order_and_once():
    """Services and their operations are sorted; what was seen many times is there once."""
    operations = Operations()
    for service, name, kind in (("b", "POST", CLIENT), ("a", "z", SERVER), ("a", "y", SERVER), ("a", "z", SERVER)):
        operations.take(service, name, kind)
    assert operations.services() == ["a", "b"]
    assert operations.of("a") == [("y", "server"), ("z", "server")]
    assert operations.of("c") == []


def test_kinds_that_have_one_name_are_one():
    """A missing kind is internal, and not listed beside the internal one."""
    operations = Operations()
    operations.take("a", "x", 0)
    operations.take("a", "x", 1)
    assert operations.of("a") == [("x", "internal")]


def test_the_least_recently_seen_make_room():
    """A flood of names can neither evict what is still in use, nor take more room than there is."""
    operations = Operations(max_entries=10)
    for number in range(1000):
        operations.take("flood", f"name-{number}", SERVER)
        operations.take("parse", "POST /messages", SERVER)
    assert operations.of("parse") == [("POST /messages", "server")]
    assert len(operations.of("flood")) == 9


def test_endless_names_are_left_out():
    """A name of more than 200 characters is not one that a person chooses from a list."""
    operations = Operations()
    operations.take("a" * 201, "x", SERVER)
    operations.take("a", "x" * 201, SERVER)
    assert operations.services() == []
