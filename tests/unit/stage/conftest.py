"""A stage without a network: its time, its tasks, its downstreams, its keeper and its sinks are the test's own.

Every fixture gives a function that makes things anew, and holds nothing itself.
"""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import greenlet
import pytest
import requests
from prometheus_client import CollectorRegistry
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from simulator.behaviour.distributions import Constant
from simulator.stage.app import Front, create_app
from simulator.stage.attempts import Attempts
from simulator.stage.calls import Calls
from simulator.stage.capacity import Capacity
from simulator.stage.downstream import Sender, TooSlow
from simulator.stage.handling import Behaviour, Handling, World
from simulator.stage.injections import Injections
from simulator.stage.message import Message
from simulator.stage.tasks import Abandoned
from simulator.telemetry.metrics import Metrics
from simulator.telemetry.observe import Observer
from simulator.telemetry.record import OUTSIDE, Clock, TraceIds, Via
from simulator.topology.graph import calls_of
from simulator.topology.model import Stage
from simulator.topology.settings import Downstream
from simulator.topology.structure import structure

UNIX_START = 1_700_000_000
TRACE = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "03", True)
LONG_SECONDS = 20.0


class FakeTime:
    """Time that passes only when somebody sleeps, or the test says so.

    It runs tasks as well, one at a time: whoever waits lets the others run, and when all wait the clock jumps to the
    first who waits for a point in time.
    """

    def __init__(self):
        self.seconds = 0.0
        self.clock = Clock(lambda: self.seconds, lambda: UNIX_START * 10**9 + round(self.seconds * 1e9))
        self._waiting, self._limits = [], {}
        self._hub = greenlet.greenlet(self._run)

    def advance(self, seconds):
        self.seconds += seconds

    def sleep(self, seconds):
        if not self._waiting and greenlet.getcurrent() not in self._limits:
            self.advance(seconds)
            return
        end, limit = self.seconds + seconds, self._limits.get(greenlet.getcurrent(), float("inf"))
        self._wait(lambda: False, min(end, limit))
        if end > limit:
            raise TooSlow

    @contextlib.contextmanager
    def limit(self, seconds):
        """Raise TooSlow in the body of the `with` when the time is up."""
        self._limits[greenlet.getcurrent()] = self.seconds + seconds
        try:
            yield
        finally:
            del self._limits[greenlet.getcurrent()]

    def start(self, function):
        task = FakeTask(self, function)
        task.greenlet.parent = self._hub
        self._waiting.insert(0, _Waiter(task.greenlet, lambda: True, None))
        self._wait(lambda: True, None)
        return task

    def wait_for_one(self, tasks, timeout_seconds):
        end = None if timeout_seconds is None else self.seconds + timeout_seconds
        self._wait(lambda: any(task.done for task in tasks), end)

    def strike(self, struck, reason):
        """Raise `reason` where a greenlet waits."""
        next(waiter for waiter in self._waiting if waiter.greenlet is struck).reason = reason

    def _wait(self, is_over, end):
        waiter = _Waiter(greenlet.getcurrent(), is_over, end)
        self._waiting.append(waiter)
        self._hub.switch()
        if waiter.reason is not None:
            raise waiter.reason

    def _run(self):
        while True:
            self._next().greenlet.switch()

    def _next(self):
        chosen = next((waiter for waiter in self._waiting if waiter.reason or waiter.is_over()), None)
        if chosen is None:
            timed = [waiter for waiter in self._waiting if waiter.end is not None]
            assert timed, "everybody waits for something that will not come"
            chosen = min(timed, key=lambda waiter: waiter.end)
            self.seconds = max(self.seconds, chosen.end)
        self._waiting.remove(chosen)
        return chosen


@dataclass(eq=False)
class _Waiter:
    greenlet: Any
    is_over: Any
    end: float | None
    reason: BaseException | None = None


class FakeTask:
    """A function that runs in fake time."""

    def __init__(self, time, function):
        context = contextvars.copy_context()
        self._time, self._value, self._error, self.done = time, None, None, False
        self.greenlet = greenlet.greenlet(lambda: self._run(context, function))

    def _run(self, context, function):
        try:
            self._value = context.run(function)
        except greenlet.GreenletExit:
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever asks for the result
            self._error = error
        self.done = True

    def result(self):
        if not self.done:
            self._time.wait_for_one([self], None)
        if self._error is not None:
            raise self._error
        return self._value

    def abandon(self):
        if not self.done:
            self._time.strike(self.greenlet, Abandoned())
            self._time.wait_for_one([self], None)


