"""What is wrong with the wiring of stages: with their calls, and with keys that do not go with the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice, takewhile

from simulator.behaviour.faults.base import Fault
from simulator.behaviour.times import ONCE
from simulator.nearest import unknown_among, unknown_name
from simulator.topology.bodies import body_problems
from simulator.topology.graph import Node, calls_of, calls_place, edges, label, operation_graph
from simulator.topology.kinds import Kind
from simulator.topology.model import DEFAULT_HOST, Answering, Forward, Role, Stage
from simulator.topology.names import clashes
from simulator.topology.paths import overlap
from simulator.topology.places import Keys
from simulator.topology.sessions import user_problems
from simulator.topology.steps import Call

_LAST_PORT = 65535
_MAX_CYCLE_SHOWN = 20
# The caller, in logs and metrics, of a message that no stage sent.
_OUTSIDE = "outside"


def wiring_problems(stages: Mapping[str, Stage], names: frozenset[str]) -> Iterator[tuple[Keys, str]]:
    """Yield what is wrong with the wiring of `stages`.

    `names` are all the stages in the file: more than `stages` if some could not be read.
    """
    operations = {label((name, operation)) for name, stage in stages.items() for operation in stage.operations}
    unknown = unknown_among(names | operations)
    yield from _name_problems(stages)
    for name, stage in stages.items():
        yield from _role_problems(name, stage)
        yield from _kind_problems(name, stage)
        yield from _answer_problems(name, stage)
        for inner, message in chain(user_problems(stage), body_problems(stage)):
            yield ("stages", name, *inner), message
        yield from _instance_problems(name, stage)
        yield from _route_problems(name, stage)
        for place, call in calls_of(stage):
            keys: Keys = ("stages", name, *place)
            if call.to not in names:
                yield keys, unknown(f"there is no stage {call.to!r}", call.to)
            elif call.to in stages:
                yield from ((keys, message) for message in _target_problems(call, stages[call.to]))
    yield from _ambiguities(stages, names)
    yield from _cycle_problems(stages)
    yield from _port_problems(stages)
    if len(stages) == len(names):
        yield from _unreachable_problems(stages)


def _name_problems(stages: Mapping[str, Stage]) -> Iterator[tuple[Keys, str]]:
    for name, message in clashes({name: stage.instances for name, stage in stages.items()}):
        yield ("stages", name), message
    if any(caller == _OUTSIDE and called in stages for caller, called in edges(stages)):
        yield ("stages", _OUTSIDE), f"{_OUTSIDE!r} is the caller of messages that no stage sends: use another name"


def _target_problems(call: Call, called: Stage) -> Iterator[str]:
    operation = called.all_operations.get(call.operation)
    if called.role is Role.INJECTOR:
        yield f"{call.to!r} is an injector: it can't be called"
    elif operation is None and call.operation:
        yield unknown_name(f"{call.to!r} has no operation {call.operation!r}", call.operation, called.operations)
    elif operation is None:
        first = next(iter(called.operations))
        yield f"{call.to!r} has several operations: write one of them, as in {call.to}.{first}"
    elif call.request_size is not None and not operation.method.has_body:
        yield f"a {operation.method} has no body: leave out request_bytes"


def _route_problems(name: str, stage: Stage) -> Iterator[tuple[Keys, str]]:
    if stage.role is Role.INJECTOR and stage.operations:
        yield ("stages", name, "operations"), "an injector is not called, so it has no operations"
    operations = list(stage.operations.items())
    for index, (operation, made) in enumerate(operations):
        for other, before in operations[:index]:
            if made.method is before.method and overlap(made.path, before.path):
                yield (
                    ("stages", name, "operations", operation, "path"),
                    f"{made.method} {made.path} can be the same as {before.method} {before.path} of {other!r}",
                )


def _ambiguities(stages: Mapping[str, Stage], names: frozenset[str]) -> Iterator[tuple[Keys, str]]:
    for name in sorted(name for name in names if "." in name):
        stage, _, operation = name.rpartition(".")
        if stage in stages and operation in stages[stage].operations:
            yield ("stages", name), f"this is also the operation {operation!r} of {stage!r}: rename one of them"


def _role_problems(name: str, stage: Stage) -> Iterator[tuple[Keys, str]]:
    keys: Keys = ("stages", name)
    if stage.role is Role.INJECTOR and not stage.calls and not stage.operations:
        yield keys, "an injector needs calls: its messages go nowhere"
    if stage.role is Role.INJECTOR and not stage.method.has_body:
        yield (*keys, "method"), "an injector's own messages have bodies; the method is that of what it calls"
    if stage.slo is not None and stage.role is Role.INJECTOR:
        yield (*keys, "slo"), "an injector serves no requests; put the SLO on the stage it calls"
    for operation, made in stage.all_operations.items():
        place: Keys = (*keys, "operations", operation) if operation else keys
        if stage.role is Role.TERMINATOR and made.calls:
            yield (*place, "calls"), "a terminator is the last stage: it can't call another"
        if made.slo is not None and made.slo.latency is None and not made.slo.errors_ratio:
            yield (*place, "slo"), "it has no objective; write latency: 300ms@99%, errors: 0.1%, or both"
    if stage.role is not Role.INJECTOR:
        for key in ("load", "input"):
            if getattr(stage, key) is not None:
                yield (*keys, key), f"only an injector has {key}; this stage is {_with_article(stage.role)}"
    if stage.role is not Role.TERMINATOR and stage.output is not None:
        yield (*keys, "output"), f"only a terminator has output; this stage is {_with_article(stage.role)}"


def _instance_problems(name: str, stage: Stage) -> Iterator[tuple[Keys, str]]:
    keys: Keys = ("stages", name)
    if stage.role is Role.INJECTOR and stage.instances > 1:
        yield (*keys, "instances"), "an injector is one process; use a higher rate, or a second injector"
    if stage.max_instances is not None:
        if stage.max_instances < stage.instances:
            yield (*keys, "instances"), f"{stage.instances}..{stage.max_instances}: the maximum is below the minimum"
        if any(fault.instance is not None for _, fault in _faults(stage)):
            yield (*keys, "faults"), "instances under an autoscaler have no numbers, so a fault can't name one"
    for place, fault in _faults(stage):
        if fault.instance is not None and fault.instance > stage.instances:
            yield (*keys, *place), f"there is no instance {fault.instance}; there are {stage.instances}"


def _faults(stage: Stage) -> Iterator[tuple[Keys, Fault]]:
    for name, operation in stage.all_operations.items():
        place: Keys = ("operations", name) if name else ()
        for index, fault in enumerate(operation.faults):
            yield (*place, "faults", index), fault


def _kind_problems(name: str, stage: Stage) -> Iterator[tuple[Keys, str]]:
    keys: Keys = ("stages", name)
    if stage.role is Role.INJECTOR:
        for key in ("server_span", "kind"):
            if getattr(stage, key) not in (None, Kind.SERVICE):
                yield (*keys, key), f"an injector is not called, so it has no {key}"
        return
    if stage.kind.is_database and stage.system is None:
        example = "postgresql" if stage.kind is Kind.DATABASE else "redis"
        yield (*keys, "kind"), f"a {stage.kind} has a system: write one, as in system: {example}"
    if stage.url is not None:
        yield from _external_problems(keys, stage)
    if not stage.kind.is_database:
        for key in ("system", "namespace"):
            if getattr(stage, key) is not None:
                yield (*keys, key), f"only a database or cache has a {key}; write kind: database, or leave it out"


def _external_problems(keys: Keys, stage: Stage) -> Iterator[tuple[Keys, str]]:
    if stage.kind is not Kind.EXTERNAL:
        yield (*keys, "url"), "only an external service has a url; write kind: external"
    if stage.has_calls:
        yield (*keys, "calls"), "what a service at a URL calls is its own affair: leave out its calls, or its url"
    for key in ("host", "port", "output"):
        if getattr(stage, key) is not None:
            yield (*keys, key), f"a run does not start what is at a URL: leave out {key}"
    if stage.instances > 1:
        yield (*keys, "instances"), "a run does not start what is at a URL: leave out instances"


def _answer_problems(name: str, stage: Stage) -> Iterator[tuple[Keys, str]]:
    for operation, made in stage.all_operations.items():
        if made.answer is Answering.OWN:
            continue
        place: Keys = ("stages", name, "operations", operation) if operation else ("stages", name)
        step = made.calls[0] if len(made.calls) == 1 else None
        if not isinstance(step, Call) or not _is_made_once(step):
            yield (*place, "answer"), "answer: downstream needs exactly one call, which every message makes once"
        if made.forward is Forward.ACCEPT or made.response_size is not None:
            yield (*place, "answer"), "the answer is the downstream's: leave out forward and response_bytes"
        if stage.role is Role.INJECTOR:
            yield (*place, "answer"), "an injector answers nobody"


def _is_made_once(call: Call) -> bool:
    plain = call.probability_ratio >= 1 and call.when is None and call.times == ONCE
    return plain and not call.optional and not call.fallback


def _with_article(role: Role) -> str:
    return f"an {role}" if role is Role.INJECTOR else f"a {role}"


def _cycle_problems(stages: Mapping[str, Stage]) -> Iterator[tuple[Keys, str]]:
    """Yield a problem for each call that closes a cycle of operations, going through every call once, depth first."""
    # A call to an injector is one mistake, not two if it also closes a cycle.
    injectors = {name for name, stage in stages.items() if stage.role is Role.INJECTOR}
    graph = operation_graph(stages)
    successors = {node: [to for to in called if to[0] not in injectors] for node, called in graph.items()}
    done: set[Node] = set()
    for root in successors:
        path: dict[Node, None] = {}
        remaining = [iter([root])]
        while remaining:
            called = next((node for node in remaining[-1] if node not in done), None)
            if called is None:
                remaining.pop()
                if path:
                    done.add(path.popitem()[0])
            elif called in path:
                yield ("stages", called[0], *calls_place(called[1])), f"the calls form a cycle: {_cycle(path, called)}"
            else:
                path[called] = None
                remaining.append(iter(successors[called]))


def _cycle(path: dict[Node, None], first: Node) -> str:
    """Return the part of a path from `first` on, and back to it, with the middle left out if it is long."""
    backwards = takewhile(lambda node: node != first, reversed(path))
    last = list(islice(backwards, _MAX_CYCLE_SHOWN))
    left_out = next(backwards, None) is not None
    return " -> ".join([label(first), *(["..."] if left_out else []), *map(label, reversed(last)), label(first)])


def _port_problems(stages: Mapping[str, Stage]) -> Iterator[tuple[Keys, str]]:
    taken: dict[tuple[str, int], str] = {}
    for name, stage in stages.items():
        if not stage.port:  # none given, or 0: any free one
            continue
        if stage.port + stage.instances - 1 > _LAST_PORT:
            yield ("stages", name, "port"), f"there are no {stage.instances} ports from {stage.port} on"
        clashes: set[str] = set()
        for port in range(stage.port, stage.port + stage.instances):
            other = taken.setdefault((stage.host or DEFAULT_HOST, port), name)
            if other not in (name, *clashes):
                clashes.add(other)
                yield ("stages", name, "port"), f"port {port} is already the port of {other!r}"


def _unreachable_problems(stages: Mapping[str, Stage]) -> Iterator[tuple[Keys, str]]:
    called = {to for _, to in edges(stages)}
    if not called <= stages.keys():
        return  # a stage that seems not to be called may be the one that another call misnames
    has_injector = any(stage.role is Role.INJECTOR for stage in stages.values())
    for name, stage in stages.items():
        if stage.url is not None and name not in called:
            yield ("stages", name), "no stage calls this external service"
            continue
        # With injectors, a terminator that no stage calls can only be a mistake; such a processor is an entry.
        if has_injector and stage.role is Role.TERMINATOR and name not in called:
            yield ("stages", name), "no stage calls it, so no message can reach it"
