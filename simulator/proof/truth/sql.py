"""The SQL by which DuckDB reads the tables of the truth, made from their catalogue."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

from simulator.telemetry.catalogue.truth import TABLES
from simulator.telemetry.catalogue.truth_records import ColumnType, TruthColumn, TruthTable

ROWS = "truth_rows"
_GLOB_CHARACTERS = "*?["


def select_rows(files: Iterable[Path]) -> str:
    """Return the query for all rows in files of JSON Lines; a line that is not JSON is a row without a `kind`."""
    names = ", ".join(literal_path(path) for path in files)
    columns = ", ".join(f"{name}: {_literal(kind)}" for name, kind in _row_columns().items())
    return (
        f"SELECT * FROM read_json([{names}], format='newline_delimited', columns={{{columns}}}, "
        "ignore_errors=true, maximum_object_size=268435456)"
    )


def select_table(table: TruthTable) -> str:
    """Return the query for a table of the rows in the table ROWS."""
    chain = _chain(table)
    outermost = chain[0]
    steps = [f"FROM {ROWS} AS {outermost.name}_row"]
    steps += [
        f"CROSS JOIN unnest({_member(outer, inner.name)}) AS {inner.name}_unnested({inner.name}_row)"
        for outer, inner in itertools.pairwise(chain)
    ]
    columns = ", ".join(f"{_value(column, chain)} AS {column.name}" for column in table.columns)
    return f"SELECT {columns} {' '.join(steps)} WHERE {outermost.name}_row.kind = {_literal(outermost.kind)}"


def select_parquet(table: TruthTable, path: Path, present: Iterable[str]) -> str:
    """Return the query for a table in a file that has the columns `present`; an earlier program knew fewer of them."""
    there = set(present)
    columns = (
        column.name if column.name in there else f"{_default(column)} AS {column.name}" for column in table.columns
    )
    return f"SELECT {', '.join(columns)} FROM read_parquet({literal_path(path)})"


def literal_path(path: Path) -> str:
    """Return a path as a literal that stands for itself, although DuckDB expands patterns."""
    return _literal("".join(f"[{char}]" if char in _GLOB_CHARACTERS else char for char in str(path)))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _chain(table: TruthTable) -> list[TruthTable]:
    """Return the tables from the one with rows of its own to this one, each inside of the one before."""
    chain = [table]
    while chain[0].inside:
        chain.insert(0, next(outer for outer in TABLES if outer.name == chain[0].inside))
    return chain


def _row_columns() -> dict[str, str]:
    """Return the columns of a row of any kind, with their types."""
    columns = {"kind": "VARCHAR"}
    for table in TABLES:
        if not table.inside:
            columns |= {column.name: str(column.type) for column in table.own_columns}
            columns |= _nested(table)
    return columns


def _nested(table: TruthTable) -> dict[str, str]:
    return {inner.name: f"{_struct(inner)}[]" for inner in TABLES if inner.inside == table.name}


def _struct(table: TruthTable) -> str:
    members = {column.name: str(column.type) for column in table.own_columns} | _nested(table)
    return f"STRUCT({', '.join(f'{name} {kind}' for name, kind in members.items())})"


def _value(column: TruthColumn, chain: list[TruthTable]) -> str:
    """Return the value of a column, from the innermost row that has it; what a row leaves out is its default."""
    holder = next(table for table in reversed(chain) if any(own.name == column.name for own in table.own_columns))
    member = _member(holder, column.name)
    return member if column.default is None else f"coalesce({member}, {_default(column)})"


def _member(table: TruthTable, name: str) -> str:
    return f"{table.name}_row.{name}"


def _default(column: TruthColumn) -> str:
    if column.default is None:
        return f"CAST(NULL AS {column.type})"
    if column.type is ColumnType.TEXTS:
        return "CAST([] AS VARCHAR[])"
    text = str(column.default).lower() if column.type is ColumnType.FLAG else str(column.default)
    return f"CAST({_literal(text)} AS {column.type})"
