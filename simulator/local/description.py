"""A topology in words, for `check`."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from simulator.topology.graph import entries
from simulator.topology.model import Role, Stage, Topology
from simulator.units import format_rate


def describe(topology: Topology) -> Group:
    """Say what a topology is: its stages, what each does and whom it calls."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("stage", "role", "delay", "workers", "queue", "faults", "calls"):
        table.add_column(heading)
    for name, stage in topology.stages.items():
        table.add_row(
            Text(name, style="bold"),
            str(stage.role),
            Text(str(stage.delay)),
            str(stage.workers),
            str(stage.queue),
            Text(", ".join(str(fault) for fault in stage.faults) or "-"),
            " -> ".join(call.to for call in stage.calls or ()) or "-",
        )
    heading = f"{topology.name}: {len(topology.stages)} stages, good to run"
    return Group(Text(heading), Text(), table, Text(), Text(_sources(topology)))


def _sources(topology: Topology) -> str:
    said = [
        f"{name} ({_load(topology.stages[name])})" if topology.stages[name].role is Role.INJECTOR else f"{name} (POST)"
        for name in entries(topology)
    ]
    return f"messages come in at {', '.join(said)}"


def _load(stage: Stage) -> str:
    if stage.input is not None:
        return f"from {stage.input}"
    if stage.load is None or stage.load.rate_per_second is None:
        return "POST"
    return f"{format_rate(stage.load.rate_per_second)}, {stage.load.arrivals}"
