"""Which stage calls which, in which order to start them, and what is wrong with the calls."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping
from itertools import islice, takewhile

from simulator.nearest import unknown_among
from simulator.topology.document import Keys
from simulator.topology.headers import Headers
from simulator.topology.model import DEFAULT_HOST, Call, Choose, InOrder, Parallel, Role, Stage, Step, Topology
from simulator.topology.names import clashes

_LAST_PORT = 65535
_MAX_CYCLE_SHOWN = 20
# The caller, in logs and metrics, of a message that no stage sent.
_OUTSIDE = "outside"


def calls_of(stage: Stage) -> Iterator[tuple[Keys, Call]]:
    """Yield every call of a stage, including those in groups and the fallbacks, with its place within the stage."""
    for index, step in enumerate(stage.calls or ()):
        yield from _calls_in(step, ("calls", index))


def _calls_in(step: Step, keys: Keys) -> Iterator[tuple[Keys, Call]]:
    match step:
        case Parallel(parallel=steps):
            for index, inner in enumerate(steps):
                yield from _calls_in(inner, (*keys, "parallel", index))
        case Choose(choose=alternatives):
            for index, alternative in enumerate(alternatives):
                yield from _calls_in(alternative, (*keys, "choose", index))
        case InOrder(steps=steps):
            for index, inner in enumerate(steps):
                yield from _calls_in(inner, (*keys, index))
        case Call(fallback=fallback):
            yield keys, step
            if fallback is not None:
                yield from _calls_in(fallback, (*keys, "fallback"))


def headers_of(stage: Stage) -> list[tuple[str, Headers]]:
    """Return the headers of a stage's calls, each with the place of the call."""
    return [(f"{_place(keys)}.headers", call.headers) for keys, call in calls_of(stage) if call.headers is not None]


def _place(keys: Keys) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def edges(stages: Mapping[str, Stage]) -> Iterator[tuple[str, str]]:
    """Yield every call as (caller, called), in the order of the file."""
    for name, stage in stages.items():
        for _, call in calls_of(stage):
            yield name, call.to


def callers(topology: Topology, name: str) -> tuple[str, ...]:
    """Return the stages that call `name`, each once, in the order of the file."""
    return tuple(dict.fromkeys(caller for caller, called in edges(topology.stages) if called == name))


def callers_by_stage(topology: Topology) -> dict[str, tuple[str, ...]]:
    """Return for every stage what `callers` returns, in one pass over all calls."""
    found: dict[str, dict[str, None]] = {name: {} for name in topology.stages}
    for caller, called in edges(topology.stages):
        found[called][caller] = None
    return {name: tuple(callers_found) for name, callers_found in found.items()}


def entries(topology: Topology) -> tuple[str, ...]:
    """Return the stages where messages enter: the injectors, and those that no stage calls."""
    called = {to for _, to in edges(topology.stages)}
    return tuple(name for name in topology.stages if name not in called)


def reached_from(topology: Topology, name: str) -> tuple[str, ...]:
    """Return the stages that a message from `name` can reach, by any number of calls, in the order of the file."""
    following = _successors(topology.stages)
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        found = set(following[waiting.pop()]) - reached
        reached |= found
        waiting += found
    return tuple(other for other in topology.stages if other in reached)


def called_first(topology: Topology) -> tuple[str, ...]:
    """Return the stages with each after all that it calls: the order to start them in."""
    return tuple(graphlib.TopologicalSorter(_successors(topology.stages)).static_order())


def callers_first(topology: Topology) -> Iterator[tuple[str, ...]]:
    """Yield the stages in groups so that each is called only by stages of the groups before."""
    sorter = graphlib.TopologicalSorter(callers_by_stage(topology))
    sorter.prepare()
    while sorter.is_active():
        names = sorter.get_ready()
        yield names
        sorter.done(*names)