class Hearer:
    """A sink that remembers what it was told."""

    def __init__(self):
        self.arrivals, self.faults, self.begun, self.tries, self.calls, self.records = [], [], [], [], [], []

    def received(self, arrival):
        self.arrivals.append(arrival)

    def injected(self, arrival, fault):
        self.faults.append((arrival.message_id, fault))

    def sending(self, downstream):
        self.begun.append(downstream)

    def attempted(self, arrival, downstream, attempt, retry_in_seconds):
        self.tries.append((downstream, attempt, retry_in_seconds))

    def sent(self, arrival, call):
        self.calls.append(call)

    def handled(self, record):
        self.records.append(record)


class Answering(BaseAdapter):
    """The stages downstream, in this process.

    `answer(request)` gives (status, headers, body), with the seconds that it takes in front where it takes any, or
    raises. `moments` are the times at which the requests came, `timeouts` how long their answers are waited for.
    """

    def __init__(self, answer, time):
        super().__init__()
        self.answer, self.time = answer, time
        self.requests, self.moments, self.timeouts = [], [], []

    @property
    def names(self):
        """Give the stages that were sent to, in order."""
        return [requests.utils.urlparse(request.url).hostname for request in self.requests]

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
        self.requests.append(request)
        self.moments.append(self.time.seconds)
        self.timeouts.append(timeout[1])
        *seconds, status, headers, body = self.answer(request)
        for wait in seconds:
            self.time.sleep(wait)
        if isinstance(status, Exception):
            raise status
        response = requests.Response()
        response.status_code, response.request, response.url = status, request, request.url
        response.headers = CaseInsensitiveDict(headers)
        response.raw = HTTPResponse(BytesIO(body), headers, status, preload_content=False)
        return response

    def close(self):
        pass


def fine(_):
    """Answer as a stage that took the message."""
    return 200, {"Content-Type": "application/json"}, b"{}"


class FakeSpan:
    """A span that remembers what was said of it."""

    def __init__(self, name):
        self.name, self.attributes, self.status = name, {}, None

    def set_attributes(self, attributes):
        self.attributes.update(attributes)

    def set_status(self, status, description=None):
        self.status = (status, description)


class Work:
    """What a fault held or computed; what is held is known while somebody keeps it."""

    def __init__(self, time):
        self._time = time
        self.burnt, self.held, self.holding = [], [], 0

    def burn(self, seconds):
        self.burnt.append(seconds)
        self._time.sleep(seconds)

    def hold(self, size):
        self.held.append(size)
        return _Held(self, size)


class _Held:
    def __init__(self, work, size):
        self._work, self._size = work, size
        work.holding += size

    def __del__(self):
        self._work.holding -= self._size


@dataclass
class Kept:
    """A keeper that remembers, or raises `error`."""

    messages: list[tuple[bytes, str]] = field(default_factory=list)
    error: Exception | None = None

    def keep(self, body, content_type):
        if self.error is not None:
            raise self.error
        self.messages.append((body, content_type))

    def close(self):
        pass


@dataclass
class Rig:
    """A stage's handling and all that it was given."""

    handling: Handling
    capacity: Capacity
    attempts: Attempts
    sender: Sender
    injections: Injections
    time: FakeTime
    hearer: Hearer
    adapter: Answering
    kept: Kept
    work: Work
    sleeps: list[float]
    spans: list[FakeSpan]
    ejections: list[tuple[str, str, bool]]

    def handle(self, message):
        """Handle a message and give its record."""
        return self.handling.handle(message).record

    @property
    def record(self):
        """Give the record of the last message."""
        return self.hearer.records[-1]

    @property
    def tried(self):
        """Give (number, outcome, code) of each try, in the order in which they were told."""
        return [(attempt.number, attempt.outcome, attempt.code) for _, attempt, _ in self.hearer.tries]


def model_of(delay, faults, calls, plain):
    """Make the model of a stage; `faults` and `calls` are written as in a file."""
    role = "processor" if calls else "terminator"
    values = {"role": role, "faults": list(faults), **({"calls": list(calls)} if calls else {}), **plain}
    if isinstance(delay, str):
        values["delay"] = delay
    stage, problems = structure(values, Stage)
    assert problems == []
    return stage if isinstance(delay, str) else replace(stage, delay=delay)


