"""Write the documents' tables of signals and keys from their catalogues: `make tables`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from simulator.commands.variable_catalogue import COMMAND_VARIABLES
from simulator.proof.promises.every import PROMISES
from simulator.telemetry.catalogue import events
from simulator.telemetry.catalogue.attributes import ATTRIBUTES
from simulator.telemetry.catalogue.convention import Convention
from simulator.telemetry.catalogue.event_records import LogEvent
from simulator.telemetry.catalogue.metric_records import Metric
from simulator.telemetry.catalogue.metrics import METRICS
from simulator.telemetry.catalogue.span_records import Attribute, Span, SpanKind
from simulator.telemetry.catalogue.spans import SPANS
from simulator.telemetry.catalogue.truth import TABLES as TRUTH_TABLES
from simulator.telemetry.catalogue.truth_records import TruthTable
from simulator.telemetry.catalogue.unused_variables import UNUSED
from simulator.telemetry.catalogue.variable_records import Variable, WrongValue
from simulator.telemetry.catalogue.variables import VARIABLES
from simulator.topology.catalogue import PLACES, Key, all_keys, flags, keys_of
from simulator.topology.model import Operation
from simulator.topology.variables import ENVIRONMENT_PREFIX

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write the tables."""
    for page, text in pages_with_tables(pages()).items():
        page.write_text(text)


def pages() -> dict[Path, str]:
    """Return the text of the README and of each page in docs/."""
    return {page: page.read_text() for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}


def pages_with_tables(texts: Mapping[Path, str]) -> dict[Path, str]:
    """Return the pages with every table as the catalogue says; raise LookupError if none has a place for one."""
    written = dict(texts)
    for name, table in TABLES.items():
        place = re.compile(rf"(<!-- the table of {name}, by `make tables` -->\n).*?(<!-- end -->)", re.DOTALL)
        found = [page for page, text in written.items() if place.search(text)]
        if not found:
            raise LookupError(f"no page has a place for the table of {name}")
        for page in found:
            written[page] = place.sub(lambda match, table=table: f"{match[1]}{table()}{match[2]}", written[page])
    return written


def keys_table() -> str:
    """Return the table of the keys of a topology; those of an operation are also a stage's."""
    places = [(place, [key for key in all_keys() if key.place == place]) for place in PLACES if place != "process"]
    rows = [(place, key) for place, keys in places for key in keys]
    own = set(keys_of(Operation))
    kept = [(place, key) for place, key in rows if place != "stage" or key.name not in own]
    return _table(("of", "key", "meaning", "for instance", "live"), (_key_row(place, key) for place, key in kept))


def _key_row(place: str, key: Key) -> tuple[str, ...]:
    shown = "stage, operation" if place == "operation" else place
    example = key.about.example.replace("|", "\\|")
    return shown, f"`{key.name}`", key.about.sentence, f"`{example}`", "yes" if key.about.live else ""


def metrics_table() -> str:
    """Return the table of metrics."""
    return _table(("name", "kind", "labels", "meaning"), map(_metric_row, METRICS))


def _metric_row(metric: Metric) -> tuple[str, ...]:
    kind = f"{metric.kind}, exemplars" if metric.has_exemplars else str(metric.kind)
    return f"`{metric.exposed}`", kind, _names(metric.labels), f"{metric.help}{metric.note}"


def spans_table() -> str:
    """Return the table of spans."""
    return _table(("name", "kind", "around what", "attributes, where there are such"), map(_span_row, SPANS))


def _span_row(span: Span) -> tuple[str, ...]:
    return f"`{span.name}`", str(span.kind), span.help, _names(attribute.name for attribute in span.attributes)


def attributes_table() -> str:
    """Return the table of the attributes that are not in OpenTelemetry's conventions."""
    own = (attribute for attribute in ATTRIBUTES if attribute.convention is Convention.OWN)
    return _table(("attribute", "type", "meaning", "on the spans"), map(_attribute_row, own))


