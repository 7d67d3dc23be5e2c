"""The name of a series, as a reader of metrics gives it."""

from __future__ import annotations

from simulator.console.metrics.exposition import Key


def key(name: str, **labels: str) -> Key:
    return Key(name, tuple(sorted(labels.items())))
