"""The configuration of a run: its topology as it was run, its seed, and the versions of what ran it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulator import __version__
from simulator.proof.report.section import Section, Table
from simulator.proof.truth.reading import Manifest

_MAX_CHARACTERS = 200_000


def configuration(topology: Path, report: Mapping[str, Any], manifest: Manifest | None) -> Section:
    """Return the section; `topology` is the file as it was run."""
    about = [
        ("topology", str(report["topology"])),
        ("seed", str(report["seed"])),
        ("time", "unknown" if manifest is None else "virtual" if manifest.is_virtual else "real"),
        ("simulator", str(report["program_version"])),
        ("this page", f"simulator {__version__}, Python {platform.python_version()}, {_system()}"),
    ]
    if manifest is not None:
        about.insert(3, ("started", _clock(manifest.started_unix_seconds)))
    return Section(
        name="configuration",
        title="Configuration",
        says=["The same topology and seed give each message the same delays, faults and choices."],
        tables=[Table(headings=("", ""), rows=about)],
        text=_text_of(topology),
    )


def _text_of(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"{path.name} can't be read: {error.strerror}"
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}\n... the rest is in {path.name}"


def _system() -> str:
    """Return the operating system; `platform.platform` would start a process to ask for more."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def _clock(unix_seconds: float) -> str:
    try:
        return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "-"
