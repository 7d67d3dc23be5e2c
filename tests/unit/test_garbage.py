"""How rarely garbage is looked for, and that it is found."""

from __future__ import annotations

import gc
import weakref

import pytest

from simulator.garbage import MIN_OBJECTS, OBJECTS_PER_MESSAGE, RareCollection


class Knot:
    """An object that refers to itself."""

    def __init__(self):
        self.itself = self


@pytest.fixture(autouse=True)
def _as_before():
    """Leave the collector as it was."""
    threshold, callbacks = gc.get_threshold(), list(gc.callbacks)
    yield
    gc.set_threshold(*threshold)
    gc.callbacks[:] = callbacks


def test_it_depends_on_the_messages_in_flight():
    """The threshold is that of the messages in flight when garbage was looked for last, and never below the least."""
    in_flight = [0]
    with RareCollection(lambda: in_flight[0]):
        for count in (0, 1, 1000, 123_456, 3):
            in_flight[0] = count
            gc.collect(0)
            assert gc.get_threshold()[0] == max(MIN_OBJECTS, OBJECTS_PER_MESSAGE * count)


def test_it_ends_as_it_began():
    """Before and after, garbage is looked for as the process has it; to begin or end twice changes nothing."""
    gc.set_threshold(701, 11, 12)
    callbacks = list(gc.callbacks)
    rare = RareCollection(lambda: 5)
    for _ in range(2):
        rare.begin()
        assert (gc.get_threshold()[0], len(gc.callbacks)) == (MIN_OBJECTS, len(callbacks) + 1)
    for _ in range(2):
        rare.end()
        assert (gc.get_threshold(), gc.callbacks) == ((701, 11, 12), callbacks)
    with pytest.raises(KeyError), rare:
        raise KeyError
    assert (gc.get_threshold(), gc.callbacks) == ((701, 11, 12), callbacks)


def test_a_growing_crowd_is_looked_through_a_few_times():
    """As the messages become more, each look comes after as many again, and not after a fixed number of objects."""
    kept, looks = [], []
    gc.collect()
    with RareCollection(lambda: len(kept) // 60):
        gc.callbacks.append(lambda phase, info: looks.append(len(kept)) if phase == "stop" else None)
        for number in range(600_000):
            kept.append([number])
    assert 2 <= len(looks) <= 10


def test_garbage_in_cycles_is_found():
    """It is freed before it takes more than the messages in flight may have."""
    first = weakref.ref(Knot())
    gc.collect()
    first, made = weakref.ref(Knot()), 0
    with RareCollection(lambda: 2 * MIN_OBJECTS // OBJECTS_PER_MESSAGE):
        while first() is not None and made < 10 * MIN_OBJECTS:
            Knot()
            made += 1
    assert first() is None
    assert made <= 3 * MIN_OBJECTS
