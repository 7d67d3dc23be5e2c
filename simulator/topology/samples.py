"""Files that a topology names and that are read with it: of `samples(FILE)`, and of `replay(FILE)`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from simulator import units
from simulator.behaviour.distributions import ReadSamples
from simulator.behaviour.profiles.recording import ReadRecording, Recording, no_recording, read_recording
from simulator.topology.text_files import read_text, text_lines

Read = TypeVar("Read")


@dataclass(frozen=True, eq=False)
class FileReader:
    """Read the files that a topology names: as a function, those of samples; `recording`, those of arrivals."""

    samples: ReadSamples
    recording: ReadRecording

    def __call__(self, path: str) -> tuple[str, Sequence[float]]:
        """Return a file's whole path and its samples, one duration per line."""
        return self.samples(path)


def samples_beside(folder: Path) -> FileReader:
    """Return the reader of the files that a topology names; a relative path starts at `folder`."""
    return FileReader(_beside(folder, _read_samples), _beside(folder, _read_recording))


def recordings_of(read_samples: ReadSamples) -> ReadRecording:
    """Return the function that reads recorded arrivals; one that refuses them if only samples can be read."""
    return read_samples.recording if isinstance(read_samples, FileReader) else no_recording


def _beside(folder: Path, read: Callable[[Path], Read]) -> Callable[[str], tuple[str, Read]]:
    """Return a function that reads a file by its path, once; what it raised it raises again."""

    @functools.lru_cache(maxsize=8)
    def outcome(path: str) -> tuple[str, Read] | OSError | ValueError:
        whole = (folder / path).resolve()
        try:
            return str(whole), read(whole)
        except (OSError, ValueError) as error:
            return error

    def read_beside(path: str) -> tuple[str, Read]:
        result = outcome(path)
        if isinstance(result, OSError | ValueError):
            raise result.with_traceback(None)
        return result

    return read_beside


def _read_samples(path: Path) -> Sequence[float]:
    return tuple(_samples(read_text(path)))


def _read_recording(path: Path) -> Recording:
    return read_recording(text_lines(path))


def _samples(text: str) -> Iterator[float]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.strip():
                yield units.parse_duration(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
