"""Reading the truth of a run, whether it is Parquet already or still the rows that the stages wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import SimulatorError, TruthError
from simulator.extras import how_to_install
from simulator.proof.truth.sql import ROWS, literal_path, select_parquet, select_rows, select_table
from simulator.telemetry.catalogue.truth import TABLES, VERSION
from simulator.telemetry.run_files import RunFiles
from simulator.topology.reader import read_topology

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    from simulator.topology.model import Topology


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is known of a truth as a whole. Times are in seconds since 1970, in virtual time those of its clock.

    `ended_unix_seconds` of None means that the run was killed. `rows_lost` are those that are missing, by process, and
    `torn_lines` those that were cut off, as the last one of a stage that was killed.
    """

    topology: str
    seed: int
    is_virtual: bool
    started_unix_seconds: float
    ended_unix_seconds: float | None
    rows_lost: Mapping[str, int]
    torn_lines: int


class Truth:
    """The truth of one run, as tables of a DuckDB connection: `catalogue/truth.py` says what is in them.

    Use it as a context manager.
    """

    def __init__(self, files: RunFiles, manifest: Manifest, connection: duckdb.DuckDBPyConnection) -> None:
        self.files = files
        self.manifest = manifest
        self.connection = connection

    def __enter__(self) -> Truth:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    @cached_property
    def topology(self) -> Topology:
        """Return the topology as it was run, with its seed. Raise TruthError if it can't be read."""
        try:
            return read_topology(self.files.topology)
        except SimulatorError as error:
            raise TruthError(f"the topology of the run can't be read: {error}") from None

    @property
    def is_complete(self) -> bool:
        """Return whether the run has ended by itself, and no row is missing."""
        known = self.manifest
        return known.ended_unix_seconds is not None and not known.rows_lost and not known.torn_lines

    def columns(self, query: str, parameters: Sequence[object] | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Return the columns of a query by name, all of the same length.

        A number that is null is NaN, also where the others are integers, and a text that is null is None.
        """
        found = self.connection.execute(query, parameters or []).fetchnumpy()
        return {name: _plain(values) for name, values in found.items()}

    def rows(self, query: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query, null as None."""
        return self.connection.execute(query, parameters or []).fetchall()

    def value(self, query: str, parameters: Sequence[object] | None = None) -> Any:
        """Return the only value of a query of one row and one column."""
        [[value]] = self.rows(query, parameters)
        return value


def open_truth(run_folder: Path) -> Truth:
    """Return the truth in the folder of a run. Raise TruthError if there is none, or it can't be read."""
    files = RunFiles(run_folder)
    manifest = _manifest(files)
    duckdb = import_duckdb()
    connection = connect()
    try:
        if all(files.truth_table(table.name).exists() for table in TABLES):
            _read_tables(connection, files)
        else:
            manifest = replace(manifest, torn_lines=read_rows(connection, files))
    except duckdb.Error as error:
        connection.close()
        raise TruthError(f"the truth in {files.truth} can't be read: {error}") from None
    except TruthError:
        connection.close()
        raise
    return Truth(files, manifest, connection)


def _read_tables(connection: duckdb.DuckDBPyConnection, files: RunFiles) -> None:
    for table in TABLES:
        path = files.truth_table(table.name)
        present = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({literal_path(path)})").fetchall()
        query = select_parquet(table, path, (row[0] for row in present))
        connection.execute(f"CREATE VIEW {table.name} AS {query}")


def read_rows(connection: duckdb.DuckDBPyConnection, files: RunFiles) -> int:
    """Make the tables from the rows that the stages have written, and return how many lines were torn.

    Raise TruthError if there are no files of rows.
    """
    found = sorted(path for pattern in ("*.jsonl", "*.jsonl.1") for path in files.truth_rows.glob(pattern))
    if not found:
        raise TruthError(f"there is no truth in {files.truth}: neither tables nor rows")
    connection.execute(f"CREATE TABLE {ROWS} AS {select_rows(found)}")
    for table in TABLES:
        connection.execute(f"CREATE VIEW {table.name} AS {select_table(table)}")
    [[torn]] = connection.execute(f"SELECT count(*) FROM {ROWS} WHERE kind IS NULL").fetchall()
    return int(torn)


def import_duckdb() -> Any:
    """Return DuckDB. Raise TruthError that says how to install it."""
    try:
        import duckdb  # noqa: PLC0415 - only what judges a run needs it
    except ImportError:
        raise TruthError(f"reading the truth of a run needs DuckDB: {how_to_install('proof')}") from None
    return duckdb


def connect() -> duckdb.DuckDBPyConnection:
    """Return a connection to an empty database in memory, which loads nothing from anywhere."""
    connection: duckdb.DuckDBPyConnection = import_duckdb().connect()
    connection.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
    return connection


def _manifest(files: RunFiles) -> Manifest:
    path = files.truth_manifest
    try:
        content = json.loads(path.read_bytes())
        version = content["version"]
    except FileNotFoundError:
        raise TruthError(
            f"there is no truth in {files.path}: not the folder of a run, or one with --no-truth"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TruthError(f"{path} can't be read: {error}") from None
    if version != VERSION:
        raise TruthError(f"{path}: this program knows version {VERSION} of the truth, not {version}")
    try:
        return Manifest(
            topology=content["topology"],
            seed=content["seed"],
            is_virtual=content["virtual"],
            started_unix_seconds=content["started_unix_seconds"],
            ended_unix_seconds=content["ended_unix_seconds"],
            rows_lost=content["rows_lost"],
            torn_lines=content["torn_lines"],
        )
    except KeyError as error:
        raise TruthError(f"{path} can't be read: it lacks {error}") from None


def _plain(values: Any) -> Any:
    import numpy as np  # noqa: PLC0415 - only what judges a run needs it

    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.is_masked(values):
        return values.data
    null: Any = np.nan if values.dtype.kind in "iuf" else None
    return np.where(values.mask, null, values.data)
