"""Which stage calls which, and in which order to start them."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping, Sequence

from simulator.topology.headers import Headers
from simulator.topology.model import Stage, Topology
from simulator.topology.places import Keys
from simulator.topology.steps import Call
from simulator.topology.walking import all_calls

Node = tuple[str, str]  # a stage and one of its operations, "" if it has only itself


def calls_of(stage: Stage) -> Iterator[tuple[Keys, Call]]:
    """Yield every call of a stage, including those in groups and the fallbacks, with its place within the stage."""
    for name, operation in stage.all_operations.items():
        if operation.calls:
            yield from all_calls(operation.calls, calls_place(name))


def calls_place(operation: str) -> Keys:
    """Return the place of an operation's calls within its stage."""
    return ("operations", operation, "calls") if operation else ("calls",)


def label(node: Node) -> str:
    """Return a node as a file names it: `cart.read`, or `cart`."""
    return f"{node[0]}.{node[1]}" if node[1] else node[0]


def headers_of(stage: Stage) -> list[tuple[str, Headers]]:
    """Return the headers of a stage's calls, each with the place of the call."""
    return [(f"{place_of(keys)}.headers", call.headers) for keys, call in calls_of(stage) if call.headers is not None]


def place_of(keys: Keys) -> str:
    """Return a place as an error names it: `calls[0].parallel[1]`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def edges(stages: Mapping[str, Stage]) -> Iterator[tuple[str, str]]:
    """Yield every call as (caller, called), in the order of the file."""
    for name, stage in stages.items():
        for _, call in calls_of(stage):
            yield name, call.to


def operation_edges(stages: Mapping[str, Stage]) -> Iterator[tuple[str, Node]]:
    """Yield every call as (caller, called operation), each once, in the order of the file."""
    yield from dict.fromkeys(
        (name, (call.to, call.operation)) for name, stage in stages.items() for _, call in calls_of(stage)
    )


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
    reached = _reached(_successors(topology.stages), name)
    return tuple(other for other in topology.stages if other in reached)


def _reached(following: Mapping[str, Sequence[str]], name: str) -> set[str]:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        found = set(following[waiting.pop()]) - reached
        reached |= found
        waiting += found
    return reached


def called_first(topology: Topology) -> tuple[str, ...]:
    """Return the stages with each after all that it calls: the order to start them in.

    Of services that call each other in a circle, the one where messages enter comes after what it calls.
    """
    return tuple(graphlib.TopologicalSorter(_without_circles(_successors(topology.stages))).static_order())


def operations_called_first(stages: Mapping[str, Stage]) -> tuple[Node, ...]:
    """Return the operations with each after all that it calls. Raise graphlib.CycleError if they form a cycle."""
    return called_first_in(operation_graph(stages))


def called_first_in(graph: Mapping[Node, Sequence[Node]]) -> tuple[Node, ...]:
    """Return the nodes of what `operation_graph` returns, each after all that it calls. Raise graphlib.CycleError."""
    return tuple(graphlib.TopologicalSorter(graph).static_order())


def operation_graph(stages: Mapping[str, Stage]) -> dict[Node, list[Node]]:
    """Return for each operation those that it calls, each once; calls to what is not there are left out."""
    nodes = {(name, operation) for name, stage in stages.items() for operation in stage.all_operations}
    return {
        (name, operation): [
            to for to in dict.fromkeys((call.to, call.operation) for _, call in all_calls(made.calls)) if to in nodes
        ]
        for name, stage in stages.items()
        for operation, made in stage.all_operations.items()
    }


def callers_stopped_before(topology: Topology) -> dict[str, list[str]]:
    """Return for every stage its callers that stop before it: all but itself and those that call back in a circle."""
    found: dict[str, list[str]] = {name: [] for name in topology.stages}
    for caller, called in _without_circles(_successors(topology.stages)).items():
        for name in called:
            found[name].append(caller)
    return found


def _without_circles(successors: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the successors of each stage without the calls that lead back to one on the way from an entry."""
    left: dict[str, list[str]] = {name: [] for name in successors}
    for caller, called, leads_back in calls_from_entries(successors):
        if not leads_back:
            left[caller].append(called)
    return left


def calls_from_entries(successors: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, bool]]:
    """Yield every call, depth first from where messages enter, as (caller, called, whether it leads back).

    A call leads back if it is one of a stage on the way to it, or of the caller itself.
    """
    called = {to for name, following in successors.items() for to in following if to != name}
    ended: set[str] = set()
    for entry in sorted(successors, key=lambda name: name in called):
        way = {entry: iter(successors[entry])} if entry not in ended else {}
        while way:
            caller, rest = next(reversed(way.items()))
            to = next(rest, None)
            if to is None:
                del way[caller]
                ended.add(caller)
                continue
            yield caller, to, to in way
            if to not in way and to not in ended:
                way[to] = iter(successors[to])


def circles(topology: Topology) -> dict[str, tuple[str, ...]]:
    """Return for each stage that its own calls can lead back to all the stages of which that is so, itself included."""
    before = callers_stopped_before(topology)
    callers_of, following = callers_by_stage(topology), _successors(topology.stages)
    found: dict[str, tuple[str, ...]] = {}
    for name, calling in callers_of.items():
        if name not in found and set(calling) - set(before[name]):
            members = _reached(following, name) & _reached(callers_of, name)
            circle = tuple(other for other in topology.stages if other in members)
            found |= dict.fromkeys(circle, circle)
    return found


def stopping_order(topology: Topology) -> Iterator[tuple[str, ...]]:
    """Yield the stages in groups so that each is called only by stages of the groups before, or of its own circle."""
    circle_of = circles(topology)
    first = {name: circle_of.get(name, (name,))[0] for name in topology.stages}
    before: dict[str, dict[str, None]] = {one: {} for one in first.values()}
    for name, calling in callers_by_stage(topology).items():
        before[first[name]] |= {first[caller]: None for caller in calling if first[caller] != first[name]}
    sorter = graphlib.TopologicalSorter(before)
    sorter.prepare()
    while sorter.is_active():
        ready = sorter.get_ready()
        yield tuple(name for one in ready for name in circle_of.get(one, (one,)))
        sorter.done(*ready)


def callers_first(topology: Topology) -> Iterator[tuple[str, ...]]:
    """Yield the stages in groups so that each is called only by stages of the groups before, but for circles."""
    sorter = graphlib.TopologicalSorter(callers_stopped_before(topology))
    sorter.prepare()
    while sorter.is_active():
        names = sorter.get_ready()
        yield names
        sorter.done(*names)


def _successors(stages: Mapping[str, Stage]) -> dict[str, list[str]]:
    return {
        name: list(dict.fromkeys(call.to for _, call in calls_of(stage) if call.to in stages))
        for name, stage in stages.items()
    }
