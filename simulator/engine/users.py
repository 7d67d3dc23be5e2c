"""A closed model: users who wait for each answer, think, and make the next step of their session."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from simulator.behaviour.distributions import Delay
from simulator.behaviour.draws import FIRST_VISIT
from simulator.engine.drafts import Draft
from simulator.engine.identity import Identity
from simulator.engine.runtime import Runtime
from simulator.units import MAX_DURATION_SECONDS

# Called with a draft and when it was due; returns when it is answered, and whether there may be another.
SendWhenDue = Callable[[Draft, float], bool]


class Users:
    """The users of a load.

    Each begins by thinking, so that they do not all come at once, and thinks again before each of the `steps` of its
    session, which begins again when it is over. What user 3 does as its 7th message is drawn by these two numbers,
    whatever the others do meanwhile. `messages` of None means no end.
    """

    def __init__(
        self, identity: Identity, runtime: Runtime, think: Delay, steps: int, messages: int | None = None
    ) -> None:
        self._identity = identity
        self._runtime = runtime
        self._think = think
        self._steps = steps
        self._left: Iterator[int] = itertools.count() if messages is None else iter(range(messages))

    def run(self, count: int, send: SendWhenDue) -> None:
        """Run `count` users until no further message is to be sent."""
        tasks = [self._runtime.spawn(lambda user=user: self._live(user, send)) for user in range(1, count + 1)]  # type: ignore[misc]
        for task in tasks:
            task.result()

    def _live(self, user: int, send: SendWhenDue) -> None:
        for number in itertools.count(1):
            due_at = self._runtime.now() + self._thinking_seconds(user, number)
            if next(self._left, None) is None:
                return
            if not send(Draft(number, b"", user=user, turn=(number - 1) % self._steps), due_at):
                return

    def _thinking_seconds(self, user: int, number: int) -> float:
        u = self._identity.draw(f"user {user}", FIRST_VISIT, f"think {number}")
        return min(self._think.quantile(u), MAX_DURATION_SECONDS)
