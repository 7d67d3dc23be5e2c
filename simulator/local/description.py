"""A topology in words, for `check`."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from simulator.topology.graph import entries
from simulator.topology.model import Call, Choose, InOrder, Parallel, Role, Stage, Step, Topology
from simulator.units import format_rate, format_ratio


def describe(topology: Topology) -> Group:
    """Say what a topology is: its stages, what each does and whom it calls."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("stage", "role", "delay", "workers", "queue", "faults", "calls"):
        table.add_column(heading)
    for name, stage in topology.stages.items():
        table.add_row(
            Text(name if stage.instances == 1 else f"{name} x {stage.instances}", style="bold"),
            str(stage.role),
            Text(str(stage.delay)),
            str(stage.workers),
            str(stage.queue),
            Text(", ".join(str(fault) for fault in stage.faults) or "-"),
            Text(_steps(stage.calls or ()) or "-"),
        )
    count = len(topology.stages)
    heading = f"{topology.name}: {count} stage{'' if count == 1 else 's'}, good to run"
    return Group(Text(heading), Text(), table, Text(), Text(_sources(topology)))


def _steps(steps: tuple[Step, ...]) -> str:
    return " -> ".join(_step(step) for step in steps)


def _step(step: Step) -> str:
    match step:
        case Parallel(parallel=steps, probability_ratio=probability):
            return _perhaps(f"({' | '.join(_step(inner) for inner in steps)})", probability)
        case Choose(choose=alternatives):
            return f"({' or '.join(f'{format_ratio(a.weight_ratio)} {a.to}' for a in alternatives)})"
        case InOrder(steps=steps):
            return f"({_steps(steps)})"
        case Call(to=to, times=times, probability_ratio=probability):
            return _perhaps(to if times == 1 else f"{times} x {to}", probability)


def _perhaps(text: str, probability_ratio: float) -> str:
    return text if probability_ratio == 1 else f"{format_ratio(probability_ratio)} {text}"


def _sources(topology: Topology) -> str:
    said = [
        f"{name} ({_load(topology.stages[name])})" if topology.stages[name].role is Role.INJECTOR else f"{name} (POST)"
        for name in entries(topology)
    ]
    return f"messages come in at {', '.join(said)}"


def _load(stage: Stage) -> str:
    if stage.input is not None:
        return f"from {stage.input}"
    if stage.load is None:
        return "POST"
    if stage.load.rate_per_second is None:
        return f"{stage.load.concurrency} at a time"
    return f"{format_rate(stage.load.rate_per_second)}, {stage.load.arrivals}"