@pytest.fixture(scope="session")
def make_stage():
    """Give a function that makes a stage; whatever is not said is as simple as it can be.

    `instances` says of how many instances a downstream is; whatever else is given is a key of the stage.
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
        tasks=None,
        **plain,
    ):
        time, hearer, kept, sleeps, spans, ejections = FakeTime(), Hearer(), Kept(), [], [], []
        adapter, work, injections = Answering(answer, time), Work(time), Injections()

        def pass_time(seconds):
            sleeps.append(seconds)
            if sleep is None:
                time.sleep(seconds)
            else:
                sleep(time, seconds)

        @contextlib.contextmanager
        def inner_span(name):
            spans.append(FakeSpan(name))
            yield spans[-1]

        model = model_of(delay, faults, calls, {"workers": workers, "queue": queue, **plain})
        names = dict.fromkeys(call.to for _, call in calls_of(model))
        capacity = Capacity(workers, queue, time.clock.monotonic)
        sender = Sender(
            stage,
            [Downstream(name, urls_of(name, (instances or {}).get(name, 1))) for name in names],
            4,
            time.clock.monotonic,
            time.limit,
            adapter,
            injections,
            lambda *ejection: ejections.append(ejection),
        )
        runs = tasks or time
        attempts = Attempts(sender, runs, time.clock.monotonic, pass_time)
        handling = Handling(
            Behaviour(stage, seed, model, instance),
            capacity,
            Calls(attempts, runs, time.clock.monotonic, inner_span),
            kept,
            Observer([hearer, *sinks], time.clock),
            injections,
            World(time.clock, pass_time, work.burn, work.hold, current_trace, inner_span, runs),
        )
        return Rig(
            handling,
            capacity,
            attempts,
            sender,
            injections,
            time,
            hearer,
            adapter,
            kept,
            work,
            sleeps,
            spans,
            ejections,
        )

    return make


def urls_of(name, count):
    """Give the URLs of a stage: of one instance its name, of more their ports too."""
    return tuple(f"http://{name}:{8080 + number}/messages" for number in range(count))


@pytest.fixture(scope="session")
def make_message():
    """Give a function that makes a message."""

    def make(body=b'{"n": 1}', content_type="application/json", **changes):
        values = {
            "message_id": "m-1",
            "visit": "0",
            "caller": OUTSIDE,
            "via": Via.HTTP,
            "content_type": content_type,
            "body_bytes": len(body),
            "due_unix_seconds": UNIX_START - 0.5,
            "read": lambda: body,
        }
        return Message(**{**values, **changes})

    return make


@dataclass
class Web:
    """A stage's application with a client for it."""

    rig: Rig
    app: Any
    client: Any
    registry: CollectorRegistry
    draining: list[bool]


@pytest.fixture(scope="session")
def make_web(make_stage):
    """Give a function that makes the application of a stage called `parse`, that `injector` may call."""

    def make(max_body_bytes=1024, path="/messages", **stage):
        rig = make_stage(**stage)
        registry, numbers, draining = CollectorRegistry(), itertools.count(1), [False]
        metrics = Metrics(registry, "parse", "processor", path, rig.time.clock, ())
        front = Front(
            stage="parse",
            path=path,
            max_body_bytes=max_body_bytes,
            callers=frozenset({"injector"}),
            handling=rig.handling,
            metrics=metrics,
            clock=rig.time.clock,
            new_message_id=lambda: f"made-{next(numbers)}",
            current_trace=lambda: TRACE,
            sleep=rig.time.sleep,
            draining=lambda: draining[0],
        )
        app = create_app(front)
        return Web(rig, app, app.test_client(), registry, draining)

    return make


@dataclass
class Misbehaving:
    """A server on 127.0.0.1; `accepted` holds its connections in the order in which they came."""

    port: int
    accepted: list[socket.socket] = field(default_factory=list)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/messages"

    def downstream(self, is_stage=False):
        return Downstream("enrich", (self.url,), is_stage)


@pytest.fixture(scope="session")
def serve():
    """Give a context manager: a server that does with each connection, in a thread, what it is told to."""

    @contextlib.contextmanager
    def serving(behave):
        listener = socket.create_server(("127.0.0.1", 0))
        server, threads = Misbehaving(listener.getsockname()[1]), []

        def treat(connection):
            with contextlib.suppress(OSError):
                behave(connection)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    server.accepted.append(connection)
                    threads.append(threading.Thread(target=treat, args=(connection,)))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            acceptor.join(LONG_SECONDS)
            for connection in server.accepted:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(LONG_SECONDS)
                assert not thread.is_alive()
            for connection in server.accepted:
                connection.close()

    return serving


@pytest.fixture(scope="session")
def wait_for():
    """Give a function that waits until a condition holds."""

    def wait(check):
        deadline = time.monotonic() + LONG_SECONDS
        while not check():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.0005)

    return wait
