"""How slow a machine is while a test runs that measures time: what a slow machine can't do says nothing of the code."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

_NUMBER = r"[-(]*[0-9][0-9.e+-]*[^=!]{0,40}"
_OF_TIME = re.compile(rf"assert {_NUMBER} [<>]=? |within {_NUMBER} s|did not come about|Timeout |with timeout [0-9]+ms")
# What the work below takes on one free core of the machine that the bounds of the tests are for.
_NOMINAL_SECONDS = 0.45e-3
# Twenty pieces of work a second cost a hundredth of a core. Their mean tells of all that the tests' own processes meet:
# slow cores, others that want them, and a quota that is used up.
_PROGRAM = """
import select, sys, time
took = []
while not select.select([sys.stdin], [], [], 0.05)[0]:
    begin = time.perf_counter()
    total = 0
    for number in range(20_000):
        total += number
    took.append(time.perf_counter() - begin)
print(sum(took) / len(took) if took else 0)
"""


@contextlib.contextmanager
def yardstick() -> Iterator[Callable[[], float]]:
    """Measure in the body of the `with`; what is given ends that and returns how many times slower the machine was."""
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as measuring:

        def times_slower() -> float:
            return float(measuring.communicate()[0]) / _NOMINAL_SECONDS

        try:
            yield times_slower
        finally:
            measuring.kill()


def is_of_time(error: BaseException) -> bool:
    """Return whether a slow machine can be the cause: of a number beyond its bound, or of a wait that was long."""
    is_timeout = isinstance(error, (TimeoutError, subprocess.TimeoutExpired)) or "Timeout" in type(error).__name__
    return is_timeout or _OF_TIME.search(str(error)) is not None
