"""The files that a stage has read already: a change of it reads them no second time, wherever it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from simulator.behaviour.distributions import ReadSamples
from simulator.behaviour.empirical import Samples
from simulator.behaviour.profiles.replay import Replay
from simulator.topology.model import Stage
from simulator.topology.samples import FileReader, recordings_of


def knowing_files(stage: Stage, read_samples: ReadSamples) -> ReadSamples:
    """Return a reader that knows what a stage has read, and reads the rest with `read_samples`."""
    found = list(_read_in(stage))
    samples = {one.path: one.sorted_seconds for one in found if isinstance(one, Samples)}
    recordings = {one.path: one.recording for one in found if isinstance(one, Replay)}
    if not found:
        return read_samples
    read_recording = recordings_of(read_samples)
    return FileReader(
        lambda path: (path, samples[path]) if path in samples else read_samples(path),
        lambda path: (path, recordings[path]) if path in recordings else read_recording(path),
    )


def _read_in(value: Any) -> Iterator[Samples | Replay]:
    if isinstance(value, Samples | Replay):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from _read_in(inner)
    elif isinstance(value, Mapping):
        yield from _read_in(tuple(value.values()))
    elif is_dataclass(value):
        for field in fields(value):
            yield from _read_in(getattr(value, field.name))
