"""When a run is expected to end, as far as its loads and its command line say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from simulator.topology.load import Load
from simulator.topology.model import Role, Stage


def expected_end_seconds(stages: Mapping[str, Stage], duration_seconds: float | None) -> float | None:
    """Return after how many seconds the last message of a run is expected to be due; None if nobody knows.

    A run ends when every load has ended, or when its own duration is over. How long a closed loop or an input takes
    depends on the answers.
    """
    injectors = [stage for stage in stages.values() if stage.role is Role.INJECTOR]
    ends = list(_ends(injectors))
    known = max(ends) if ends and len(ends) == len(injectors) else math.inf
    seconds = min(known, math.inf if duration_seconds is None else duration_seconds)
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _ends(injectors: Iterable[Stage]) -> Iterable[float]:
    return [_end_of(stage.load) for stage in injectors if stage.input is None and stage.load is not None]


def _end_of(load: Load) -> float:
    schedule = load.schedule
    if schedule is None:
        return math.inf
    profile = schedule.profile
    if load.messages is None or load.messages > profile.messages:
        return profile.duration_seconds
    return profile.time_of(float(load.messages)) if load.messages else 0.0
