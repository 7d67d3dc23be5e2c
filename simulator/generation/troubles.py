"""The faults of a generated topology, and the options by which its calls cope, at rates as in real systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from simulator.behaviour.breaker import BreakerRule
from simulator.behaviour.faults.base import Fault
from simulator.behaviour.faults.registry import parse_fault
from simulator.behaviour.retries import Retries
from simulator.generation.chance import Chance
from simulator.topology.quantities import Name, PositiveSeconds
from simulator.topology.steps import DEFAULT_TIMEOUT, Call

# They hit one message in a thousand up to one in fifty; none takes CPU time or memory from the other stages.
_FAULTS = (
    *("error(500, 0.1%)", "error(500, 0.5%)", "error(503, 0.2%)", "error(503, 1%)", "error(503, 2%)", "error(429, 1%)"),
    *("hang(200ms, 0.5%)", "hang(500ms, 0.2%)", "hang(1s, 0.1%)"),
    *("reset(0.1%)", "reset(0.5%)", "truncate(0.1%)", "truncate(0.2%)", "slow_body(2KB/s, 0.5%)"),
)
_RETRIES = (
    Retries(count=1, backoff_seconds=0.02, max_seconds=0.1, budget_ratio=0.2),
    Retries(count=2, backoff_seconds=0.02, max_seconds=0.2, budget_ratio=0.2),
    Retries(count=3, backoff_seconds=0.05, max_seconds=0.5, budget_ratio=0.1),
)
_BREAKERS = (BreakerRule(failures=5, reset_seconds=5.0), BreakerRule(failures=10, reset_seconds=10.0))
_CHOICES: Mapping[str, Sequence[Retries | BreakerRule]] = {"retries": _RETRIES, "breaker": _BREAKERS}
# By option: its field, its multiple of the called stage's mean, and its minimum. An answer rarely takes longer than the
# timeout and sometimes longer than the hedge.
_TIMES = {
    "timeout": ("timeout_seconds", 10, 0.1),
    "deadline": ("deadline_seconds", 20, 0.2),
    "hedge": ("hedge_seconds", 3, 0.02),
}
_OPTIONS = (*_CHOICES, *_TIMES, "fallback", "optional")
_MAX_OPTIONS = 3


def faults_of(name: str, faulty_ratio: float, chance: Chance) -> tuple[Fault, ...]:
    """Return the faults of a stage: one for a share of the stages, none for the others."""
    if not chance.happens(faulty_ratio, name, "faulty"):
        return ()
    return (parse_fault(chance.one_of(_FAULTS, name, "fault")),)


class Options:
    """Add options to a share of the calls, more than one to most of those.

    `mean_seconds` says how long each stage takes; `fallbacks` has the stages that a caller's calls may fall back on.
    """

    def __init__(
        self,
        share: float,
        mean_seconds: Mapping[str, float],
        fallbacks: Mapping[str, Sequence[str]],
        chance: Chance,
    ) -> None:
        self._share = share
        self._mean_seconds = mean_seconds
        self._fallbacks = fallbacks
        self._chance = chance

    def added_to(self, caller: str, call: Call) -> Call:
        """Return the call with the options that are drawn for it, if any."""
        about = f"{caller} {call.to}"
        if not self._chance.happens(self._share, about, "options"):
            return call
        count = self._chance.between(1, _MAX_OPTIONS, about, "number of options")
        for option in self._chance.shuffled(_OPTIONS, about, "option")[:count]:
            call = self._with(option, caller, call, about)
        return call

    def _with(self, option: str, caller: str, call: Call, about: str) -> Call:
        if option == "fallback":
            return self._with_fallback(caller, call, about)
        changes: dict[str, Any] = {"optional": True}
        if option in _CHOICES:
            changes = {option: self._chance.one_of(_CHOICES[option], about, option)}
        elif option in _TIMES:
            field, times_mean, low = _TIMES[option]
            changes = {field: _seconds(times_mean * self._mean_seconds[call.to], low)}
        return replace(call, **changes)

    def _with_fallback(self, caller: str, call: Call, about: str) -> Call:
        others = [name for name in self._fallbacks[caller] if name != call.to]
        if not others:
            return replace(call, optional=True)
        return replace(call, fallback=(Call(to=Name(self._chance.one_of(others, about, "fallback"))),))


def _seconds(seconds: float, low: float) -> PositiveSeconds:
    """Return a time with two digits, between `low` and the default timeout of calls."""
    return PositiveSeconds(min(DEFAULT_TIMEOUT, max(low, float(f"{seconds:.2g}"))))
