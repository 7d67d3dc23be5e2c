"""The input of an injector as a file."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from simulator.errors import StartError


def open_lines(path: str) -> BinaryIO:
    """Open a file of lines. Raise StartError if that can't be done."""
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise StartError(f"the input file {path} can't be read: {error.strerror}") from None
