"""Sessions of a load: what its users do, step after step, each of which is a message of its own.

To the rest of a topology such an injector makes one of its session's steps for each message, like a choice in which all
are equally likely: over whole sessions that is how often each is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from simulator.behaviour.distributions import NO_DELAY
from simulator.topology.model import Stage
from simulator.topology.places import Keys
from simulator.topology.steps import Alternative, Choose, Pause

SESSION: Keys = ("load", "session")
_CHOICE: Keys = ("calls", 0, "choose")


def with_session(stage: Stage) -> tuple[Stage, list[tuple[Keys, str]]]:
    """Return an injector with its session's steps as what it calls, and what is wrong with that."""
    steps = () if stage.load is None else stage.load.session
    if not steps:
        return stage, []
    calls = (Choose(choose=tuple(Alternative(step=step) for step in steps)),)
    problems: list[tuple[Keys, str]] = [
        ((*SESSION, index), "a session has no pauses: its users think between any two steps (`think`)")
        for index, step in enumerate(steps)
        if isinstance(step, Pause)
    ]
    if stage.calls and stage.calls != calls:
        problems.append((("calls",), "its users make the calls of their session: leave out calls"))
    return replace(stage, calls=calls), problems


def has_session(stage: Stage) -> bool:
    """Return whether what a stage calls are the steps of a session."""
    return stage.load is not None and bool(stage.load.session)


def as_written(keys: Keys, stages: dict[str, Stage]) -> Keys:
    """Return the place in a file of a place in the calls of a stage of a topology, which may be those of a session."""
    if keys[2:5] == _CHOICE and len(keys) > 5 and keys[1] in stages and has_session(stages[str(keys[1])]):
        return (*keys[:2], *SESSION, *keys[5:])
    return keys


def user_problems(stage: Stage) -> Iterator[tuple[Keys, str]]:
    """Yield what does not go with the users of a load."""
    if stage.load is None:
        return
    if stage.load.users is None:
        for key, is_given in (("session", stage.load.session), ("think", stage.load.think != NO_DELAY)):
            if is_given:
                yield ("load", key), "only users think and have sessions: write how many there are, as in users: 50"
        return
    if stage.input is not None:
        yield ("input",), "users make messages of their own: leave out input, or users"
    if stage.load.users > stage.workers:
        yield ("load", "users"), f"{stage.load.users} users need as many workers; this injector has {stage.workers}"
