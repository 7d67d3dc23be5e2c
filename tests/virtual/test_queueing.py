"""A stage is the queue that theory knows: Erlang C for exponential delays, Pollaczek and Khinchine for all others.

The stage under test makes its own messages by a Poisson process. Its waits are compared with the formula within four
standard errors, which are estimated from the means of batches of them (Schmeiser, "Batch size effects in the analysis
of simulation output", 1982): waits that follow each other are alike, so that their own deviation says too little.
"""

from __future__ import annotations

import math
import statistics

import pytest

from tests.support.virtual import SilentSink, run_virtual, topology_of

SERVICE_SECONDS = 0.01
BATCHES = 30
STANDARD_ERRORS = 4.0
FEW, MANY = 20_000, 1_000_000


class Waits(SilentSink):
    def __init__(self):
        self.seconds = []

    def handled(self, record):
        self.seconds.append(record.queue_wait_seconds)


def waits_of(delay, workers, utilisation, messages):
    """Return the waits of messages in the order of their ends, those of the first tenth left out."""
    rate = utilisation * workers / SERVICE_SECONDS
    stage = {
        "role": "injector",
        "delay": delay,
        "workers": workers,
        "queue": 10**6,
        "load": {"rate": f"{rate}/s", "arrivals": "poisson", "messages": messages},
        "calls": [],
    }
    waits = Waits()
    run_virtual(topology_of({"station": stage}), waits)
    assert len(waits.seconds) == messages
    return waits.seconds[messages // 10 :]


def mean_and_error(waits):
    """Return the mean, and its standard error by the means of batches."""
    size = len(waits) // BATCHES
    means = [statistics.fmean(waits[n * size : (n + 1) * size]) for n in range(BATCHES)]
    return statistics.fmean(means), statistics.stdev(means) / math.sqrt(BATCHES)


def erlang_c(workers, utilisation):
    """Return the probability that a message waits (Erlang, 1917)."""
    offered = workers * utilisation
    term = offered**workers / math.factorial(workers) / (1 - utilisation)
    return term / (sum(offered**n / math.factorial(n) for n in range(workers)) + term)


def wait_mmc(workers, utilisation):
    """Return the mean wait where delays are exponential."""
    return erlang_c(workers, utilisation) * SERVICE_SECONDS / (workers * (1 - utilisation))


def wait_mg1(utilisation, variation):
    """Return the mean wait of one worker where delays have a coefficient of variation (Pollaczek, 1930)."""
    return utilisation * SERVICE_SECONDS * (1 + variation**2) / (2 * (1 - utilisation))


def agrees(waits, expected):
    """Check a mean, and that its error is small enough to tell anything."""
    mean, error = mean_and_error(waits)
    assert abs(mean - expected) <= STANDARD_ERRORS * error, f"mean {mean:.6f}, {expected:.6f} +- {error:.6f}"
    assert error < 0.35 * expected, "the error is too large to tell anything"


def a_million_too(function):
    """Let a test run with few messages, and in the slow suite with many."""
    few, many = pytest.param(FEW, marks=pytest.mark.long), pytest.param(MANY, marks=pytest.mark.slow)
    return pytest.mark.parametrize("messages", [few, many])(function)


def test_four_workers():
    """M/M/4 at 70 %: the mean wait is Erlang's."""
    agrees(waits_of("exponential(10ms)", 4, 0.7, FEW), wait_mmc(4, 0.7))


@a_million_too
@pytest.mark.parametrize("utilisation", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("workers", [1, 4, 16])
def test_mmc(workers, utilisation, messages):
    """M/M/c: the mean wait, and the share of messages that wait, are Erlang's."""
    # Where waits are long they resemble each other, and where workers are many few messages wait at all.
    more = {(16, 0.5): 4}.get((workers, utilisation), 3 if utilisation == 0.9 else 1)
    waits = waits_of("exponential(10ms)", workers, utilisation, messages * more if messages == FEW else messages)
    agrees(waits, wait_mmc(workers, utilisation))
    agrees([float(wait > 0) for wait in waits], erlang_c(workers, utilisation))


@a_million_too
@pytest.mark.parametrize("utilisation", [0.5, 0.7, 0.9])
def test_md1(utilisation, messages):
    """M/D/1: a constant delay makes half the wait of an exponential one."""
    agrees(waits_of("constant(10ms)", 1, utilisation, messages), wait_mg1(utilisation, 0.0))


@a_million_too
@pytest.mark.parametrize("utilisation", [0.5, 0.7, 0.9])
def test_mg1(utilisation, messages):
    """M/G/1: a uniform delay has its place in between, by its variation alone."""
    variation = 1 / math.sqrt(3)  # of a uniform distribution that starts at 0
    agrees(waits_of("uniform(0ms, 20ms)", 1, utilisation, messages), wait_mg1(utilisation, variation))
