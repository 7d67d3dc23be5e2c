"""Every fault by its name, and the reading of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from simulator.behaviour.faults.base import Fault
from simulator.behaviour.faults.cpu import Cpu
from simulator.behaviour.faults.error import Error
from simulator.behaviour.faults.hang import Hang
from simulator.behaviour.faults.memory import Memory
from simulator.behaviour.faults.reset import Reset
from simulator.behaviour.faults.slow_body import SlowBody
from simulator.behaviour.faults.truncate import Truncate
from simulator.behaviour.notation import Arguments, parse, read_expression
from simulator.nearest import unknown_name

FAULTS: dict[str, Callable[[Arguments], Fault]] = {
    fault.name: fault.read for fault in (Error, Hang, Reset, Truncate, SlowBody, Cpu, Memory)
}


def parse_fault(text: str) -> Fault:
    """Return a fault from its notation, such as "error(503, 5%)" or "reset(1%, instance=2)".

    Raise NotationError, a ValueError, that shows the place.
    """
    expression = parse(text)
    reader = FAULTS.get(expression.name)
    if reader is None:
        raise expression.error(unknown_name(f"there is no fault {expression.name!r}", expression.name, FAULTS))

    def read(arguments: Arguments) -> Fault:
        return replace(reader(arguments), instance=arguments.keyed_count("instance"))

    return read_expression(expression, read)
