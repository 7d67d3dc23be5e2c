"""What can be foreseen of a run: how one message multiplies, which calls can't be answered in time, who is overloaded.

Means are those of a system in which nothing fails and no message waits for a worker, so that what is warned of is
rather worse.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simulator.behaviour.means import mean_delay_seconds
from simulator.topology.graph import Node, calls_place, entries, label, operations_called_first
from simulator.topology.model import Forward, Operation, Role, Stage, Topology
from simulator.topology.steps import DEFAULT_TIMEOUT, Call
from simulator.topology.traffic import Traffic
from simulator.topology.walking import all_calls
from simulator.topology.worst_case import worst_cases
from simulator.units import format_duration, format_rate, format_ratio

# A timeout that strikes every other call is hardly meant as one.
_OFTEN = 0.5
# With more entries than these the means of each are not computed: most of their messages take the same ways.
_MAX_ENTRIES = 100


@dataclass(frozen=True, kw_only=True)
class Multiplied:
    """How often a message at `entry` leads to a call of `called`: at most, and on average if nothing fails.

    None means that there are too many stages to compute it.
    """

    entry: Node
    called: Node
    max_calls: int | None
    mean_calls: float | None


class Outlook:
    """What can be foreseen of a topology."""

    def __init__(self, topology: Topology) -> None:
        self._stages = topology.stages
        nodes = [(name, key) for name in entries(topology) for key in topology.stages[name].all_operations]
        order = operations_called_first(self._stages)
        self._worst = worst_cases(self._stages, order, nodes)
        traffic = Traffic(self._stages, order)
        few = nodes[:_MAX_ENTRIES]
        self._entries = nodes
        self._means = {node: found for node in few if (found := traffic.calls(node)) is not None}
        self._seconds: dict[Node, float] = {}
        for node in self._means:
            self._seconds = dict(traffic.calls_seconds(node) or {}) | self._seconds

    def multiplied(self) -> list[Multiplied]:
        """Return for each operation that is called how often it is, from the entry from which it is most often."""
        found: dict[Node, Multiplied] = {}
        for entry in self._entries:
            most, means = self._worst.get(entry, {}), self._means.get(entry)
            for node in most or means or ():
                one = Multiplied(
                    entry=entry,
                    called=node,
                    max_calls=most.get(node),
                    mean_calls=None if means is None else means.get(node, 0.0),
                )
                if node not in found or _calls(found[node]) < _calls(one):
                    found[node] = one
        return [found[node] for node in self._nodes() if node in found]

    def _nodes(self) -> Iterator[Node]:
        return ((name, key) for name, stage in self._stages.items() for key in stage.all_operations)

    def warnings(self) -> list[str]:
        """Return what will hardly be meant: answers that come too late, retries without time, too few workers."""
        found = [
            f"{label((name, key))}: {message}"
            for name, stage in self._stages.items()
            for key, operation in stage.all_operations.items()
            for message in self._of_calls(operation, key)
        ]
        return found + list(self._overloaded())

    def _of_calls(self, operation: Operation, key: str) -> Iterator[str]:
        said = dict.fromkeys(
            message for _, call in all_calls(operation.calls, calls_place(key)) for message in self._of_call(call)
        )
        yield from said

    def _of_call(self, call: Call) -> Iterator[str]:
        late = self.late_ratio(call)
        if late >= _OFTEN:
            delay = format_duration(_rounded(self._operation(call).delay.quantile(0.5)))
            below = self._seconds.get((call.to, call.operation), 0.0)
            further = f", and its calls take {format_duration(_rounded(below))} on average" if below else ""
            yield (
                f"{_share(late)} of the calls of {call.target} will time out: the timeout is "
                f"{format_duration(call.timeout_seconds)}, and its delay is {delay} at the median{further}"
            )
        deadline, retries = call.deadline_seconds, call.retries
        if deadline is None or not retries.count:
            return
        pauses = sum(retries.pause_seconds(failed, 0.5) for failed in range(1, retries.count + 1))
        if deadline <= call.timeout_seconds < DEFAULT_TIMEOUT:
            yield (
                f"an attempt to call {call.target} that times out leaves no time for a retry: the timeout is "
                f"{format_duration(call.timeout_seconds)}, the deadline {format_duration(deadline)}"
            )
        elif pauses > deadline:
            yield (
                f"the deadline of {format_duration(deadline)} leaves no time for all retries of {call.target}: "
                f"the pauses between them take {format_duration(_rounded(pauses))} on average"
            )

    def late_ratio(self, call: Call) -> float:
        """Return the share of attempts that time out: by the called operation's delay, and the mean of its calls."""
        called = self._operation(call)
        if called.forward is Forward.ACCEPT:
            return 0.0
        below = self._seconds.get((call.to, call.operation), 0.0)
        left = call.timeout_seconds - below
        return 1.0 if left <= 0 else max(0.0, 1.0 - called.delay.cdf(left))

    def _operation(self, call: Call) -> Operation:
        return self._stages[call.to].all_operations[call.operation]

    def _overloaded(self) -> Iterator[str]:
        rates = self._rates()
        for name, stage in self._stages.items():
            per_second = sum(rates.get((name, key), 0.0) for key in stage.all_operations)
            if not per_second or stage.role is Role.INJECTOR:
                continue
            busy = sum(
                rates.get((name, key), 0.0) * (mean_delay_seconds(made.delay) + self._seconds.get((name, key), 0.0))
                for key, made in stage.all_operations.items()
            )
            seconds = busy / per_second
            taken = min(per_second, _limit(stage, per_second))
            workers = stage.workers * (stage.max_instances or stage.instances)
            if taken * seconds > workers:
                yield (
                    f"{name} has too few workers for the load: {format_rate(_rounded(taken))}, each for "
                    f"{format_duration(_rounded(seconds))}, keep {taken * seconds:.3g} busy, and there are {workers}; "
                    "its queue fills, and the rest is answered 503"
                )

    def _rates(self) -> Mapping[Node, float]:
        """Return the highest rate that each operation gets from the injectors whose rate is known, per second."""
        rates: dict[Node, float] = defaultdict(float)
        for entry, means in self._means.items():
            load = self._stages[entry[0]].load
            for node, mean in means.items():
                rates[node] += mean * (load.highest_rate_per_second if load is not None else 0.0)
        return rates


def _calls(one: Multiplied) -> tuple[float, float]:
    return one.max_calls or 0, one.mean_calls or 0.0


def _limit(stage: Stage, otherwise: float) -> float:
    return otherwise if stage.rate_limit is None else stage.rate_limit.rate_per_second * stage.instances


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _share(ratio: float) -> str:
    return "all" if ratio >= 1 else f"about {format_ratio(float(f'{ratio:.2g}'))}"
