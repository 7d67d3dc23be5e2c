"""How many examples a property is tried on, where the usual number is not the right one."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

_USUAL = 100


def examples(count: int, **more: Any) -> settings:
    """Return settings for so many examples in `make test`, and for their share where the profile has fewer."""
    return settings(max_examples=max(1, count * settings().max_examples // _USUAL), **more)
