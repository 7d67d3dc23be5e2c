"""What is counted in a stage of a run."""

from __future__ import annotations

from collections.abc import Iterable

from simulator.telemetry import tally
from simulator.topology.graph import Node
from simulator.topology.model import Forward, Stage
from simulator.topology.requests import requests_of


def counts_of(name: str, stage: Stage, callers: Iterable[str], called: Iterable[Node]) -> list[str]:
    """Return the names of the counts of a stage, as `tally.slots` does."""
    kinds = requests_of(name, stage)
    accepting = [operation for operation, made in stage.operations.items() if made.forward is Forward.ACCEPT]
    return tally.slots(callers, called, stage.operations, kinds if len(kinds) > 1 else (), accepting)
