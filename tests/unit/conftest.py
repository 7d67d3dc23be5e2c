"""What holds for unit tests: they start no processes, but for those that say so."""

from __future__ import annotations

import sys

import pytest

_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "pty.spawn"}
_started: list[str] = []


def _watch(event: str, _: object) -> None:
    if event in _STARTS:
        _started.append(event)


sys.addaudithook(_watch)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Forget what was started before this test and its fixtures."""
    _started.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail a test that starts a process without the mark by which `make check` leaves it out."""
    result = yield
    if _started and item.get_closest_marker("processes") is None:
        pytest.fail(f"it starts a process ({_started[0]}): mark it with @pytest.mark.processes")
    return result
