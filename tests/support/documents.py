"""Read rendered YAML. The loader in C takes a tenth of the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_document(text: str) -> Any:
    return yaml.load(text, _LOADER)


def read_documents(text: str) -> Iterator[Any]:
    yield from yaml.load_all(text, _LOADER)
