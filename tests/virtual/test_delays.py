"""A stage takes the time that it drew: to the microsecond, for every kind of delay."""

from __future__ import annotations

import pytest

from simulator.behaviour.delays import parse_delay
from simulator.behaviour.draws import FIRST_VISIT, draw
from tests.support.seeds import new_seed
from tests.support.virtual import observe

MESSAGES = 500


@pytest.mark.parametrize(
    "delay",
    [
        "constant(10ms)",
        "uniform(5ms, 25ms)",
        "exponential(15ms)",
        "normal(20ms, 5ms)",
        "lognormal(p50=12ms, p99=60ms, max=100ms)",
        "percentiles(p50=10ms, p90=20ms, p99=50ms, max=80ms)",
        "pareto(min=5ms, shape=2.5, max=100ms)",
        "mixture(90%: uniform(5ms, 15ms), 10%: constant(50ms))",
    ],
)
def test_a_stage_takes_the_time_it_drew(delay):
    """Drawn is what the seed says, the stage's own time is that, and nothing is overhead."""
    seed = new_seed()
    load = {"rate": "20/s", "arrivals": "poisson", "messages": MESSAGES}
    records = observe({"stage": {"role": "injector", "load": load, "delay": delay, "calls": []}}, seed).records["stage"]
    assert len(records) == MESSAGES
    for record in records:
        expected = parse_delay(delay).quantile(draw(seed, "stage", record.arrival.message_id, FIRST_VISIT, "delay"))
        assert record.delay_drawn_seconds == pytest.approx(expected, rel=1e-12)
        assert record.duration_seconds == pytest.approx(expected, abs=1e-6)
        assert record.overhead_seconds == pytest.approx(0.0, abs=1e-6)
