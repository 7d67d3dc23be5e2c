"""The manifest of a run's truth: which version it is, of which run, when it began and ended, and what of it is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulator.errors import ConfigurationError, StartError
from simulator.local.file_limits import DEFAULT_TRUTH_LIMIT_BYTES
from simulator.local.folder import write
from simulator.local.supervisor import Result
from simulator.telemetry.catalogue.truth import VERSION
from simulator.telemetry.run_files import RunFiles
from simulator.topology.model import Topology
from simulator.units import parse_size

_MIN_LIMIT_BYTES = 10**6


class TruthManifest:
    """The manifest of one run, written when the run begins and again when it has ended."""

    def __init__(self, files: RunFiles, topology: Topology, is_virtual: bool) -> None:
        self._files = files
        self._content: dict[str, Any] = {
            "version": VERSION,
            "topology": topology.name,
            "seed": topology.seed,
            "virtual": is_virtual,
            "started_unix_seconds": None,
            "ended_unix_seconds": None,
            "rows_lost": {},
            "torn_lines": 0,
        }

    def begin(self, started_unix_seconds: float) -> None:
        """Write it without an end, as it stays if the run is killed. Raise StartError if that can't be done."""
        self._content["started_unix_seconds"] = started_unix_seconds
        self._write()

    def end(self, ended_unix_seconds: float, result: Result) -> Result:
        """Write it with the end of the run, and what is missing by process.

        Return the result of the run, with a line more in what is unwritten if that can't be done.
        """
        self._content["ended_unix_seconds"] = ended_unix_seconds
        self._content["rows_lost"] = _lost(result.truth_rows_dropped, result.truth_rows_deleted)
        try:
            self._write()
        except StartError as error:
            return replace(result, unwritten=(*result.unwritten, str(error)))
        return result

    def _write(self) -> None:
        write(self._files.truth_manifest, json.dumps(self._content, indent=2) + "\n")


def truth_limit(text: str | None) -> int:
    """Return the bound of the truth's rows, in bytes. Raise ConfigurationError if it is invalid."""
    source = "--truth-limit or SIMULATOR_TRUTH_LIMIT"
    try:
        limit_bytes = DEFAULT_TRUTH_LIMIT_BYTES if text is None else parse_size(text)
    except ValueError as error:
        raise ConfigurationError.of(str(error), source) from None
    if limit_bytes < _MIN_LIMIT_BYTES:
        raise ConfigurationError.of(f"{text} is too little: write 1MB or more, or --no-truth", source)
    return limit_bytes


def _lost(*counts: Mapping[str, int]) -> dict[str, int]:
    labels = dict.fromkeys(label for count in counts for label in count)
    added = {label: sum(count.get(label, 0) for count in counts) for label in labels}
    return {label: count for label, count in added.items() if count}
