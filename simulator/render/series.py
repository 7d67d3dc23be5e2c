"""The series that a stage has, as the catalogue says, so that no rule or panel can name another, nor another label."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from simulator.telemetry.catalogue.metrics import ALWAYS, METRICS

_NAME = re.compile(r"\b(?:simulator|http_server|db_client)_\w+")
_SELECTOR = re.compile(r"\b((?:simulator|http_server|db_client)_\w+)\{([^}]*)\}")
_TEXT = re.compile(r'"[^"]*"')
_GROUPING = re.compile(r"\b(?:by|on) \(([^)]*)\)")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
# What Prometheus adds to each series.
_SCRAPED = ("job", "instance")


class UnknownSeries(ValueError):
    """Raised when an expression names a series that no stage has, or a label that a series does not have."""


@cache
def stage_series() -> Mapping[str, frozenset[str]]:
    """Return the labels of every series of a stage, by its name as expressions use it."""
    return {
        name: frozenset((*ALWAYS, *metric.labels, *_SCRAPED, *(["le"] if name.endswith("_bucket") else [])))
        for metric in METRICS
        for name in metric.series
    }


def checked(expression: str) -> str:
    """Return a PromQL expression unchanged.

    Raise UnknownSeries if it names a series of ours that no stage has, selects by a label that the series lacks, or
    groups by one that all of its series lack.
    """
    known = stage_series()
    named = names_in(expression)
    if unknown := sorted(named - set(known)):
        raise UnknownSeries(f"no stage has the series {', '.join(unknown)}, named in {expression}")
    for name, label in _selected(expression):
        if label not in known[name]:
            raise UnknownSeries(f"the series {name} has no label {label}, named in {expression}")
    labels = frozenset().union(*(known[name] for name in named))
    if named and (strange := sorted(set(_grouped(expression)) - labels)):
        raise UnknownSeries(f"no series has the label {', '.join(strange)}, named in {expression}")
    return expression


def names_in(expression: str) -> set[str]:
    """Return the names of our series in an expression."""
    return set(_NAME.findall(expression))


def _grouped(expression: str) -> Iterator[str]:
    """Return the labels that results are grouped or matched by."""
    for labels in _GROUPING.findall(expression):
        yield from (label.strip() for label in labels.split(",") if label.strip())


def _selected(expression: str) -> Iterator[tuple[str, str]]:
    """Return each series with each label that it is selected by."""
    for name, matchers in _SELECTOR.findall(_TEXT.sub('""', expression)):
        for label in _LABEL.findall(matchers):
            yield name, label
