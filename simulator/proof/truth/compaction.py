"""Making the rows of a run's truth into tables in Parquet, which take a tenth of the room."""

from __future__ import annotations

import contextlib
import itertools
import json
from pathlib import Path

from simulator.errors import TruthError
from simulator.proof.truth.reading import connect, import_duckdb, read_rows
from simulator.telemetry.catalogue.truth import TABLES
from simulator.telemetry.run_files import RunFiles


def compact(files: RunFiles) -> None:
    """Write the tables of a run that has ended, and delete the rows that they were made from.

    Raise TruthError if that can't be done; the rows are still there then, and are what is read.
    """
    duckdb = import_duckdb()
    connection = connect()
    written: list[tuple[Path, Path]] = []
    try:
        torn_lines = read_rows(connection, files)
        for table in TABLES:
            path = files.truth_table(table.name)
            unfinished = path.with_suffix(".unfinished")
            written.append((unfinished, path))
            connection.sql(f"FROM {table.name}").write_parquet(str(unfinished), compression="zstd")
        for unfinished, path in written:
            unfinished.chmod(0o600)
            unfinished.rename(path)
    except (OSError, duckdb.Error) as error:
        for path in itertools.chain.from_iterable(written):
            with contextlib.suppress(OSError):
                path.unlink()
        raise TruthError(f"the truth in {files.truth} can't be made into tables: {error}") from None
    finally:
        connection.close()
    _record(files, torn_lines)
    for pattern in ("*.jsonl", "*.jsonl.1"):
        for rows in files.truth_rows.glob(pattern):
            rows.unlink()


def _record(files: RunFiles, torn_lines: int) -> None:
    """Record in the manifest how many lines were torn, which the tables no longer show."""
    content = json.loads(files.truth_manifest.read_bytes())
    if torn_lines:
        files.truth_manifest.write_text(json.dumps({**content, "torn_lines": torn_lines}, indent=2) + "\n")
