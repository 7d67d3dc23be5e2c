"""When a message was due to start, as each stage tells the next one: X-Simulator-Due.

The value has four parts: `1732500000.25;81234.5;1f0c9a52;0.75`

1. the due time in Unix seconds, for people, logs and files;
2. the same instant on the sender's monotonic clock, in seconds;
3. a hash that says whose clock that is: all processes of one Linux host share it until the host restarts;
4. the seconds that had passed at sending, measured by the monotonic clocks of all hops so far.

If sender and receiver share a monotonic clock, a duration is the difference of its readings. Otherwise it is what had
passed at sending plus the time on the way, for which wall clocks are used only if they do not contradict that. So no
jump of a wall clock, and no skew between hosts, makes a duration negative or far too long. A contradictory value has no
duration at all: it is counted as implausible, and not observed.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

from simulator.engine.message import Due

# A message of a stage may have been in flight for as long as the longest delay. One that says so without proof of its
# age must not.
MAX_AGE_SECONDS = 7 * 24 * 3600.0
MAX_UNPROVEN_AGE_SECONDS = 3600.0
# How long the way from one host to the next takes at most, including differences of their wall clocks.
_MAX_WAY_SECONDS = 10.0
# Readings are rounded when they are written.
_ROUNDING_SECONDS = 1e-5
_PARTS = 4


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What the stages of a run share: `secret`, "" if there is none, and the id of the clock that this one reads."""

    secret: str = ""
    clock_id: str = ""


def clock_id() -> str:
    """Return a hash that identifies the monotonic clock of this process; "" if that can't be known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = Path("/proc/self/ns/time").readlink()
    except OSError:
        return ""
    return hashlib.blake2b(f"{boot}{namespace}".encode(), digest_size=4).hexdigest()


def due_text(due: Due, clock: str, now: float) -> str:
    """Return the header; `now` is monotonic."""
    if due.at is None:
        return repr(due.unix_seconds)
    return f"{due.unix_seconds:.6f};{due.at:.6f};{clock};{now - due.at:.6f}"


def read_due(text: str | None, clock: str, now: float, now_unix_seconds: float) -> Due:
    """Return what the header says; `now` is monotonic. Without one, the message starts now."""
    if text is None:
        return Due(now_unix_seconds, now)
    parts = text.split(";")
    try:
        unix_seconds = float(parts[0])
        at, age = (float(parts[1]), float(parts[3])) if len(parts) == _PARTS else (math.nan, math.nan)
    except ValueError:
        return Due(now_unix_seconds, now)
    if not math.isfinite(unix_seconds):
        return Due(now_unix_seconds, now)
    elapsed = _elapsed(now - at if len(parts) == _PARTS and clock and parts[2] == clock else math.nan, age)
    if elapsed is None:
        elapsed = _by_wall_clocks(now_unix_seconds - unix_seconds, age)
    return Due(unix_seconds, None if elapsed is None else now - elapsed)


def _elapsed(by_shared_clock: float, age: float) -> float | None:
    """Return what has passed by the clock that sender and receiver share; None if that can't be true."""
    if age - _ROUNDING_SECONDS <= by_shared_clock <= MAX_AGE_SECONDS and age >= -_ROUNDING_SECONDS:
        return max(0.0, by_shared_clock)
    return None


def _by_wall_clocks(difference: float, age: float) -> float | None:
    """Return what has passed, as far as wall clocks and the age at sending agree; None if they can't be true."""
    if math.isnan(age):
        return difference if 0.0 <= difference <= MAX_UNPROVEN_AGE_SECONDS else None
    if not 0.0 <= age <= MAX_AGE_SECONDS:
        return None
    return difference if age <= difference <= age + _MAX_WAY_SECONDS else age
