"""The ledger of a run: what became of every message, stage by stage and call by call, and whether the sums agree.

A stage's sum: what it received = what ended, by outcome, + what was in flight when its process ended. A call's sum: the
called stage received every attempt that its caller got an answer to, and some, all or none of the attempts that ended
in doubt (a timeout, a broken connection, an abandoned hedged attempt, a caller that was killed). Anything outside these
bounds was lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from simulator.telemetry import tally
from simulator.telemetry.record import OUTSIDE, CallOutcome, Outcome
from simulator.topology.graph import Node, callers_by_stage, label, operation_edges
from simulator.topology.model import OnBadLine, Topology

Counts = Mapping[str, int]
_ANSWERED = (CallOutcome.OK, CallOutcome.ERROR_STATUS)
_IN_DOUBT = (CallOutcome.TIMEOUT, CallOutcome.BROKEN, CallOutcome.ABANDONED)


@dataclass(frozen=True)
class StageLine:
    """One stage, or one `operation` of it: messages received, how they ended, and those in flight at the end."""

    stage: str
    received: int
    delivered: int
    forwarded: int
    rejected: int
    invalid: int
    faulted: int
    failed: int
    broken_off: int
    in_flight: int
    missed: int
    ended: str  # "" for a process that ended normally
    operation: str = ""


@dataclass(frozen=True)
class CallLine:
    """One edge, to an `operation` if the called stage has several: what was sent, how it ended, what was received.

    `received` is None if the called service is not of this run, and did not count it.
    `without_end` are attempts whose end a caller that ended normally has not counted: there must be none.
    """

    caller: str
    called: str
    sent: int
    answered: int
    answered_with_error: int
    unreachable: int
    in_doubt: int
    received: int | None
    without_end: int = 0
    operation: str = ""

    @property
    def target(self) -> str:
        """Return what is called as a file has it: `cart.read`, or `cart`."""
        return label((self.called, self.operation))

    @property
    def balanced(self) -> bool:
        """Return whether what was received is what can have been sent."""
        answered = self.answered + self.answered_with_error
        if self.received is None:
            return self.without_end == 0
        return self.without_end == 0 and answered <= self.received <= answered + self.in_doubt


@dataclass(frozen=True)
class Ledger:
    """The whole account, with a line for each operation of stages that have several. `problems` may be empty."""

    stages: tuple[StageLine, ...]
    calls: tuple[CallLine, ...]
    lines_read: int
    bad_lines: int
    problems: tuple[str, ...]
    operations: tuple[StageLine, ...] = ()

    @property
    def balanced(self) -> bool:
        """Return whether every sum agrees."""
        return all(call.balanced for call in self.calls) and all(map(_balances, (*self.stages, *self.operations)))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "balanced": self.balanced}


def make_ledger(
    topology: Topology,
    counts: Mapping[str, Counts],
    ended: Mapping[str, str],
    counted: Collection[str] | None = None,
) -> Ledger:
    """Return the account; `ended` says how the process of a stage ended, for those that did not end normally.

    `counted` are the stages that counted what they received, None meaning all of them.
    """
    counted = topology.stages if counted is None else counted
    calling = callers_by_stage(topology)
    stages = tuple(
        _stage_line(name, calling[name], counts[name], ended.get(name, ""))
        for name in topology.stages
        if name in counted
    )
    operations = tuple(
        _stage_line(name, calling[name], counts[name], ended.get(name, ""), operation)
        for name, stage in topology.stages.items()
        if name in counted
        for operation in stage.operations
    )
    calls = tuple(
        _call_line(caller, called, counts, caller in ended) for caller, called in operation_edges(topology.stages)
    )
    lines = sum(count[tally.LINES] for count in counts.values())
    bad = sum(count[tally.BAD_LINES] for count in counts.values())
    problems = [*_stage_problems(stages), *_call_problems(calls)]
    if bad and any(stage.input and stage.on_bad_line is OnBadLine.STOP for stage in topology.stages.values()):
        problems.append("the input was read only up to its bad line; --on-bad-line skip continues after it")
    return Ledger(stages, calls, lines, bad, tuple(problems), operations)


def _stage_line(name: str, callers: Sequence[str], counts: Counts, ended: str, operation: str = "") -> StageLine:
    received = sum(counts[tally.received_slot(caller, operation)] for caller in (*callers, OUTSIDE))
    outcomes = {str(outcome): counts[tally.outcome_slot(outcome, operation)] for outcome in Outcome}
    return StageLine(
        name,
        received,
        **outcomes,
        in_flight=received - sum(outcomes.values()),
        missed=counts[tally.MISSED],
        ended=ended,
        operation=operation,
    )


def _call_line(caller: str, called: Node, counts: Mapping[str, Counts], broken_off: bool) -> CallLine:
    own, (stage, operation) = counts[caller], called
    sent = own[tally.sent_slot(stage, operation)]
    ended: dict[CallOutcome, int] = {
        outcome: own[tally.attempt_slot(stage, outcome, operation)] for outcome in tally.ATTEMPT_OUTCOMES
    }
    without_end = sent - sum(ended.values())
    return CallLine(
        caller,
        stage,
        sent,
        ended[CallOutcome.OK],
        ended[CallOutcome.ERROR_STATUS],
        ended[CallOutcome.UNREACHABLE],
        sum(ended[outcome] for outcome in _IN_DOUBT) + (without_end if broken_off else 0),
        counts[stage][tally.received_slot(caller, operation)] if stage in counts else None,
        0 if broken_off else without_end,
        operation,
    )


def _balances(line: StageLine) -> bool:
    return line.in_flight == 0 or (line.in_flight > 0 and line.ended != "")


def _stage_problems(stages: tuple[StageLine, ...]) -> list[str]:
    problems = []
    for line in stages:
        if line.ended:
            problems.append(f"{line.stage} {line.ended}")
        if line.failed:
            problems.append(f"{line.stage}: {_messages(line.failed)} failed")
        if line.broken_off:
            problems.append(
                f"{line.stage}: {_messages(line.broken_off)} not done when the stage was stopped; "
                "a longer drain_timeout waits for them"
            )
        if line.in_flight:
            problems.append(f"{line.stage}: {_messages(line.in_flight)} still in flight at the end")
    return problems


def _call_problems(calls: tuple[CallLine, ...]) -> list[str]:
    return [
        f"{call.caller} -> {call.target} does not balance: {call.answered + call.answered_with_error} answered, "
        f"{call.in_doubt} in doubt, {f'{call.without_end} without an end, ' if call.without_end else ''}"
        f"but {'an unknown number' if call.received is None else call.received} received"
        for call in calls
        if not call.balanced
    ]


def _messages(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"