def wiring_problems(stages: Mapping[str, Stage], names: frozenset[str]) -> Iterator[tuple[Keys, str]]:
    """Yield what is wrong with the wiring of `stages`.

    `names` are all the stages in the file: more than `stages` if some could not be read.
    """
    unknown = unknown_among(names)
    yield from _name_problems(stages)
    for name, stage in stages.items():
        yield from _role_problems(name, stage)
        yield from _instance_problems(name, stage)
        for place, call in calls_of(stage):
            keys: Keys = ("stages", name, *place)
            if call.to not in names:
                yield keys, unknown(f"there is no stage {call.to!r}", call.to)
            elif call.to in stages and stages[call.to].role is Role.INJECTOR:
                yield keys, f"{call.to!r} is an injector: it can't be called"
    yield from _cycle_problems(stages)
    yield from _port_problems(stages)
    if len(stages) == len(names):
        yield from _unreachable_problems(stages)


def _name_problems(stages: Mapping[str, Stage]) -> Iterator[tuple[Keys, str]]:
    for name, message in clashes({name: stage.instances for name, stage in stages.items()}):
        yield ("stages", name), message
    if any(caller == _OUTSIDE and called in stages for caller, called in edges(stages)):
        yield ("stages", _OUTSIDE), f"{_OUTSIDE!r} is the caller of messages that no stage sends: use another name"


def _role_problems(name: str, stage: Stage) -> Iterator[tuple[Keys, str]]:
    keys: Keys = ("stages", name)
    if stage.role is Role.TERMINATOR and stage.calls:
        yield (*keys, "calls"), "a terminator is the last stage: it can't call another"
    if stage.role is Role.PROCESSOR and stage.calls is None:
        yield keys, "a processor needs calls; write `calls: []` for one that only answers, or `role: terminator`"
    if stage.role is Role.INJECTOR and not stage.calls:
        yield keys, "an injector needs calls: its messages go nowhere"
    if stage.slo is not None and stage.role is Role.INJECTOR:
        yield (*keys, "slo"), "an injector serves no requests; put the SLO on the stage it calls"
    if stage.slo is not None and stage.slo.latency is None and not stage.slo.errors_ratio:
        yield (*keys, "slo"), "it has no objective; write latency: 300ms@99%, errors: 0.1%, or both"
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
        if any(fault.instance is not None for fault in stage.faults):
            yield (*keys, "faults"), "instances under an autoscaler have no numbers, so a fault can't name one"
    for index, fault in enumerate(stage.faults):
        if fault.instance is not None and fault.instance > stage.instances:
            yield (*keys, "faults", index), f"there is no instance {fault.instance}; there are {stage.instances}"


def _with_article(role: Role) -> str:
    return f"an {role}" if role is Role.INJECTOR else f"a {role}"


def _successors(stages: Mapping[str, Stage]) -> dict[str, list[str]]:
    return {
        name: list(dict.fromkeys(call.to for _, call in calls_of(stage) if call.to in stages))
        for name, stage in stages.items()
    }


def _cycle_problems(stages: Mapping[str, Stage]) -> Iterator[tuple[Keys, str]]:
    """Yield a problem for each call that closes a cycle, going through every call once, depth first."""
    # A call to an injector is one mistake, not two if it also closes a cycle.
    injectors = {name for name, stage in stages.items() if stage.role is Role.INJECTOR}
    successors = {name: [to for to in called if to not in injectors] for name, called in _successors(stages).items()}
    done: set[str] = set()
    for root in successors:
        path: dict[str, None] = {}
        remaining = [iter([root])]
        while remaining:
            called = next((name for name in remaining[-1] if name not in done), None)
            if called is None:
                remaining.pop()
                if path:
                    done.add(path.popitem()[0])
            elif called in path:
                yield ("stages", called, "calls"), f"the calls form a cycle: {_cycle(path, called)}"
            else:
                path[called] = None
                remaining.append(iter(successors[called]))


def _cycle(path: dict[str, None], first: str) -> str:
    """Return the part of a path from `first` on, and back to it, with the middle left out if it is long."""
    backwards = takewhile(lambda name: name != first, reversed(path))
    last = list(islice(backwards, _MAX_CYCLE_SHOWN))
    left_out = next(backwards, None) is not None
    return " -> ".join([first, *(["..."] if left_out else []), *reversed(last), first])


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
        # With injectors, a terminator that no stage calls can only be a mistake; such a processor is an entry.
        if has_injector and stage.role is Role.TERMINATOR and name not in called:
            yield ("stages", name), "no stage calls it, so no message can reach it"
