"""What holds for unit tests: they start no processes, but for those that say so; and stages without a network.

The time, tasks, downstreams, outputs and sinks of such stages are the test's own.

Every fixture returns a function that makes new things, and holds nothing itself.
"""

from __future__ import annotations

import sys
import time

import pytest

from simulator.behaviour.distributions import Constant
from simulator.engine.attempts import Attempts
from simulator.engine.calls import Calls
from simulator.engine.capacity import Capacity
from simulator.engine.handling import Handling
from simulator.engine.identity import Identity
from simulator.engine.injection import Behaviour
from simulator.engine.message import Due, Message
from simulator.engine.sender import Sender
from simulator.stage.http_wire import HttpWire, addresses_of
from simulator.telemetry.observe import Observer
from simulator.telemetry.record import OUTSIDE, Via
from simulator.topology.graph import calls_of
from simulator.topology.settings import Downstream
from tests.support.fake_time import UNIX_START, FakeTime
from tests.support.stage_rig import (
    TRACE,
    Answering,
    FakeExchange,
    FakeTracing,
    Kept,
    RecordingSink,
    Rig,
    Work,
    fine,
    model_of,
    urls_of,
)

LONG_SECONDS = 20.0
_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "pty.spawn"}
_started: list[str] = []


def _watch(event: str, _: object) -> None:
    if event in _STARTS:
        _started.append(event)


sys.addaudithook(_watch)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Forget what was started before this test and its fixtures."""
    _started.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail a test that starts a process without the mark by which `make check` leaves it out."""
    result = yield
    if _started and item.get_closest_marker("processes") is None:
        pytest.fail(f"it starts a process ({_started[0]}): mark it with @pytest.mark.processes")
    return result


@pytest.fixture(scope="session")
def make_stage():
    """Return a function that makes a stage; whatever is not said is as simple as it can be.

    `instances` says of how many instances a downstream is, `time` may be that of another stage; whatever else is given
    is a key of the stage.
    """

    def make(
        stage="parse",
        seed=7,
        delay=Constant(0.0),  # noqa: B008 - it is frozen
        faults=(),
        calls=(),
        answer=fine,
        workers=8,
        queue=8,
        sinks=(),
        sleep=None,
        current_trace=lambda: TRACE,
        instance=1,
        instances=None,
        calls_stages=False,
        time=None,
        **plain,
    ):
        time, sink, kept, ejections = time or FakeTime(sleep), RecordingSink(), Kept(), []
        adapter, work, tracing = Answering(answer, time), Work(time), FakeTracing(current_trace)
        model = model_of(delay, faults, calls, {"workers": workers, "queue": queue, **plain})
        names = dict.fromkeys(call.to for _, call in calls_of(model))
        capacity = Capacity(workers, queue, time)
        downstreams = [Downstream(name, urls_of(name, (instances or {}).get(name, 1)), calls_stages) for name in names]
        wire = HttpWire(stage, downstreams, adapter, time.now, time.time_limit)
        sender = Sender(addresses_of(downstreams), wire, time.now, lambda *ejection: ejections.append(ejection))
        attempts = Attempts(sender, time)
        handling = Handling(
            Behaviour(Identity(stage=stage, seed=seed, instance=instance), model),
            time,
            Observer([sink, *sinks], time),
            tracing,
            capacity=capacity,
            calls=Calls(attempts, time, tracing),
            output=kept,
            machine=work,
        )
        return Rig(handling, capacity, attempts, sender, time, sink, adapter, kept, work, tracing, ejections)

    return make


@pytest.fixture(scope="session")
def make_message():
    """Return a function that makes a message."""

    def make(
        body=b'{"n": 1}',
        content_type="application/json",
        read=None,
        release=lambda: None,
        leaving=lambda answer: None,
        **changes,
    ):
        values = {
            "message_id": "m-1",
            "visit": "0",
            "caller": OUTSIDE,
            "via": Via.HTTP,
            "content_type": content_type,
            "body_bytes": len(body),
            "due": Due(UNIX_START - 0.5, -0.5),
            "exchange": FakeExchange(read or (lambda: body), release, leaving),
        }
        return Message(**{**values, **changes})

    return make


@pytest.fixture(scope="session")
def wait_for():
    """Return a function that waits until a condition holds."""

    def wait(check):
        deadline = time.monotonic() + LONG_SECONDS
        while not check():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.0005)

    return wait
