"""What the catalogue says of an event of the log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LogKey:
    """A key of a line of the log, and the types that its value may have in JSON; an optional one may be absent."""

    name: str
    types: tuple[str, ...]
    is_optional: bool = False


@dataclass(frozen=True, kw_only=True)
class LogEvent:
    """An event of the log: it comes at one of these levels, and has these keys beside those of every line.

    `help` says when it is logged, `emitted` in which module.
    """

    name: str
    levels: tuple[str, ...]
    help: str
    keys: tuple[LogKey, ...] = ()
    emitted: str
