"""What to write in place of values that are often written otherwise: with the error, an example that would do."""

from __future__ import annotations

import re
from typing import Any

from simulator.quoting import quoted, shortened

_NO_STAGES = "there must be at least one stage under the key `stages`"
_MAPPINGS = {
    "Load": "{rate: 20/s}",
    "Slo": "{latency: 300ms@99%, errors: 0.1%}",
    "Expectation": "{sampling: 10%, keep: [errors]}",
    "Stage": "{workers: 8, calls: []}",
    "Call": "{to: parse, timeout: 1s}",
}
_DIGITS = re.compile(r"[0-9]{1,9}")
_RANGE = re.compile(r"([0-9]{1,9})\s*(?:-|to|,)\s*([0-9]{1,9})")


def no_stages(stages: Any) -> str:
    """Return what is wrong with the value of `stages`, which is not a mapping, or an empty one."""
    if not stages:
        return _NO_STAGES
    first = stages[0] if isinstance(stages, list) else None
    name = first.get("name") if isinstance(first, dict) else first
    if not isinstance(name, str):
        return f"must be a mapping, as in {{cart: {{workers: 8}}}}, not {quoted(stages)}"
    shown = shortened(name)
    written = f"name: {shown}" if isinstance(first, dict) else shown
    return f"must be a mapping of names, not a list: write `{shown}: {{...}}` in place of `- {written}`"


def no_mapping(value: Any, record: str, hint: str = "") -> str:
    """Return what is wrong with a value in place of the mapping of a record: with a hint, or an example."""
    example = f": write {_MAPPINGS[record]}" if record in _MAPPINGS else ""
    return f"must be a mapping of keys to values, not {quoted(value)}{hint or example}"


def no_whole_number(value: Any) -> str:
    """Return what is wrong with a value in place of a whole number."""
    hint = ""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        hint = ": leave out the quotes"
    elif isinstance(value, str) and (bounds := _RANGE.fullmatch(value)):
        hint = f": a range of instances is {bounds[1]}..{bounds[2]}"
    return f"{quoted(value)} is not a whole number{hint}"
