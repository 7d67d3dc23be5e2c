"""A stage without a network: its handling, with downstreams, an output and sinks of the test's own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from io import BytesIO

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from simulator.engine.attempts import Attempts
from simulator.engine.capacity import Capacity
from simulator.engine.handling import Handling
from simulator.engine.sender import Sender
from simulator.telemetry.record import TraceIds
from simulator.topology.model import Stage
from simulator.topology.structure import structure
from tests.support.fake_time import FakeTime

TRACE = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "03", True)


class RecordingSink:
    """A sink that remembers its calls."""

    def __init__(self):
        self.arrivals, self.faults, self.started, self.attempts, self.calls, self.records = [], [], [], [], [], []

    def received(self, arrival):
        self.arrivals.append(arrival)

    def injected(self, arrival, fault):
        self.faults.append((arrival.message_id, fault))

    def sending(self, downstream, operation=""):
        self.started.append(downstream)

    def attempted(self, arrival, downstream, attempt, retry_in_seconds, operation=""):
        self.attempts.append((downstream, attempt, retry_in_seconds))

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
        """Return the stages that were sent to, in order."""
        return [requests.utils.urlparse(request.url).hostname for request in self.requests]

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
        self.requests.append(request)
        self.moments.append(self.time.seconds)
        self.timeouts.append(timeout[1])
        *seconds, status, headers, body = self.answer(request)
        for wait in seconds:
            self.time.pass_time(wait)
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


class FakeTracing:
    """Spans that are remembered: their names, and how the calls in them ended."""

    def __init__(self, ids):
        self._ids, self.names, self.ended = ids, [], []

    def ids(self, message_id, visit):
        return self._ids()

    @contextlib.contextmanager
    def accepted(self):
        self.names.append("accepted")
        yield

    @contextlib.contextmanager
    def calling(self, downstream):
        self.names.append(f"call {downstream}")
        yield self.ended.append


class FakeExchange:
    """An exchange without a client: `answers` are those that were given, and when.

    `leaving(answer)` is what happens while an answer leaves; it may return when it left.
    """

    waited_seconds = 0.0

    def __init__(self, read, release=lambda: None, leaving=lambda answer: None):
        self.read, self.release, self._leaving = read, release, leaving
        self.answers, self.withheld = [], 0

    def withhold(self):
        self.withheld += 1

    def answer(self, answer):
        self.answers.append(answer)
        return self._leaving(answer)


class Work:
    """What a fault held or computed; what is held is known while somebody keeps it."""

    def __init__(self, time):
        self._time = time
        self.burnt, self.held, self.holding = [], [], 0

    def compute(self, seconds):
        self.burnt.append(seconds)
        self._time.pass_time(seconds)

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
    """An output that remembers, or raises `error`."""

    messages: list[tuple[bytes, str]] = field(default_factory=list)
    error: Exception | None = None

    def write(self, body, content_type):
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
    time: FakeTime
    sink: RecordingSink
    adapter: Answering
    kept: Kept
    work: Work
    tracing: FakeTracing
    ejections: list[tuple[str, str, bool]]

    def handle(self, message):
        """Handle a message and return its record. Raise the error that it is answered with."""
        record = self.handling.handle(message)
        for answer in getattr(message.exchange, "answers", ()):
            if answer.error is not None:
                raise answer.error
        return record

    @property
    def sleeps(self):
        """Return what was slept."""
        return self.time.sleeps

    @property
    def record(self):
        """Return the record of the last message."""
        return self.sink.records[-1]

    @property
    def tried(self):
        """Return (number, outcome, code) of each attempt, in the order in which they were told."""
        return [(attempt.number, attempt.outcome, attempt.code) for _, attempt, _ in self.sink.attempts]


@contextlib.contextmanager
def worker(capacity):
    """Hold a worker; return how long it was waited for."""
    with capacity.ticket() as ticket:
        ticket.take()
        yield ticket.wait()


def model_of(delay, faults, calls, plain):
    """Make the model of a stage; `faults` and `calls` are written as in a file."""
    role = "processor" if calls else "terminator"
    values = {"role": role, "faults": list(faults), **({"calls": list(calls)} if calls else {}), **plain}
    if isinstance(delay, str):
        values["delay"] = delay
    stage, problems = structure(values, Stage)
    assert problems == []
    return stage if isinstance(delay, str) else replace(stage, delay=delay)


def urls_of(name, count):
    """Return the URLs of a stage: of one instance its name, of more their ports too."""
    return tuple(f"http://{name}:{8080 + number}/messages" for number in range(count))
