"""A topology as a picture: a Mermaid flowchart, or a graph for Graphviz.

Nodes are numbered, and names are only labels, so that a name may have any characters. A service with several operations
is a box around them; a call that is not made for each message, or may fail, is dashed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from simulator.behaviour.times import ONCE
from simulator.topology.graph import Node
from simulator.topology.kinds import Kind
from simulator.topology.model import Role, Stage, Topology
from simulator.topology.steps import NO_RETRIES, Call, Choose, InOrder, Parallel, Pause, Step
from simulator.units import format_ratio

Words = tuple[str, ...]
_MERMAID_ESCAPES = str.maketrans(
    {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", "\\": "#92;"}
)
_DOT_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})
# By their names for Graphviz.
_MERMAID_SHAPES = {
    "box": ('["', '"]'),
    "oval": ('(["', '"])'),
    "cylinder": ('[("', '")]'),
    "component": ('[["', '"]]'),
}


@dataclass(frozen=True, kw_only=True)
class _Edge:
    """What a picture shows of a call."""

    begin: str
    end: str
    label: str
    dashed: bool


def mermaid(topology: Topology) -> str:
    """Return the topology as a Mermaid flowchart."""
    ids = _ids(topology.stages)
    lines = ["flowchart LR"]
    for place, (name, stage) in enumerate(topology.stages.items()):
        opening, closing = _MERMAID_SHAPES[_shape(stage)]
        nodes = [f"{ids[name, key]}{opening}{_mermaid_text(text)}{closing}" for key, text in _labels(name, stage)]
        if stage.operations:
            lines += [
                f'    subgraph s{place}["{_mermaid_text(name)}"]',
                *(f"        {node}" for node in nodes),
                "    end",
            ]
        else:
            lines += [f"    {node}" for node in nodes]
    for edge in _edges(topology.stages, ids):
        arrow = "-.->" if edge.dashed else "-->"
        label = f'|"{_mermaid_text(edge.label)}"|' if edge.label else ""
        lines.append(f"    {edge.begin} {arrow}{label} {edge.end}")
    return "\n".join(lines) + "\n"


def dot(topology: Topology) -> str:
    """Return the topology in the language of Graphviz."""
    ids = _ids(topology.stages)
    lines = [f"digraph {_dot_text(topology.name)} {{", "    rankdir=LR;", "    node [shape=box];"]
    for place, (name, stage) in enumerate(topology.stages.items()):
        shape = _shape(stage)
        nodes = [f"{ids[name, key]} [label={_dot_text(text)}, shape={shape}];" for key, text in _labels(name, stage)]
        if stage.operations:
            lines += [f"    subgraph cluster_{place} {{", f"        label={_dot_text(name)};"]
            lines += [*(f"        {node}" for node in nodes), "    }"]
        else:
            lines += [f"    {node}" for node in nodes]
    for edge in _edges(topology.stages, ids):
        said = [f"label={_dot_text(edge.label)}"] if edge.label else []
        said += ["style=dashed"] if edge.dashed else []
        attributes = f" [{', '.join(said)}]" if said else ""
        lines.append(f"    {edge.begin} -> {edge.end}{attributes};")
    return "\n".join([*lines, "}"]) + "\n"


def _ids(stages: Mapping[str, Stage]) -> dict[Node, str]:
    nodes = ((name, key) for name, stage in stages.items() for key in stage.all_operations)
    return {node: f"n{place}" for place, node in enumerate(nodes)}


def _labels(name: str, stage: Stage) -> Iterator[tuple[str, str]]:
    for key, operation in stage.all_operations.items():
        yield key, f"{key}: {operation.method} {operation.path}" if key else name


def _shape(stage: Stage) -> str:
    if stage.role is Role.INJECTOR:
        return "oval"
    if stage.kind is Kind.EXTERNAL:
        return "component"
    return "cylinder" if stage.kind.is_database else "box"


def _edges(stages: Mapping[str, Stage], ids: Mapping[Node, str]) -> Iterator[_Edge]:
    """Yield what is shown of all calls, each once."""
    found: dict[_Edge, None] = {}
    for name, stage in stages.items():
        for key, operation in stage.all_operations.items():
            for call, words, is_certain in _calls(operation.calls, (), True):
                begin, end = ids[name, key], ids[call.to, call.operation]
                found[_Edge(begin=begin, end=end, label=", ".join(words), dashed=not is_certain)] = None
    yield from found


def _calls(steps: Sequence[Step], words: Words, is_certain: bool) -> Iterator[tuple[Call, Words, bool]]:
    """Yield each call with what holds for it and the groups around it, and whether each message makes it."""
    for step in steps:
        said = (*words, *_qualifiers(step))
        certain = is_certain and step.when is None and getattr(step, "probability_ratio", 1.0) == 1
        match step:
            case Call(fallback=fallback, optional=optional):
                yield step, (*said, *_options(step)), certain and not optional
                yield from _calls(fallback, (*words, "fallback"), False)
            case Choose(choose=alternatives, ratios=ratios):
                for one, ratio in zip(alternatives, ratios, strict=True):
                    share = format_ratio(float(f"{ratio:.3g}"))
                    yield from _calls([one.step], (*said, share), certain and ratio == 1)
            case Parallel(parallel=inner, pick=pick, on_error=on_error):
                picked = () if pick is None else (f"{pick} of {len(inner)}",)
                yield from _calls(inner, (*said, *picked), certain and pick is None)
                yield from _calls(on_error, (*words, "on error"), False)
            case InOrder(steps=inner, on_error=on_error):
                yield from _calls(inner, said, certain)
                yield from _calls(on_error, (*words, "on error"), False)
            case Pause():
                continue


def _qualifiers(step: Step) -> Iterator[str]:
    times, probability = getattr(step, "times", ONCE), getattr(step, "probability_ratio", 1.0)
    if times != ONCE:
        yield f"{times} x"
    if probability < 1:
        yield format_ratio(probability)
    if step.when is not None:
        yield f"when {step.when}"


def _options(call: Call) -> Iterator[str]:
    if call.retries != NO_RETRIES:
        yield f"{call.retries.count} {'retry' if call.retries.count == 1 else 'retries'}"
    if call.hedge_seconds is not None:
        yield "hedged"
    if call.optional:
        yield "optional"


def _mermaid_text(text: str) -> str:
    return text.translate(_MERMAID_ESCAPES)


def _dot_text(text: str) -> str:
    return f'"{text.translate(_DOT_ESCAPES)}"'
