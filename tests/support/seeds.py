"""Other seeds in each run of the tests; the one of a run that fails is in the failure.

SIMULATOR_TEST_SEED runs the same again.
"""

from __future__ import annotations

import os
import random

import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings

VARIABLE = "SIMULATOR_TEST_SEED"
FEW = 10  # for `make check`


def new_seed():
    """Return the seed of this run, and print it, so that a failure shows it."""
    chosen = int(os.environ.get(VARIABLE) or random.SystemRandom().randrange(10**9))
    print(f"{VARIABLE}={chosen}")  # noqa: T201 - pytest shows it where the test fails
    return chosen


def check_many(strategy, examples, check):
    """Call `check` with so many examples; where one fails, the error has it as YAML, and the seed of the run."""
    first = new_seed()

    @seed(first)
    @settings(
        max_examples=examples if settings.get_current_profile_name() == "project" else FEW,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(drawn):
        try:
            check(drawn)
        except Exception as error:
            text = yaml.safe_dump(drawn, sort_keys=False)
            raise AssertionError(f"with {VARIABLE}={first}:\n{text}\n{error}") from error

    each()


def drawn_with(first, strategy):
    """Return what a strategy draws with a seed; not the first, as that is the simplest there is."""
    drawn = []

    @seed(first)
    @settings(
        max_examples=5, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def each(example):
        drawn.append(example)

    each()
    return drawn[-1]
