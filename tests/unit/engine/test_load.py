"""The load of an injector, from its model: who has one, and how it is sent."""

from __future__ import annotations

import contextlib

import pytest

from simulator.engine.load import make_load
from tests.support.injecting import Watching


class Tracing:
    """Root spans that nobody looks at."""

    def root(self, due_unix_ns, lag_seconds):
        return contextlib.nullcontext()


@pytest.fixture
def make_loaded(make_stage):
    """Return a function that makes a stage with a load; it gives its rig, its watcher and what `make_load` gives."""

    def make(lines=None, **stage):
        rig, watcher = make_stage(calls=["parse"], **{"role": "injector", **stage}), Watching()
        return rig, watcher, make_load(rig.handling, rig.time, watcher, Tracing(), lines)

    return make


@pytest.mark.parametrize(
    "stage", [{"role": "processor"}, {"role": "injector"}], ids=["a processor", "an injector of others' messages"]
)
def test_a_stage_without_a_load(make_loaded, stage):
    """A stage that is no injector, or one that only takes what is sent to it, has no load of its own."""
    _, _, load = make_loaded(**stage)
    assert load is None


def test_a_load_at_a_rate(make_loaded):
    """Messages are made up, as many as are wanted, at the rate, and handled as this stage's own."""
    rig, watcher, (injector, run) = make_loaded(load={"rate": "4/s", "arrivals": "constant", "messages": 3})
    run()
    assert rig.adapter.moments == [0.25, 0.5, 0.75]
    assert {record.arrival.via for record in rig.sink.records} == {"schedule"}
    assert (injector.is_paced, watcher.ends, watcher.lines) == (True, 1, 0)


@pytest.mark.parametrize(("workers", "at_once"), [(8, 3), (2, 2)])
def test_a_load_of_so_many_at_a_time(make_loaded, workers, at_once):
    """Without a rate so many are sent at a time, but no more than there are workers for."""
    rig, watcher, (injector, run) = make_loaded(
        load={"concurrency": 3, "messages": 6}, workers=workers, answer=lambda _: (1.0, 200, {}, b"")
    )
    run()
    assert rig.adapter.moments == [float(number // at_once) for number in range(6)]
    assert (injector.is_paced, watcher.missed_count, watcher.ends) == (False, 0, 1)


def test_a_load_from_lines(make_loaded):
    """The lines of an input are the messages, also where nothing else is said of a load."""
    rig, watcher, (_, run) = make_loaded(iter([b'{"n": 1}\n', b'{"n": 2}\n']))
    run()
    assert [request.body for request in rig.adapter.requests] == [b'{"n": 1}', b'{"n": 2}']
    assert {record.arrival.via for record in rig.sink.records} == {"input"}
    assert (watcher.lines, watcher.bad_lines, watcher.ends) == (2, [], 1)


def test_nothing_is_sent_before_the_load_runs(make_loaded):
    """The load starts when its function is called."""
    rig, _, _ = make_loaded(load={"rate": "4/s", "messages": 3})
    rig.time.pass_time(10.0)
    assert rig.adapter.requests == []
