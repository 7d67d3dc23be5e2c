"""What `find-capacity` shows: a line for each probe as it ends, and the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from simulator.behaviour.thresholds import Threshold
from simulator.proof.capacity.bottleneck import BottleneckKind
from simulator.proof.capacity.finding import CapacityFound
from simulator.proof.capacity.probe import Probe

_MIN_MARGIN = 0.001


def asked_line(name: str, thresholds: Sequence[Threshold], are_default: bool) -> str:
    """Return what is looked for."""
    said = ", ".join(map(str, thresholds))
    default = " (the default: no threshold is given)" if are_default else ""
    return f"Looking for the highest rate at which {name} keeps up, and keeps {said}{default} ..."


def show_probe(probe: Probe, console: Console) -> None:
    """Print a probe that has ended."""
    verdict = Text("kept", style="green") if probe.kept else Text("broken", style="red")
    seconds = f"{probe.plan.seconds:.3g} s"
    line = Text.assemble(
        f"{shown_rate(probe.rate_per_second):>12}  {seconds:>7}  {probe.messages:>8} messages  ", verdict
    )
    why = probe.machine.why if probe.machine is not None and probe.is_spoilt else ""
    if text := "; ".join(filter(None, [probe.why, why])):
        line.append(f"  {text}")
    console.print(line, soft_wrap=True)


def result_lines(capacity: CapacityFound, name: str) -> Iterator[tuple[str, str]]:
    """Yield the lines of the result, each with its style."""
    kept, broken, limit = capacity.kept_rate, capacity.broken_rate, capacity.limit
    if kept is None:
        yield f"{name} does not keep the thresholds at any rate down to {shown_rate(broken or 0.0)}.", "bold red"
    elif broken is None:
        yield f"{name} keeps {shown_rate(kept)}, the highest rate that was asked for; --to sets a higher one.", "bold"
        return
    elif capacity.is_found:
        margin = f", within {capacity.margin_ratio:.1%}" if capacity.margin_ratio >= _MIN_MARGIN else ""
        yield (
            f"The capacity of {name} is {shown_rate(kept)}{margin}: it kept that, and not {shown_rate(broken)}.",
            "bold",
        )
    else:
        yield f"{name} kept {shown_rate(kept)} here; its capacity may be higher.", "bold yellow"
    if limit.limit is BottleneckKind.INJECTOR:
        yield f"The limit is the injector, not the system: {limit.stage}: {limit.why}", "yellow"
    elif limit.limit is BottleneckKind.MACHINE:
        yield f"The limit is {limit.why}", "yellow"
    else:
        yield f"The bottleneck is {limit}", ""


def shown_rate(per_second: float) -> str:
    """Return a rate in four digits."""
    return f"{float(f'{per_second:.4g}'):,.10g}/s"
