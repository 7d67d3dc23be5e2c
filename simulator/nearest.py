"""What to say of a name that is not known: with the one that was probably meant, or with all that are allowed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable

from simulator.quoting import listed, quoted, shortened

_MAX_LOOKUPS = 50  # as many as there are problems shown
_EXTENSION = "x-"


def nearest(name: object, allowed: Collection[str]) -> str:
    """Return the allowed name that was probably meant, or how to write it; "" if none is near."""
    from simulator.likeness import likeliest  # noqa: PLC0415 - most processes meet no unknown name, and it takes memory

    return likeliest(name, allowed)


def did_you_mean(name: object, allowed: Collection[str]) -> str:
    """Return "did you mean `instances`?", or "" if no allowed name is near."""
    return asked_for([nearest(name, allowed)])


def asked_for(meant: Iterable[str]) -> str:
    """Return the question whether these names were meant; "" if there are none but empty ones."""
    shown = ", ".join(f"`{shortened(name)}`" for name in dict.fromkeys(meant) if name)
    return f"did you mean {shown}?" if shown else ""


def unknown_name(message: str, name: object, allowed: Iterable[str]) -> str:
    """Return the message about a name that is not known, with the nearest one, or if there is none with all."""
    known = list(allowed)
    hint = did_you_mean(name, known)
    return f"{message}; {hint}" if hint else f"{message}; there are {listed(known) or 'none'}"


def unknown_key(key: object, allowed: Iterable[str]) -> str:
    """Return what to say of a key that is not known, with the nearest one, or if there is none with all."""
    known = list(allowed)
    if hint := did_you_mean(key, known):
        return f"unknown key; {hint}"
    if isinstance(key, str) and key.startswith(_EXTENSION):
        return "unknown key; keys that begin with x- are ignored only at the top of the file"
    return f"unknown key; allowed are {', '.join(known)}"


def unknown_among(names: Collection[str]) -> Callable[[str, str], str]:
    """Return `unknown_name` for names of which there may be thousands, which are sorted, and compared to a few only."""
    known = functools.cache(lambda: listed(sorted(names)))
    lookups = iter(range(_MAX_LOOKUPS))

    def unknown(message: str, name: str) -> str:
        hint = did_you_mean(name, names) if next(lookups, None) is not None else ""
        return f"{message}; {hint or f'there are {known()}'}"

    return unknown


def unknown_choice(value: object, allowed: Iterable[str]) -> str:
    """Return what to say of a text that is not one of a few."""
    known = list(allowed)
    return "; ".join(filter(None, [f"{quoted(value)} is not one of {', '.join(known)}", did_you_mean(value, known)]))
