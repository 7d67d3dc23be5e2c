"""What a stage knows of faults that keep its caller from getting an answer.

A caller whose try broke or timed out can't be told by an answer whether that was on purpose, so it asks the called
stage. That one knows of its own faults, and where the message has gone on from it, it asks there in turn.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATH = "/injected"
_MOST_REMEMBERED = 10_000

# The longest that an answer to such a question is waited for.
ASK_SECONDS = 5.0

# Asks the stage at a URL about a visit of a message there, and waits so many seconds for its answer.
Ask = Callable[[str, str, str, float], bool]


class Injections:
    """The visits of messages to this stage that a fault has struck, and where those under way have gone on to."""

    def __init__(self) -> None:
        self._struck: OrderedDict[tuple[str, str], None] = OrderedDict()
        # Counted, because a client may send a message twice under one id: what ends for one is still under way for
        # the other.
        self._under_way: dict[tuple[str, str], Counter[tuple[str, str]]] = {}

    def strike(self, message_id: str, visit: str) -> None:
        """Remember a visit that may end without an answer, on purpose."""
        self._struck[message_id, visit] = None
        if len(self._struck) > _MOST_REMEMBERED:
            self._struck.popitem(last=False)

    @contextmanager
    def under_way(self, message_id: str, visit: str, url: str, next_visit: str) -> Iterator[None]:
        """Know, in the body of the `with`, that a visit waits for another one, at `url`."""
        attempts = self._under_way.setdefault((message_id, visit), Counter())
        attempts[url, next_visit] += 1
        try:
            yield
        finally:
            attempts[url, next_visit] -= 1
            if not attempts[url, next_visit]:
                del attempts[url, next_visit]
            if not attempts:
                self._under_way.pop((message_id, visit), None)

    def is_on_purpose(self, message_id: str, visit: str, ask: Ask) -> bool:
        """Tell whether a fault, here or further down, keeps this visit from its answer."""
        if (message_id, visit) in self._struck:
            return True
        return any(
            ask(url, message_id, following, ASK_SECONDS)
            for url, following in tuple(self._under_way.get((message_id, visit), ()))
        )
