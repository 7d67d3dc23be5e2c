"""The command `set`: change what a running stage does, or show it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import ConfigurationError, Problem, StartError
from simulator.local.folder import DEFAULT_PARENT
from simulator.stage.remote import exchange, read_value


@dataclass(frozen=True)
class Changed:
    """What one instance does, and what it did before the change; `before` is None where nothing was to be changed."""

    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


def change_stage(
    stage: str, changes: Sequence[str], url: str | None, run: Path | None, instance: int | None, token: str | None
) -> list[Changed]:
    """Make changes, written `KEY=VALUE`, in every instance of a stage, or one; give what each of them does then.

    Without changes nothing is changed. The stage is found by its `url`, in the folder `run`, or in the run that is on.
    Raise ConfigurationError where a change can't be, StartError where the stage can't be reached or refuses.
    """
    patch = read_changes(changes)
    addresses = [url] if url is not None else _addresses(stage, run)
    if instance is not None:
        if not 1 <= instance <= len(addresses):
            raise ConfigurationError.of(f"{stage} has instances 1 to {len(addresses)}", "flag --instance")
        addresses = addresses[instance - 1 : instance]
    states, failures = [], []
    for address in addresses:
        try:
            before = exchange(address, {}, token) if patch else None
            states.append(Changed(before, exchange(address, patch, token)))
        except StartError as error:  # one that is gone does not keep the others as they were
            failures.append(str(error))
    if failures:
        done = f"\nThe other {len(states)} of {len(addresses)} instances: done." if states else ""
        raise StartError("\n".join(failures) + done)
    return states


def read_changes(changes: Sequence[str]) -> dict[str, Any]:
    """Turn `delay=constant(1s)`, `load.rate=50/s` or `calls.audit.timeout=1s` into an object for /control.

    A value that is empty sets a key back to its default. Raise ConfigurationError for what is no change.
    """
    patch: dict[str, Any] = {}
    problems = []
    for text in changes:
        place, separator, value = text.partition("=")
        keys = [key.strip() for key in place.split(".")]
        if not separator or not all(keys) or len(keys) > 3:
            example = "delay='constant(1s)' or calls.audit.timeout=1s"
            problems.append(Problem(f"{text!r} must be KEY=VALUE, as in {example}"))
            continue
        keys[-1] = keys[-1].replace("-", "_")
        if not _put(patch, keys, read_value(keys[-1], value.strip())):
            problems.append(Problem(f"{text!r} contradicts another change"))
    if problems:
        raise ConfigurationError(problems)
    return patch


def _put(patch: dict[str, Any], keys: Sequence[str], value: Any) -> bool:
    """Put a value at its place; False where another one is in the way."""
    target = patch
    for key in keys[:-1]:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            return False
    if isinstance(target.get(keys[-1]), dict):
        return False
    target[keys[-1]] = value
    return True


def _addresses(stage: str, run: Path | None) -> list[str]:
    found = list(_running([run] if run is not None else sorted(DEFAULT_PARENT.glob("*"))))
    if not found:
        where = run or DEFAULT_PARENT
        raise StartError(f"no run goes on in {where}; start one, or say where the stage is with --url or --run")
    having = [(folder, addresses) for folder, addresses in found if stage in addresses]
    if not having:
        names = ", ".join(sorted({name for _, addresses in found for name in addresses}))
        raise ConfigurationError.of(f"no running stage is called {stage!r}; there are {names}")
    if len(having) > 1:
        folders = ", ".join(str(folder) for folder, _ in having)
        raise ConfigurationError.of(f"several runs have a stage {stage!r}; choose one with --run: {folders}")
    return list(having[0][1][stage])


def _running(folders: Sequence[Path]) -> Iterator[tuple[Path, Mapping[str, list[str]]]]:
    """Give the folders of runs that go on, with the addresses of their stages."""
    for folder in folders:
        try:
            lock = os.open(folder / ".lock", os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            try:
                yield folder, json.loads((folder / "addresses.json").read_text())
            except (OSError, ValueError):
                continue  # it is only just starting
        finally:
            os.close(lock)
