"""Real threads beside gevent, for libraries that wait in ways of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent


def in_thread(function: Callable[[], Any]) -> Any:
    """Call a function in a real thread, and return its result, or raise its exception, while other greenlets work."""
    return gevent.get_hub().threadpool.apply(function)
