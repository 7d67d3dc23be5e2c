"""Spans and metrics of a stage have the locks of the operating system, and everything else has gevent's."""

from __future__ import annotations

import json

import pytest

from tests.support.python import python

pytestmark = pytest.mark.processes

CODE = """
from gevent import monkey
monkey.patch_all()
import json, threading
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry, Counter
from simulator.stage.plain_locks import use_plain_locks
use_plain_locks()
span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("one", attributes={"a": 1})
registry = CollectorRegistry()
counter = Counter("messages", "Messages.", registry=registry)
counter.inc()
span.set_attribute("b", 2)
span.end()
locks = (span._lock, span._attributes._lock, span._events._lock, registry._lock, counter._value._lock)
print(json.dumps([*[type(lock).__module__ for lock in locks], type(threading.Lock()).__module__]))
"""


def test_spans_and_metrics_have_plain_locks():
    """A lock that is never held while anything waits need not be gevent's, and the lock of a thread still is."""
    found = python(CODE)
    assert found.returncode == 0, found.stderr
    *plain, other = json.loads(found.stdout)
    assert plain == ["_thread"] * 5
    assert other.startswith("gevent")
