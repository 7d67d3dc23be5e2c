"""What the catalogue says of a table of the truth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ColumnType(StrEnum):
    """The type of a column, with the name that it has in DuckDB and in most other engines."""

    TEXT = "VARCHAR"
    REAL = "DOUBLE"
    INTEGER = "BIGINT"
    FLAG = "BOOLEAN"
    TEXTS = "VARCHAR[]"
    JSON = "JSON"


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthColumn:
    """A column, with a sentence about it without its full stop; a value that a row leaves out is `default`.

    `default` of None means null, "{}" an empty JSON object.
    """

    name: str
    type: ColumnType
    help: str
    default: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthTable:
    """A table: the help says what a row is. Its rows are written inside of those of `inside`, under its name.

    `inherited` are the names of the columns that such a row has from the one that it is inside of. A table that is
    inside of nothing has rows of its own, which say so by `kind`.
    """

    name: str
    help: str
    columns: tuple[TruthColumn, ...]
    kind: str = ""
    inside: str = ""
    inherited: tuple[str, ...] = ()

    @property
    def own_columns(self) -> tuple[TruthColumn, ...]:
        """Return the columns that are written in its rows."""
        return tuple(column for column in self.columns if column.name not in self.inherited)
