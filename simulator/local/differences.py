"""What a change did: the keys of a stage whose values differ from before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from simulator.topology.changes import differing

_ABSENT = object()


def describe_change(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what a change did to the process called `name`: a line for each key, or one that nothing changed."""
    return [
        f"{name}: {line}" for line in differences(before, after) or ["nothing changed: it had these values already"]
    ]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return a line for each key, `load.rate: 20/s -> 100/s`, whose value differs; "default" if it has none."""
    return [f"{key}: {_shown(old)} -> {_shown(new)}" for key, old, new in differing(before, after, _ABSENT)]


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "default"
    return value if isinstance(value, str) else json.dumps(value)
