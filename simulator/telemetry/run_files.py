"""The files of a run: logs, counts, and the topology and addresses that it uses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_PRIVATE = 0o600
# By this a run passes its console the token for the live controls: arguments are visible to everybody.
CONSOLE_TOKEN_VARIABLE = "SIMULATOR_CONSOLE_TOKEN"  # noqa: S105 - the name of a variable


@dataclass(frozen=True)
class RunFiles:
    """The files in the folder of one run; a label is a stage's name, or NAME.N for instance N of several."""

    path: Path

    @property
    def logs(self) -> Path:
        """Return the folder of the logs."""
        return self.path / "logs"

    @property
    def tallies(self) -> Path:
        """Return the folder of the counts."""
        return self.path / "tallies"

    @property
    def topology(self) -> Path:
        """Return the file with the topology as it is run, addresses and seed included."""
        return self.path / "topology.yaml"

    @property
    def report(self) -> Path:
        """Return the file for the report."""
        return self.path / "report.json"

    @property
    def page(self) -> Path:
        """Return the file for the page of the run, which people read."""
        return self.path / "report.html"

    @property
    def addresses(self) -> Path:
        """Return the file with the address of every process, {stage: [URL, ...]}."""
        return self.path / "addresses.json"

    @property
    def control_token(self) -> Path:
        """Return the file of the token that the run has made for /control of its stages."""
        return self.path / "control-token"

    @property
    def console_log(self) -> Path:
        """Return the file of the console's warnings and errors."""
        return self.path / "console.log"

    @property
    def console_tally(self) -> Path:
        """Return the file in which the console counts the spans that it is to forward, which exists if it does."""
        return self.path / "console.tally"

    @property
    def fork_server_log(self) -> Path:
        """Return the file of the warnings and errors of the process that forks the stages."""
        return self.path / "fork-server.log"

    @property
    def truth(self) -> Path:
        """Return the folder of the truth: its manifest and, once the run has ended, its tables."""
        return self.path / "truth"

    @property
    def truth_manifest(self) -> Path:
        """Return the file that says which version of the truth this is, of which run, and what of it is lost."""
        return self.truth / "manifest.json"

    @property
    def truth_rows(self) -> Path:
        """Return the folder of the rows of the truth as processes write them."""
        return self.truth / "rows"

    def truth_table(self, name: str) -> Path:
        """Return the file of a table of the truth."""
        return self.truth / f"{name}.parquet"

    def truth_rows_of(self, label: str) -> Path:
        """Return the file in which a process writes its rows of the truth."""
        return self.truth_rows / f"{label}.jsonl"

    @property
    def stack(self) -> Path:
        """Return the folder of the backends that are started beside the run."""
        return self.path / "stack"

    def log(self, label: str) -> Path:
        """Return a process's log, one JSON object a line."""
        return self.logs / f"{label}.jsonl"

    def errors(self, label: str) -> Path:
        """Return the file of what a process writes to standard error, which is empty if all is well."""
        return self.logs / f"{label}.stderr"

    def tally(self, label: str) -> Path:
        """Return the file in which a process counts."""
        return self.tallies / label


def older_log(path: Path) -> Path:
    """Return the file of the lines before those in a log, which exists once the log was full."""
    return path.with_name(f"{path.name}.1")


def labels(name: str, instances: int) -> list[str]:
    """Return the labels of a stage's processes."""
    return [name] if instances == 1 else [f"{name}.{number}" for number in range(1, instances + 1)]


def create_file(path: Path) -> BinaryIO:
    """Create an empty file that only its owner can read, whatever the umask is; do not follow a link.

    Raise OSError if that can't be done.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, _PRIVATE)
    os.fchmod(descriptor, _PRIVATE)
    return os.fdopen(descriptor, "wb")
