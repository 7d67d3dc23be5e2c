"""Stages of several sizes, all up at once, that get bursts of messages in turns: what of a stage grows.

The sizes of a subject are measured in random order in each round, so that a machine that is slow for a while is slow
for all of them.
"""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.errors import BenchmarkFailed
from benchmarks.load import BODY, closed_loop
from benchmarks.stages import BenchmarkStage, Launch, free_ports, ours, running, running_in_one_process

_CONNECTIONS = 8
_BURST_SECONDS = 120.0  # the bound of a burst, which ends after its messages
_READY_SECONDS = 120.0
_MAX_VISITED = 50
# Spans are sent soon, so that sending them is part of the burst that they belong to.
_SOON: Mapping[str, str] = {"OTEL_BSP_SCHEDULE_DELAY": "200"}

# Returns the CPU seconds of a message in a burst.
Burst = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Where stages send messages and spans, and the folder for their files."""

    sink: str
    collector: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What grows, in which sizes, and how it is run: what is yielded has a burst for each size.

    `is_divided` is whether the cost of one of so many is worth a column.
    """

    title: str
    unit: str = ""
    is_divided: bool = False
    sizes: Sequence[int]
    run: Callable[[Ends, Sequence[int]], contextlib.AbstractContextManager[Mapping[int, Burst]]]


def in_turns(bursts: Mapping[int, Burst], rounds: int) -> dict[int, list[float]]:
    """Return the CPU seconds per message of each size, a value per round, after a round that warms up."""
    order, turns = list(bursts), random.Random(7)
    costs: dict[int, list[float]] = {size: [] for size in bursts}
    for number in range(rounds + 1):
        turns.shuffle(order)
        for size in order:
            cost = bursts[size]()
            if number:
                costs[size].append(cost)
    return costs


@contextlib.contextmanager
def bodies(ends: Ends, sizes: Sequence[int]) -> Iterator[Mapping[int, Burst]]:
    """Yield a burst per size of the body, to one stage that sends it on."""
    with running(_prompt, ["middle"], ends.sink, ends.collector, ends.folder) as stages:
        yield {size: functools.partial(burst, stages, _messages(size / 100_000), _body(size)) for size in sizes}


@contextlib.contextmanager
def fan_outs(ends: Ends, sizes: Sequence[int]) -> Iterator[Mapping[int, Burst]]:
    """Yield a burst per number of calls, to a stage of its own that makes so many calls in order."""
    with contextlib.ExitStack() as stack:
        bursts = {}
        for size in sizes:
            calls = ",".join(f"call{number}={ends.sink}" for number in range(size))
            stages = stack.enter_context(running(_prompt, ["middle"], calls, ends.collector, _folder(ends, size)))
            bursts[size] = functools.partial(burst, stages, _messages(size / 2))
        yield bursts


@contextlib.contextmanager
def depths(ends: Ends, sizes: Sequence[int]) -> Iterator[Mapping[int, Burst]]:
    """Yield a burst per number of calls from stage to stage, all of a row in one process.

    A last stage takes the calls of all, so that every other one does the same.
    """
    with contextlib.ExitStack() as stack:
        bursts = {}
        for size in sizes:
            ports = free_ports(size + 1)
            calls = [*(f"calls: [s{number + 1}]" for number in range(size)), "role: terminator"]
            keys = {f"s{number}": f"port: {port}, {calls[number]}" for number, port in enumerate(ports)}
            bursts[size] = functools.partial(
                burst, [stack.enter_context(_one_process(ends, size, keys))], _messages(size / 2)
            )
        yield bursts


@contextlib.contextmanager
def operations(ends: Ends, sizes: Sequence[int]) -> Iterator[Mapping[int, Burst]]:
    """Yield a burst per number of operations of a stage, to the last of them."""
    with contextlib.ExitStack() as stack:
        bursts = {}
        for size in sizes:
            listed = ", ".join(f"o{number}: {{path: /o{number}/orders}}" for number in range(size))
            keys = {"s": f"port: {free_ports(1)[0]}, role: terminator, operations: {{{listed}}}"}
            stage = stack.enter_context(_one_process(ends, size, keys))
            url = f"http://127.0.0.1:{stage.port}/o{size - 1}/orders"
            bursts[size] = functools.partial(burst, [stage], _messages(1), urls=[url])
        yield bursts


@contextlib.contextmanager
def running_packed_stages(
    ends: Ends, size: int, variables: Mapping[str, str] = _SOON
) -> Iterator[tuple[BenchmarkStage, Burst]]:
    """Run so many stages in one process, each the last one; yield it, and a burst to up to 50 of them."""
    ports = free_ports(size)
    keys = {f"s{number}": f"port: {port}, role: terminator" for number, port in enumerate(ports)}
    with _one_process(ends, size, keys, variables) as stage:
        urls = [f"http://127.0.0.1:{port}/messages" for port in ports[:: -(-size // _MAX_VISITED)]]
        yield stage, functools.partial(burst, [stage], max(_messages(1), 2 * len(urls)), urls=urls)


def burst(
    stages: Sequence[BenchmarkStage], messages: int, body: bytes = BODY, urls: Sequence[str] | None = None
) -> float:
    """Send so many messages, by default to the first stage, and return the CPU seconds of each in all stages."""
    to, sent = urls or [stages[0].url], 0
    before = sum(stage.cpu_seconds() for stage in stages)
    for url in to:
        sent += closed_loop(url, _CONNECTIONS, _BURST_SECONDS, messages // len(to), body).messages
    if sent != messages // len(to) * len(to):
        raise BenchmarkFailed(f"{sent} of {messages} messages were answered in {_BURST_SECONDS:g} s")
    return (sum(stage.cpu_seconds() for stage in stages) - before) / sent


def _messages(work: float) -> int:
    """Return how many messages make a burst long enough to be measured, if one takes so many times the usual CPU."""
    return max(25, round(200 / max(1.0, work)))


def _body(size: int) -> bytes:
    return b'{"note": "%s"}' % (b"x" * (size - len(b'{"note": ""}')))


def _prompt(name: str, downstream: str | None) -> Launch:
    return replace(ours(name, downstream), variables=_SOON)


def _one_process(
    ends: Ends, size: int, keys: Mapping[str, str], variables: Mapping[str, str] = _SOON
) -> contextlib.AbstractContextManager[BenchmarkStage]:
    return running_in_one_process(keys, ends.collector, _folder(ends, size), variables, _READY_SECONDS)


def _folder(ends: Ends, size: int) -> Path:
    folder = ends.folder / str(size)
    folder.mkdir(parents=True)
    return folder
