"""Write the README's tables of signals from the catalogue: `make tables`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from simulator.telemetry.catalogue.metrics import METRICS
from simulator.telemetry.catalogue.records import Metric

README = Path(__file__).resolve().parents[1] / "README.md"


def main() -> None:
    """Write the tables."""
    README.write_text(with_tables(README.read_text()))


def with_tables(text: str) -> str:
    """Return the README with every table as the catalogue says; raise LookupError if it has no place for one."""
    for name, table in TABLES.items():
        place = re.compile(rf"(<!-- the table of {name}, by `make tables` -->\n).*?(<!-- end -->)", re.DOTALL)
        if not place.search(text):
            raise LookupError(f"the README has no place for the table of {name}")
        text = place.sub(lambda found, table=table: f"{found[1]}{table()}{found[2]}", text)
    return text


def metrics_table() -> str:
    """Return the table of metrics."""
    return _table(("name", "kind", "labels", "meaning"), map(_metric_row, METRICS))


def _metric_row(metric: Metric) -> tuple[str, ...]:
    kind = f"{metric.kind}, exemplars" if metric.has_exemplars else str(metric.kind)
    return f"`{metric.exposed}`", kind, _names(metric.labels), f"{metric.help}{metric.note}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n" + "".join(_line(cells) for cells in lines) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    if set(cells) == {"---"}:
        return "|" + "|".join(cells) + "|\n"
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|\n"


TABLES: Mapping[str, Callable[[], str]] = {"metrics": metrics_table}

if __name__ == "__main__":
    main()
