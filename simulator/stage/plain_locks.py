"""The locks of libraries that guard a few statements: those of the operating system, not gevent's.

gevent replaces locks so that a greenlet that waits for one lets the others run. Those of spans and metrics are never
held while anything waits, and a message takes many of them: gevent's take twice as long, and ten times to make.
"""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import opentelemetry.attributes
import opentelemetry.sdk.trace
import opentelemetry.sdk.util
import prometheus_client.metrics
import prometheus_client.registry
import prometheus_client.values
from gevent import monkey

_BY_MODULE = (opentelemetry.attributes, opentelemetry.sdk.trace, opentelemetry.sdk.util)
_BY_NAME = (prometheus_client.metrics, prometheus_client.registry, prometheus_client.values)


def use_plain_locks() -> None:
    """Let spans and metrics that are made from now on have plain locks. Meant for the entry of a process."""
    lock = monkey.get_original("threading", "Lock")
    for module in _BY_MODULE:
        _replace(module, "threading", _Threading(lock))
    for module in _BY_NAME:
        _replace(module, "Lock", lock)


def _replace(module: ModuleType, name: str, value: Any) -> None:
    """Replace a name in a module if it is there; a version that has it no more does without."""
    if hasattr(module, name):
        setattr(module, name, value)


class _Threading(ModuleType):
    """The module `threading` with another lock."""

    def __init__(self, lock: Any) -> None:
        super().__init__("threading")
        self.Lock = lock

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)
