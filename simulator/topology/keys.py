"""What a field of the model says about its key in a file: a sentence, an example, and whether it can change live."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_METADATA = "simulator.key"
_UNIT_SUFFIX = re.compile(r"_(seconds|per_second|bytes|ratio)$")
_OTHER_KEYS = {"request_size": "request_bytes", "response_size": "response_bytes", "max_instances": "most_instances"}


@dataclass(frozen=True, slots=True)
class About:
    """A key: what it means, in one sentence, and an example.

    `live` means that it can be changed while a stage runs, `flag` that the process of a single stage has it too: as a
    flag, a variable and a name in `instance/config.py`. For these a `note` is added to the sentence.
    """

    sentence: str
    example: str = ""
    live: bool = False
    flag: bool = False
    note: str = ""


def key(
    sentence: str, example: str = "", *, live: bool = False, flag: bool = False, note: str = ""
) -> Mapping[str, About]:
    """Return the metadata of a field that has a key in a file."""
    return {_METADATA: About(sentence, example, live, flag, note)}


def about(metadata: Mapping[str, object]) -> About | None:
    """Return what a field's metadata says about its key; None if it has none."""
    found = metadata.get(_METADATA)
    return found if isinstance(found, About) else None


def key_of(field_name: str) -> str:
    """Return a field's key in a file: for nearly all its name without the unit."""
    return _OTHER_KEYS.get(field_name) or _UNIT_SUFFIX.sub("", field_name)
