"""The delays of generated stages: caches take a fraction of a millisecond, databases a few, services more."""

from __future__ import annotations

from simulator.behaviour.distributions import Delay, Exponential, Lognormal, Uniform
from simulator.generation.chance import Chance
from simulator.generation.names import Kind

_CACHE_SECONDS = ((0.0002, 0.0008), (0.0003, 0.001), (0.0005, 0.002))
_DATABASE_SECONDS = (0.002, 0.003, 0.004, 0.005, 0.008)
_ENTRY_P50_SECONDS = (0.001, 0.002, 0.003, 0.005)
_SERVICE_P50_SECONDS = (0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.012, 0.015, 0.02)
_P99_TIMES_P50 = (3, 4, 5, 6, 8, 10)
_MAX_TIMES_P99 = 10


def delay_of(name: str, kind: Kind, chance: Chance) -> Delay:
    """Return the delay of a stage."""
    if kind is Kind.CACHE:
        return Uniform(*chance.one_of(_CACHE_SECONDS, name, "delay"))
    if kind is Kind.DATABASE:
        return Exponential(chance.one_of(_DATABASE_SECONDS, name, "delay"))
    p50 = chance.one_of(_ENTRY_P50_SECONDS if kind is Kind.ENTRY else _SERVICE_P50_SECONDS, name, "p50")
    p99 = round(p50 * chance.one_of(_P99_TIMES_P50, name, "p99"), 4)
    return Lognormal(p50, p99, round(p99 * _MAX_TIMES_P99, 4))
