"""Input from the page, which may be of any type and length, whatever the page itself would send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Longer than any id, name or duration to search for.
MAX_SEARCH_CHARACTERS = 300
# Enough for a delay of many percentiles, or a list of faults.
MAX_SETTING_CHARACTERS = 4000
_MAX_ADDRESS_CHARACTERS = 8000


def text_of(value: object) -> str:
    """Return a text as it is, and "" for anything else."""
    return value if isinstance(value, str) else ""


def address_of(value: object) -> str:
    """Return part of an address, cut if it is longer than any of ours."""
    return text_of(value)[:_MAX_ADDRESS_CHARACTERS]


def mapping_of(value: object) -> Mapping[str, Any]:
    """Return an object as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def check_length(text: str, max_characters: int, what: str) -> None:
    """Raise ValueError for a text that is too long to process."""
    if len(text) > max_characters:
        raise ValueError(f"{what}: {len(text):,} characters; at most {max_characters:,} are read")
