"""What a run has left behind, for its promises to be judged by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from simulator.proof.promises.draws import Draws
from simulator.proof.promises.signal_files import MetricPoint, SpanRow, read_points, read_spans
from simulator.proof.truth.reading import Truth
from simulator.topology.graph import label
from simulator.topology.model import Operation, Topology


@dataclass(frozen=True)
class Evidence:
    """The truth of a run, its logs, its report, and its telemetry as files; `telemetry` of None means there is none."""

    truth: Truth
    telemetry: Path | None = None

    @property
    def topology(self) -> Topology:
        """Return the topology as it was run."""
        return self.truth.topology

    @property
    def is_virtual(self) -> bool:
        """Return whether the run was in virtual time."""
        return self.truth.manifest.is_virtual

    @property
    def is_exact_in_time(self) -> bool:
        """Return whether times are those of a clock without a machine, so that nothing is late."""
        return self.truth.manifest.is_virtual

    def draws(self, stage: str) -> Draws:
        """Return the draws of a stage."""
        return Draws(self.truth.manifest.seed, stage)

    def operations(self) -> Iterator[tuple[str, str, Operation]]:
        """Yield each operation of the stages that were started: its stage, its name, and what it is."""
        for name, stage in self.topology.stages.items():
            if name in self.started:
                yield from ((name, operation, made) for operation, made in stage.all_operations.items())

    @cached_property
    def started(self) -> frozenset[str]:
        """Return the stages that the run has started; in virtual time those are all."""
        return frozenset(self.topology.stages if self.is_virtual else self.topology.started)

    @cached_property
    def gap(self) -> str:
        """Return why counts can't be compared: what is missing of the run; "" if nothing is."""
        known = self.truth.manifest
        if known.ended_unix_seconds is None:
            return "the run was killed"
        if known.rows_lost:
            return f"{sum(known.rows_lost.values()):,} rows of the truth are missing"
        if known.torn_lines:
            return f"{known.torn_lines:,} rows of the truth are torn"
        ended = [
            f"{line['stage']} {line['ended']}"
            for line in self.report.get("ledger", {}).get("stages", ())
            if line["ended"]
        ]
        return f"a stage ended early: {ended[0]}" if ended else ""

    @cached_property
    def changed(self) -> frozenset[str]:
        """Return the stages that were changed while they ran."""
        query = "SELECT DISTINCT stage FROM log_lines WHERE event = 'control.changed'"
        return frozenset(name for (name,) in self.log_rows(query))

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """Return the report of the run; empty if it has none."""
        try:
            found = json.loads(self.truth.files.report.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def spans(self) -> tuple[SpanRow, ...]:
        """Return every span in the files of the run's telemetry."""
        return () if self.telemetry is None else tuple(read_spans(self.telemetry))

    @cached_property
    def points(self) -> tuple[MetricPoint, ...]:
        """Return what every series in the files of the run's telemetry has counted."""
        return () if self.telemetry is None else tuple(read_points(self.telemetry))

    def log_rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on `log_lines`: stage, event and the whole `line`."""
        if not self._has_logs:
            return []
        return self.truth.rows(query)

    @cached_property
    def _has_logs(self) -> bool:
        files = self.truth.files
        paths = sorted(str(path) for pattern in ("*.jsonl", "*.jsonl.1") for path in files.logs.glob(pattern))
        if not any(Path(path).stat().st_size for path in paths):
            return False
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        self.truth.connection.execute(
            "CREATE TABLE log_lines AS SELECT line ->> 'stage' AS stage, line ->> 'event' AS event, line FROM "
            f"read_json([{listed}], format = 'newline_delimited', records = false, columns = {{line: 'JSON'}}, "
            "ignore_errors = true)"
        )
        return True


def subject_of(stage: str, operation: str) -> str:
    """Return an operation as a topology names it."""
    return label((stage, operation))
