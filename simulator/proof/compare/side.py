"""One of the two runs: where it is, and what differs in the configuration of two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from simulator.errors import TruthError
from simulator.proof.truth.reading import Truth, open_truth
from simulator.topology.graph import operation_edges

_ASSIGNED = ("host", "port", "seed")  # the seed is told apart


def open_side(path: Path, anyway: bool) -> Truth:
    """Return the truth of the run in a folder, or beside its report.json. Raise TruthError if it can't be compared."""
    folder = path.parent if path.name == "report.json" else path
    truth = open_truth(folder)
    if not truth.is_complete and not anyway:
        truth.connection.close()
        ended = truth.manifest.ended_unix_seconds is not None
        why = "rows of its truth are missing" if ended else "the run was killed, so its truth ends in the middle"
        raise TruthError(f"{folder}: {why}; --anyway compares what there is")
    return truth


def check_same_system(one: Truth, other: Truth) -> None:
    """Raise TruthError if two runs are not of the same stages and calls."""
    pairs = [
        (side.topology.name, set(side.topology.stages), set(operation_edges(side.topology.stages)))
        for side in (one, other)
    ]
    if pairs[0] == pairs[1]:
        return
    names = sorted(set(pairs[0][1]) ^ set(pairs[1][1]))
    what = f": only one has {', '.join(names[:5])}" if names else ""
    raise TruthError(
        f"{one.files.path} ran {pairs[0][0]}, {other.files.path} ran {pairs[1][0]}, and they are different "
        f"systems{what}; --anyway compares what both have"
    )


def configuration_differences(one: Truth, other: Truth) -> list[str]:
    """Return a line for each key that differs, the seed among them."""
    before, after = (dict(_leaves(_document(side))) for side in (one, other))
    lines = [f"seed: {one.manifest.seed} -> {other.manifest.seed}"] if one.manifest.seed != other.manifest.seed else []
    if one.manifest.is_virtual != other.manifest.is_virtual:
        lines.append(f"time: {_time(one)} -> {_time(other)}")
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key, "default"), after.get(key, "default")
        if old != new:
            lines.append(f"{key}: {old} -> {new}")
    return lines


def _time(side: Truth) -> str:
    return "virtual" if side.manifest.is_virtual else "real"


def _document(side: Truth) -> Any:
    try:
        return yaml.safe_load(side.files.topology.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TruthError(f"{side.files.topology} can't be read: {error}") from None


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of a document with its place, `stages.cart.delay`."""
    if isinstance(value, Mapping):
        for key, inside in value.items():
            if key not in _ASSIGNED:
                yield from _leaves(inside, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for number, inside in enumerate(value):
            yield from _leaves(inside, f"{place}[{number}]")
    else:
        yield place, value