def _attribute_row(attribute: Attribute) -> tuple[str, ...]:
    spans = dict.fromkeys(_span_name(span) for span in SPANS if attribute in span.attributes)
    return f"`{attribute.name}`", str(attribute.type), attribute.help, ", ".join(spans)


def _span_name(span: Span) -> str:
    return f"`{span.name}`" if span.kind is SpanKind.INTERNAL else str(span.kind)


def variables_table() -> str:
    """Return the table of the variables that have an effect, beside SIMULATOR_*."""
    return _table(_VARIABLE_TITLES, map(_variable_row, VARIABLES))


def own_variables_table() -> str:
    """Return the table of the SIMULATOR_* variables that are no keys of a stage."""
    return _table(_VARIABLE_TITLES, map(_variable_row, COMMAND_VARIABLES))


def key_variables_table() -> str:
    """Return the table of the SIMULATOR_* variables that are keys of a stage."""
    rows = (
        (f"`{ENVIRONMENT_PREFIX}{name}`", key.about.sentence, f"`{key.about.example}`") for name, key in flags().items()
    )
    return _table(("variable", "meaning", "for instance"), ([cell.replace("|", "\\|") for cell in row] for row in rows))


def unused_variables_table() -> str:
    """Return the table of the variables of OpenTelemetry that have no effect."""
    return _table(("variable", "why"), ((f"`{name}`", f"{why[0].upper()}{why[1:]}") for name, why in UNUSED.items()))


_VARIABLE_TITLES = ("variable", "meaning", "default", "allowed", "a wrong value is", "read by")


def _variable_row(variable: Variable) -> tuple[str, ...]:
    wrong = "" if variable.wrong is WrongValue.IMPOSSIBLE else str(variable.wrong)
    forms = ", ".join(f"`..._{signal}_...`" for signal in variable.signals)
    name = f"`{variable.name}`{f' ({forms})' if forms else ''}"
    return name, variable.help, variable.default, variable.allowed, wrong, ", ".join(variable.readers)


def events_table() -> str:
    """Return the table of log events."""
    return _table(
        ("event", "level", "when", "keys, and in parentheses those that may be absent"), map(_event_row, events.EVENTS)
    )


def _event_row(event: LogEvent) -> tuple[str, ...]:
    keys = [key for key in event.keys if key not in events.OF_A_MESSAGE]
    of_a_message = "those of a message" if len(keys) < len(event.keys) else ""
    always = _names(key.name for key in keys if not key.is_optional)
    optional = _names(key.name for key in keys if key.is_optional)
    said = ", ".join(part for part in (of_a_message, always) if part)
    return f"`{event.name}`", ", ".join(event.levels), event.help, f"{said} ({optional})" if optional else said


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def truth_table() -> str:
    """Return the tables of the truth, each with its columns."""
    return "\n".join(f"\n### `{table.name}`\n\n{table.help}.\n{_columns_table(table)}" for table in TRUTH_TABLES)


def promises_table() -> str:
    """Return the table of the promises that `verify` judges."""
    return _table(("promise", "what it says", "test"), ((f"`{one.name}`", one.help, one.test) for one in PROMISES))


def _columns_table(table: TruthTable) -> str:
    rows = ((f"`{column.name}`", str(column.type), column.help) for column in table.columns)
    return _table(("column", "type", "meaning"), rows).rstrip("\n") + "\n"


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n" + "".join(_line(cells) for cells in lines) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    if set(cells) == {"---"}:
        return "|" + "|".join(cells) + "|\n"
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|\n"


TABLES: Mapping[str, Callable[[], str]] = {
    "keys": keys_table,
    "log events": events_table,
    "spans": spans_table,
    "attributes": attributes_table,
    "metrics": metrics_table,
    "variables": variables_table,
    "variables of commands": own_variables_table,
    "variables of keys": key_variables_table,
    "unused variables": unused_variables_table,
    "the truth": truth_table,
    "promises": promises_table,
}

if __name__ == "__main__":
    main()
