"""What `check` says of a topology, as JSON.

name, seed        of the topology; a seed of null is drawn for each run
fits              whether this machine can start it in reasonable time
stages            by name, what the text says of each: role, delay, workers, queue and all that is not as by default,
                  with the steps of `calls` in words; its `operations` by name, whole
calls             every call with its place in the file, `from` and `to` an operation, and its options; `late_ratio`
                  is the share of its attempts that will time out, by the called operation's delay
entries           the stages where messages enter, and which
multiplied        how often a message at `entry` leads to a call of `called`: at most (`max_calls`) and on average
                  while nothing fails (`mean_calls`), null where there are too many stages to compute it
labelled_series   how many series the labels of each stage that has some make, by its name
warnings          as on standard error
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from simulator.local.call_description import in_words
from simulator.local.description import entry_words
from simulator.topology.graph import calls_place, label
from simulator.topology.labels import labelled_series
from simulator.topology.model import Operation, Stage, Topology
from simulator.topology.outlook import Outlook
from simulator.topology.steps import Call
from simulator.topology.structure import unstructure
from simulator.topology.walking import all_calls


def check_json(topology: Topology, outlook: Outlook, fits: bool, warnings: Sequence[str]) -> dict[str, Any]:
    """Return all that `check` says, as plain values."""
    of_all = unstructure(replace(topology, stages={}))
    of_all.pop("stages", None)
    return {
        **of_all,
        "name": topology.name,
        "seed": topology.seed,
        "fits": fits,
        "stages": {name: _stage(stage) for name, stage in topology.stages.items()},
        "calls": list(_calls(topology, outlook)),
        "entries": [{"stage": name, "messages": words} for name, words in entry_words(topology)],
        "multiplied": [
            {
                "entry": label(one.entry),
                "called": label(one.called),
                "max_calls": one.max_calls,
                "mean_calls": one.mean_calls,
            }
            for one in outlook.multiplied()
        ],
        "labelled_series": {name: series.count for name, series in labelled_series(topology.stages).items()},
        "warnings": list(warnings),
    }


def _stage(stage: Stage) -> dict[str, Any]:
    plain = {"role": str(stage.role), "workers": stage.workers, "queue": stage.queue, **unstructure(stage)}
    if not stage.operations:
        return _operation(stage, plain)
    operations = {name: _operation(operation) for name, operation in stage.operations.items()}
    return {"delay": str(stage.delay), **plain, "calls": in_words(stage.calls), "operations": operations}


def _operation(operation: Operation, plain: dict[str, Any] | None = None) -> dict[str, Any]:
    found = {
        "method": str(operation.method),
        "path": str(operation.path),
        "delay": str(operation.delay),
        **(unstructure(operation) if plain is None else plain),
    }
    # The plain steps hold the values of headers, and some of these are secret.
    return {**found, "calls": in_words(operation.calls)}


def _calls(topology: Topology, outlook: Outlook) -> Iterator[dict[str, Any]]:
    for name, stage in topology.stages.items():
        for key, operation in stage.all_operations.items():
            for keys, call in all_calls(operation.calls, ("stages", name, *calls_place(key))):
                yield {
                    "from": label((name, key)),
                    "place": _place(keys),
                    **_call(call),
                    "late_ratio": _late(outlook, call),
                }


def _call(call: Call) -> dict[str, Any]:
    plain = {**unstructure(call), "to": call.target}
    if call.headers is not None:
        plain["headers"] = call.headers.shown()
    if call.fallback:
        plain["fallback"] = in_words(call.fallback)
    return plain


def _late(outlook: Outlook, call: Call) -> float:
    return float(f"{outlook.late_ratio(call):.4g}")


def _place(keys: Sequence[str | int]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
