"""What a field of the model says about its key in a file: a sentence, an example, and whether it can change live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_METADATA = "simulator.key"


@dataclass(frozen=True, slots=True)
class About:
    """A key: what it means, in one sentence, and an example; `live` means that it can be changed while a stage runs."""

    sentence: str
    example: str = ""
    live: bool = False


def key(sentence: str, example: str = "", *, live: bool = False) -> Mapping[str, About]:
    """Return the metadata of a field that has a key in a file."""
    return {_METADATA: About(sentence, example, live)}


def about(metadata: Mapping[str, object]) -> About | None:
    """Return what a field's metadata says about its key; None if it has none."""
    found = metadata.get(_METADATA)
    return found if isinstance(found, About) else None
