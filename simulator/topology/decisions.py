"""What is known of decisions at each operation: who draws them, and which conditions ask for one that nobody draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from simulator.behaviour.conditions import Condition, When
from simulator.behaviour.faults.base import Fault
from simulator.behaviour.times import Times
from simulator.behaviour.values import Chance, Rule, Weighted, shown
from simulator.nearest import unknown_name
from simulator.topology.graph import Node, called_first_in, calls_place, operation_graph
from simulator.topology.model import Operation, Stage
from simulator.topology.places import Keys
from simulator.topology.walking import all_steps

Known = dict[str, list[Rule]]
# What a line to log can say of every message.
LOG_FIELDS = ("message_id", "operation")


def known_decisions(stages: Mapping[str, Stage]) -> dict[Node, Known]:
    """Return for each operation the rules by which decisions may have been drawn when a message is there.

    Raise graphlib.CycleError if the operations form a cycle.
    """
    following = operation_graph(stages)
    found: dict[Node, Known] = {node: {} for node in following}
    for node in reversed(called_first_in(following)):
        own = stages[node[0]].all_operations[node[1]].decide
        found[node] |= {name: [rule] for name, rule in own.items()}
        for called in following[node]:
            for name, rules in found[node].items():
                there = found[called].setdefault(name, [])
                there += [rule for rule in rules if rule not in there]
    return found


def decision_problems(stages: Mapping[str, Stage]) -> Iterator[tuple[Keys, str]]:
    """Yield each condition, and each number of times, that no decision can fulfil."""
    asking = [
        name
        for name, stage in stages.items()
        if any(True for key, operation in stage.all_operations.items() for _ in _asked(operation, key))
    ]
    known = known_decisions(stages) if asking else {}
    for name in asking:
        of_operations = {key: known[name, key] for key in stages[name].all_operations}
        for keys, message in stage_decision_problems(stages[name], of_operations):
            yield ("stages", name, *keys), message


def stage_decision_problems(stage: Stage, known: Mapping[str, Known]) -> Iterator[tuple[Keys, str]]:
    """Yield the same of one stage; keys are those in the stage, and `known` is what is known at each operation."""
    for name, operation in stage.all_operations.items():
        here = known.get(name, {})
        for keys, conditions, times in _asked(operation, name):
            for condition in conditions:
                if message := _objection(condition, here):
                    yield keys, message
            if times.decision and (message := _not_a_number(times.decision, here)):
                yield keys, message


def _asked(operation: Operation, name: str) -> Iterator[tuple[Keys, Sequence[Condition], Times]]:
    for place, step in all_steps(operation.calls, calls_place(name)):
        when: When | None = getattr(step, "when", None)
        if when is not None:
            yield (*place, "when"), when.conditions, Times()
        times: Times = getattr(step, "times", Times())
        if times.decision:
            yield (*place, "times"), (), times
    faults: Sequence[Fault] = operation.faults
    prefix: Keys = ("operations", name) if name else ()
    for index, fault in enumerate(faults):
        if fault.when is not None:
            yield (*prefix, "faults", index), fault.when.conditions, Times()
    for index, line in enumerate(operation.log):
        if line.when is not None:
            yield (*prefix, "log", index), line.when.conditions, Times()


def log_problems(stages: Mapping[str, Stage]) -> Iterator[tuple[Keys, str]]:
    """Yield each field of a line to log that a message can't have. The operations must form no cycle."""
    if not any(operation.log for stage in stages.values() for operation in stage.all_operations.values()):
        return
    known = known_decisions(stages)
    for name, stage in stages.items():
        for key, operation in stage.all_operations.items():
            fields = [*LOG_FIELDS, *operation.attributes, *known[name, key]]
            for index, line in enumerate(operation.log):
                for field in line.message.fields:
                    if field not in fields:
                        place: Keys = ("operations", key, "log", index) if key else ("log", index)
                        message = f"no message has {field!r} here, as a decision or attribute"
                        yield ("stages", name, *place), unknown_name(message, field, dict.fromkeys(fields))


def _objection(condition: Condition, known: Known) -> str:
    rules = known.get(condition.name)
    if not rules:
        return _nobody(condition.name, known)
    if condition.comparison in ("=", "!=") and not any(rule.allows(condition.value) for rule in rules):
        words = " or ".join(rule.words() for rule in rules)
        return f"{condition.name!r} is never {shown(condition.value)}: it is {words}"
    return ""


def _not_a_number(name: str, known: Known) -> str:
    rules = known.get(name)
    if not rules:
        return _nobody(name, known)
    if any(isinstance(rule, Chance) or (isinstance(rule, Weighted) and not rule.is_whole) for rule in rules):
        return f"{name!r} is not a number of times: it is {' or '.join(rule.words() for rule in rules)}"
    return ""


def _nobody(name: str, known: Known) -> str:
    message = f"no stage decides {name!r} before a message gets here"
    return unknown_name(message, name, sorted(known)) if known else f"{message}, by `decide`"
