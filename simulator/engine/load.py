"""The load of an injector, from its model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from simulator.engine.drafts import InputListener, from_lines, generated
from simulator.engine.handling import Handling
from simulator.engine.injector import Injector, ScheduleListener
from simulator.engine.made_bodies import drawn_fields, drawn_lines
from simulator.engine.runtime import Runtime
from simulator.engine.tracing import Tracing
from simulator.engine.users import Users
from simulator.telemetry.record import Via
from simulator.topology.load import Load
from simulator.topology.model import Role


class LoadListener(InputListener, ScheduleListener, Protocol):
    """Listen to both the input and the schedule."""


def make_load(
    handling: Handling,
    runtime: Runtime,
    listener: LoadListener,
    tracing: Tracing,
    lines: Iterator[bytes] | None,
    pool: Iterable[bytes] = (),
) -> tuple[Injector, Callable[[], None]] | None:
    """Return the injector of a stage and the function that runs its load; None for a stage without a load.

    `lines` are those of its input; None means that messages are generated. `pool` has the lines of the file from which
    messages are drawn. Raise StartError if that is not possible.
    """
    identity, stage = handling.behaviour.identity, handling.behaviour.model
    if stage.role is not Role.INJECTOR or (stage.load is None and lines is None):
        return None
    load = stage.load or Load()
    via = Via.SCHEDULE if lines is None else Via.INPUT
    if load.messages_from is None:
        bodies = drawn_fields(identity, load.message)
    else:
        bodies = drawn_lines(identity, load.messages_from, pool, load.kinds, stage.max_body_bytes)
    injector = Injector(identity, runtime, listener, tracing, handling.handle, via, bodies)

    def run() -> None:
        if lines is None:
            drafts = generated(load.messages)
        else:
            drafts = from_lines(lines, listener, stage.on_bad_line, stage.max_body_bytes, load.messages)
        schedule = load.schedule
        if load.users is not None:
            users = Users(identity, runtime, load.think, len(load.session) or 1, load.messages)
            injector.run_users(users, load.users)
        elif schedule is None:
            injector.run_closed(drafts, min(load.concurrency, stage.workers))
        else:
            injector.run_paced(drafts, schedule, 0 if lines is not None else _number_of(load))

    return injector, run


def _number_of(load: Load) -> float:
    return math.inf if load.messages is None else load.messages
