"""The current runs: where their stages are, and the token for changing them."""

from __future__ import annotations

import fcntl
import json
import os
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.local.control_token import read_control_token
from simulator.local.folder import DEFAULT_PARENT
from simulator.net.loopback import is_loopback
from simulator.telemetry.run_files import RunFiles

_LOCALHOST = ("localhost", "localhost.")
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
_HTTP_PORT = 80


@dataclass(frozen=True)
class CurrentRun:
    """A current run, with the addresses of its stages' instances; `token` is None if it has made none."""

    folder: Path
    addresses: Mapping[str, Sequence[str]]
    token: str | None

    def address_at(self, url: str) -> str | None:
        """Return the address of the instance that a URL leads to; None if that is not an instance of this run."""
        wanted = _place(url)
        every = [address for addresses in self.addresses.values() for address in addresses]
        return next((address for address in every if wanted is not None and _is_at(wanted, address)), None)


def current_runs(folder: Path | None) -> list[CurrentRun]:
    """Return the current run in a folder; for None, all current runs in the default folder."""
    return list(_active([folder] if folder is not None else sorted(DEFAULT_PARENT.glob("*"))))


def _active(folders: Sequence[Path]) -> Iterator[CurrentRun]:
    for folder in folders:
        try:
            lock = os.open(folder / ".lock", os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            files = RunFiles(folder)
            try:
                yield CurrentRun(folder, json.loads(files.addresses.read_text()), read_control_token(files))
            except (OSError, ValueError):
                continue  # it is only just starting
        finally:
            os.close(lock)


def _place(url: str) -> tuple[str, int] | None:
    try:
        parts = urllib.parse.urlsplit(url)
        return (parts.hostname or "", parts.port or _HTTP_PORT) if parts.scheme == "http" else None
    except ValueError:
        return None


def _is_at(wanted: tuple[str, int], address: str) -> bool:
    """Return whether an address is the wanted host and port, whatever name this machine has in both."""
    there = _place(address)
    if there is None or there[1] != wanted[1]:
        return False
    if wanted[0] in _LOCALHOST:
        return is_loopback(there[0]) or there[0] in _EVERY_ADDRESS
    return there[0] == wanted[0] or (there[0] in _EVERY_ADDRESS and is_loopback(wanted[0]))
