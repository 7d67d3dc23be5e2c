"""The text of a stage's /metrics, read.

Prometheus' own parser reads each series the first time that it is seen; from then on its text is known and only the
number behind it is new. That takes a tenth of the time, and there is one text a second from every process.
"""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

# What the console shows. Everything else, of the process and the interpreter above all, is passed over unread.
SHOWN = (
    "simulator_messages_total{",
    "simulator_downstream_call_duration_seconds_count{",
    "simulator_injector_missed_total{",
    "simulator_in_flight{",
    "simulator_workers{",
    "simulator_workers_busy{",
    "simulator_queue_depth{",
    "simulator_queue_capacity{",
    "simulator_info{",
)
_MOST_SERIES = 5000
_MAX_LINE_CHARACTERS = 8192
_MAX_SHOWN = 10_000
# The reason stands on the page, and a line may be as long as the text.
_MOST_QUOTED = 80


class Key(NamedTuple):
    """A series: its name, and its labels in the order of their names."""

    name: str
    labels: tuple[tuple[str, str], ...]


class ExpositionReader:
    """Read one text after the other; it remembers the series of at most `most_series`."""

    def __init__(self, most_series: int = _MOST_SERIES) -> None:
        self._most_series = most_series
        self._keys: dict[str, Key] = {}

    def read(self, text: str) -> dict[Key, float]:
        """Give the value of each series that the console shows.

        Raise ValueError for what is no such text, has none of a stage's series or too many, or breaks off.
        """
        if not text.endswith("\n"):
            raise ValueError("the text of the metrics breaks off")
        found: dict[Key, float] = {}
        for line in text.splitlines():
            if line.startswith(SHOWN):
                key, value = self._read_line(line)
                found[key] = value
                if len(found) > _MAX_SHOWN:
                    raise ValueError(f"more than {_MAX_SHOWN:,} series of a stage")
        if not found:
            raise ValueError("there is no metric of a stage in the text")
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
        # With a time of its own behind the value the text before the last blank is new every time.
        if sample.timestamp is None and series.endswith("}") and len(self._keys) < self._most_series:
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
    return ValueError(f"{line[:_MOST_QUOTED]!r} is no line of metrics")
