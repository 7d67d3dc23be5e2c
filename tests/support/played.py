"""What must become of a message in a chain of stages, worked out from its seed alone: no kernel, no wire, no engine.

The stages are s0 -> s1 -> ... -> sn, written as in a file; each waits for an answer as long as its call's timeout and
makes as many attempts as its retries say. No stage may have too few workers for its messages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.behaviour.draws import FIRST_VISIT, draw, next_visit
from tests.support.drawn import pause_seconds

# By a client, another attempt is made after these.
_RETRYABLE = {429, *range(500, 600)}
_STEPS_PER_SECOND = 10.0


@dataclass(frozen=True, kw_only=True)
class Played:
    """A visit: its outcome and faults, and when, in seconds after its start, it ends."""

    outcome: str
    faults: tuple[str, ...]
    seconds: float
    answered_at: float
    code: int | None  # None: the answer is broken
    injected: bool
    withheld_at: float  # when the caller hears that an injected fault may keep the answer back


class Chain:
    """The visits of the messages of a topology that is a chain: `visits` by (stage, message id, visit)."""

    def __init__(self, topology):
        self._topology = topology
        self._names = list(topology.stages)
        self.visits = {}

    def play(self, message):
        """Play a message through from the first stage."""
        self._visit(0, message, FIRST_VISIT, math.inf)

    def _visit(self, level, message, visit, patience):
        """Play a visit whose caller waits for so long."""
        name = self._names[level]
        stage = self._topology.stages[name]
        accepts = str(stage.forward) == "accept"

        def u(purpose):
            return draw(self._topology.seed, name, message, visit, purpose)

        hits = [fault for number, fault in enumerate(stage.faults) if fault.hits(u(f"fault {number} {fault.name}"))]
        faults = [fault.name for fault in hits if fault.name == "memory"]
        now, withheld_at = stage.delay.quantile(u("delay")), math.inf
        outcome, code, injected = "forwarded" if stage.calls else "delivered", 200, False
        for fault in hits:
            if fault.name in ("memory", "slow_body", "truncate"):
                continue
            faults.append(fault.name)
            if fault.withholds_answer:
                withheld_at = min(withheld_at, now)
            if fault.name in ("hang", "cpu"):
                now += fault.duration_seconds
            else:
                outcome, injected = "faulted", True
                code = fault.status if fault.name == "error" else None
                break
        if not injected and stage.calls:
            now, heard_at, code, injected = self._call(level, message, visit, now, patience)
            withheld_at = min(withheld_at, heard_at)
            if code != 200:
                outcome = "faulted" if injected else "failed"
        answered_at = now
        if accepts:
            answered_at, answer, withheld_at = 0.0, 200, math.inf
        elif code == 200 and outcome != "faulted":
            answer, now, answered_at, withheld_at, outcome = self._answer(
                hits, faults, stage, now, patience, withheld_at, outcome
            )
        else:
            answer = code
        played = Played(
            outcome=outcome,
            faults=tuple(faults),
            seconds=now,
            answered_at=answered_at,
            code=answer,
            injected=injected or answer is None,
            withheld_at=withheld_at,
        )
        self.visits[name, message, visit] = played
        return played

    def _answer(self, hits, faults, stage, now, patience, withheld_at, outcome):
        """Play what faults do to a good answer."""
        spoiling = [fault for fault in hits if fault.name in ("slow_body", "truncate")]
        if not spoiling:
            return 200, now, now, withheld_at, outcome
        withheld_at = min(withheld_at, now)
        faults += [fault.name for fault in spoiling]
        truncated = any(fault.name == "truncate" for fault in spoiling)
        answered_at, rate = now, min((f.bytes_per_second for f in spoiling if f.name == "slow_body"), default=None)
        if rate is not None:
            size = stage.response_size.bytes(0.5)  # a constant
            answered_at = now + (size // 2 if truncated else size) / rate
        end = answered_at
        if answered_at > patience > now:
            # A step or two after the caller has hung up the stage finds that out.
            step = max(1, int(rate / _STEPS_PER_SECOND)) / rate
            end = min(answered_at, now + (int((patience - now) / step) + 2) * step)
        elif patience <= now:
            end = now
        return (None if truncated else 200), end, answered_at, withheld_at, "faulted" if truncated else outcome

    def _call(self, level, message, visit, now, patience):
        """Play a call with all its attempts: return when it ended, when withholding was heard of, code and flag."""
        name = self._names[level]
        (call,) = self._topology.stages[name].calls
        heard_at, all_injected = math.inf, True
        for attempt in range(1, call.retries.count + 2):
            inner = self._visit(level + 1, message, next_visit(visit, f"{name}/0", attempt), call.timeout_seconds)
            in_time = inner.answered_at < call.timeout_seconds
            if inner.withheld_at < call.timeout_seconds and inner.withheld_at <= inner.answered_at:
                heard_at = min(heard_at, now + inner.withheld_at)
            now += inner.answered_at if in_time else call.timeout_seconds
            if in_time and inner.code is not None and inner.code < 300:
                return now, heard_at, 200, False
            injected = inner.injected if in_time else inner.withheld_at < call.timeout_seconds
            all_injected = all_injected and injected
            code = inner.code if in_time else None
            if (code is not None and code not in _RETRYABLE) or attempt > call.retries.count:
                break
            u = draw(self._topology.seed, name, message, visit, f"pause {attempt} 0")
            now += pause_seconds(call.retries.backoff_seconds, call.retries.max_seconds, attempt, u)
        return now, heard_at, 502 if in_time else 504, all_injected
