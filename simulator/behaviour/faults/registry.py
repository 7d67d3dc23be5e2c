"""Every fault by its name, and the reading of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from simulator.behaviour.conditions import parse_when
from simulator.behaviour.faults.base import Fault
from simulator.behaviour.faults.cpu import Cpu
from simulator.behaviour.faults.error import Error
from simulator.behaviour.faults.hang import Hang
from simulator.behaviour.faults.memory import Memory
from simulator.behaviour.faults.reset import Reset
from simulator.behaviour.faults.slow_body import SlowBody
from simulator.behaviour.faults.truncate import Truncate
from simulator.behaviour.notation import Arguments, parse, read_expression
from simulator.nearest import nearest, unknown_name
from simulator.quoting import quoted

FAULTS: dict[str, Callable[[Arguments], Fault]] = {
    fault.name: fault.read for fault in (Error, Hang, Reset, Truncate, SlowBody, Cpu, Memory)
}

_EXAMPLES = {
    "error": "error(503, 5%)",
    "hang": "hang(30s, 1%)",
    "reset": "reset(0.5%)",
    "truncate": "truncate(1%)",
    "slow_body": "slow_body(20B/s, 5%)",
    "cpu": "cpu(20ms, 10%)",
    "memory": "memory(50MB, 10%)",
}


def parse_fault(text: object) -> Fault:
    """Return a fault from its notation, such as "error(503, 5%)" or "reset(1%, instance=2)".

    Raise NotationError, a ValueError, that shows the place.
    """
    if not isinstance(text, str) or "(" not in text:
        example = _EXAMPLES.get(nearest(_first_word(text), FAULTS), _EXAMPLES["error"])
        raise ValueError(f"{quoted(text)} is not a fault: write {example}")
    expression = parse(text)
    reader = FAULTS.get(expression.name)
    if reader is None:
        raise expression.error(unknown_name(f"there is no fault {expression.name!r}", expression.name, FAULTS))

    def read(arguments: Arguments) -> Fault:
        fault = reader(arguments)
        return replace(fault, instance=arguments.keyed_count("instance"), when=arguments.keyed("when", parse_when))

    return read_expression(expression, read)


def _first_word(text: object) -> str:
    """Return the first word of a text, or the first key of a mapping, or what it has as its type."""
    if isinstance(text, Mapping):
        text = next((text[key] for key in ("type", "fault", "name") if key in text), next(iter(text), ""))
    return text.split()[0] if isinstance(text, str) and text.strip() else ""
