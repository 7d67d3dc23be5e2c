"""The command `set`: change what a running stage does, or show it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import ConfigurationError, StartError
from simulator.local.current_runs import current_runs
from simulator.local.folder import DEFAULT_PARENT
from simulator.nearest import unknown_name
from simulator.net.remote import TokenRefused, exchange
from simulator.topology.changes import OPERATIONS, patch_of
from simulator.topology.variables import CONTROL_TOKEN_VARIABLE


@dataclass(frozen=True)
class Changed:
    """The settings of one instance after and before a change; `before` is None if nothing was to be changed."""

    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


@dataclass(frozen=True)
class _Found:
    """The addresses of a stage's instances, and the token of their run, None if it is not known."""

    addresses: Sequence[str]
    token: str | None


def change_stage(
    stage: str, changes: Sequence[str], url: str | None, run: Path | None, instance: int | None, token: str | None
) -> list[Changed]:
    """Make changes, written `KEY=VALUE`, in every instance of a stage, or one; return the settings of each then.

    `stage` may be one of its operations, as in cart.read. Without changes nothing is changed. The stage is found by its
    `url`, in the folder `run`, or in the current run.
    `token` is the user's; without one it is that of the run in which the stage is found.
    Raise ConfigurationError if a change is invalid, StartError if the stage can't be reached or refuses.
    """
    patch = patch_of(changes)
    found = _find(stage, url, run)
    addresses = found.addresses
    if instance is not None:
        if not 1 <= instance <= len(addresses):
            raise ConfigurationError.of(f"{stage} has instances 1 to {len(addresses)}", "flag --instance")
        addresses = addresses[instance - 1 : instance]
    states, failures = [], []
    for address in addresses:
        try:
            states.append(_change(address, stage, patch, token or found.token))
        except TokenRefused as error:
            failures.append(f"{error}; {_advice(token)}")
        except StartError as error:  # the others are changed even if one is gone
            failures.append(str(error))
    if failures:
        done = f"\nThe other {len(states)} of {len(addresses)} instances: done." if states else ""
        raise StartError("\n".join(failures) + done)
    return states


def _change(address: str, stage: str, patch: Mapping[str, Any], token: str | None) -> Changed:
    """Change the stage at an address, or its operation if `stage` is the name of one."""
    before = exchange(address, {}, token)
    operation = _operation_in(stage, before)
    if not patch:
        return Changed(None, before[OPERATIONS][operation] if operation else before)
    return Changed(before, exchange(address, {OPERATIONS: {operation: patch}} if operation else patch, token))


def _operation_in(name: str, settings: Mapping[str, Any]) -> str:
    """Return the operation in `cart.read` if these are the settings of `cart`; "" for a stage.

    Raise ConfigurationError if the stage has no such operation.
    """
    stage = f"{settings['stage']}."
    if not name.startswith(stage):
        return ""
    operation, operations = name.removeprefix(stage), settings.get(OPERATIONS) or {}
    if operation not in operations:
        said = f"{settings['stage']} has no operation {operation!r}"
        raise ConfigurationError.of(unknown_name(said, operation, operations) if operations else said)
    return operation


def _find(stage: str, url: str | None, run: Path | None) -> _Found:
    """Return where a stage is: at a URL, in the current run of a folder, or in any current run."""
    runs = current_runs(run)
    if url is not None:
        # To the run's own address: its token must not go to anything else that listens at that port of this machine.
        of_runs = ((one.address_at(url), one.token) for one in runs)
        return next((_Found([address], token) for address, token in of_runs if address), _Found([url], None))
    if not runs:
        raise StartError(_no_run(run or DEFAULT_PARENT))
    having, found = [one for one in runs if stage in one.addresses], stage
    if not having and "=" not in stage:
        found = stage.rpartition(".")[0]  # of one of its operations
        having = [one for one in runs if found in one.addresses]
    if not having:
        if hint := _apart(stage):
            raise ConfigurationError.of(f"no running stage is called {stage!r}; {hint}")
        names = sorted({name for one in runs for name in one.addresses})
        raise ConfigurationError.of(unknown_name(f"no running stage is called {stage!r}", stage, names))
    if len(having) > 1:
        folders = ", ".join(str(one.folder) for one in having)
        raise ConfigurationError.of(f"several runs have a stage {stage!r}; choose one with --run: {folders}")
    return _Found(having[0].addresses[found], having[0].token)


def _apart(stage: str) -> str:
    """Return how to write `cart.delay=1s`, as `--set` takes it; "" if that is not what was written."""
    place, separator, value = stage.partition("=")
    name, dot, key = place.partition(".")
    return f"write: set {name} {key}={value}" if separator and dot and name and key else ""


def _no_run(where: Path) -> str:
    if where.is_dir() and not os.access(where, os.R_OK | os.X_OK):
        return f"{where} can't be read: only the user who started a run may change its stages"
    return f"no run is active in {where}; start one, or say where the stage is with --url or --run"


def _advice(token: str | None) -> str:
    """Return what to do if a stage refuses the token of the environment, or another one, or none."""
    if token:
        return (
            f"{CONTROL_TOKEN_VARIABLE} is set to another one here: set it to the stage's, or unset it for a run's own"
        )
    return (
        "the run was started by another user or with a token of its own: "
        f"set {CONTROL_TOKEN_VARIABLE} to that, or name the folder of a run of yours with --run"
    )
