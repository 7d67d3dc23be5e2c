"""Files of samples, which the delay `samples(FILE)` draws from."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from simulator import units
from simulator.behaviour.distributions import ReadSamples
from simulator.topology.text_files import read_text


def samples_beside(folder: Path) -> ReadSamples:
    """Return the function that reads a file of samples, one duration per line; a relative path starts at `folder`."""

    @functools.lru_cache(maxsize=8)
    def outcome(path: str) -> tuple[str, Sequence[float]] | OSError | ValueError:
        whole = (folder / path).resolve()
        try:
            return str(whole), tuple(_samples(read_text(whole)))
        except (OSError, ValueError) as error:
            return error

    def read(path: str) -> tuple[str, Sequence[float]]:
        result = outcome(path)
        if isinstance(result, OSError | ValueError):
            raise result.with_traceback(None)
        return result

    return read


def _samples(text: str) -> Iterator[float]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.strip():
                yield units.parse_duration(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
