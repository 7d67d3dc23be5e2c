"""The parser of a stage's /metrics.

Prometheus' own parser reads each series the first time it is seen; from then on its text is known and only the
number after it is new. That takes a tenth of the time, and there is one text a second from every process.
"""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from simulator.telemetry.catalogue import metrics as catalogue

# What the console shows. Everything else, mostly of the process and the interpreter, is skipped unread.
SHOWN = (
    catalogue.MESSAGES.exposed,
    catalogue.CALL_DURATION.count,
    catalogue.INJECTOR_MISSED.exposed,
    catalogue.IN_FLIGHT.exposed,
    catalogue.WORKERS.exposed,
    catalogue.WORKERS_BUSY.exposed,
    catalogue.QUEUE_DEPTH.exposed,
    catalogue.QUEUE_CAPACITY.exposed,
    catalogue.INFO.exposed,
)
# A series of a stage has labels, and the name of one may begin like that of another.
_STARTS = tuple(f"{name}{{" for name in SHOWN)
_MAX_SERIES = 5000
_MAX_LINE_CHARACTERS = 8192
_MAX_SHOWN = 10_000
# The reason is shown on the page, and a line may be as long as the text.
_MAX_QUOTED = 80


class Key(NamedTuple):
    """A series: its name, and its labels in the order of their names."""

    name: str
    labels: tuple[tuple[str, str], ...]


class ExpositionReader:
    """Parse one text after the other, remembering at most `max_series` series."""

    def __init__(self, max_series: int = _MAX_SERIES) -> None:
        self._max_series = max_series
        self._keys: dict[str, Key] = {}

    def read(self, text: str) -> dict[Key, float]:
        """Return the value of each series that the console shows.

        Raise ValueError if the text is not of that format, has too many or none of a stage's series, or is cut short.
        """
        if not text.endswith("\n"):
            raise ValueError("the text of the metrics is cut short")
        found: dict[Key, float] = {}
        for line in text.splitlines():
            if line.startswith(_STARTS):
                key, value = self._read_line(line)
                found[key] = value
                if len(found) > _MAX_SHOWN:
                    raise ValueError(f"more than {_MAX_SHOWN:,} series of a stage")
        if not found:
            raise ValueError("the text has no metrics of a stage")
        return found

    def _read_line(self, line: str) -> tuple[Key, float]:
        if len(line) > _MAX_LINE_CHARACTERS:
            raise _not_metrics(line)
        series, _, value = line.rpartition(" ")
        key = self._keys.get(series)
        if key is not None:
            return key, _number(value, line)
        sample = _parse(line)
        key = Key(sample.name, tuple(sorted(sample.labels.items())))
        # With a timestamp after the value, the text before the last blank is different every time.
        if sample.timestamp is None and series.endswith("}") and len(self._keys) < self._max_series:
            self._keys[series] = key
        return key, float(sample.value)


def _parse(line: str) -> Sample:
    try:
        [family] = text_string_to_metric_families(line)
        [sample] = family.samples
    except (ValueError, IndexError) as error:
        raise _not_metrics(line) from error
    return sample


def _number(value: str, line: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise _not_metrics(line) from error


def _not_metrics(line: str) -> ValueError:
    return ValueError(f"{line[:_MAX_QUOTED]!r} is not a line of metrics")
