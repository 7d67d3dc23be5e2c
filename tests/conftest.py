"""What holds for every test."""

import gc
import signal

import pytest
from hypothesis import settings

from tests.support.yardstick import is_of_time, yardstick

# How long an example takes says more about the machine than about the code.
settings.register_profile("project", deadline=None)
# `make check` is run after every change, `make test` before it goes out.
settings.register_profile("check", deadline=None, max_examples=20)
settings.load_profile("project")

BEARABLE_TIMES = 1.7
_MAX_SAID = 120


def pytest_configure():
    """Be told when the terminal is gone, as are all children; under nohup, none of them would be."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser):
    """Let the slow tests be asked for."""
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes, and no others")


def pytest_collection_modifyitems(config, items):
    """Choose the slow tests, or all others."""
    chosen, others = [], []
    for item in items:
        is_chosen = bool(item.get_closest_marker("slow")) is config.getoption("--slow")
        (chosen if is_chosen else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = chosen


def pytest_collection_finish():
    """Spare the garbage collector the thousands of tests that there are: it takes a tenth of all time otherwise."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skip a test of time, by name, that fails while the machine is found to be too slow for what it asks.

    Only what a slow machine can be the cause of: a number beyond its bound, or something that did not come in time.
    """
    if not any(item.get_closest_marker(name) for name in ("alone", "calm")):
        return (yield)
    with yardstick() as times_slower:
        try:
            return (yield)
        except (Exception, pytest.fail.Exception) as error:
            times = times_slower()
            if times <= BEARABLE_TIMES or not is_of_time(error):
                raise
            # What failed is shown, too: a test that is wrong on every machine must not hide behind a slow one.
            said = str(error).strip().partition("\n")[0][:_MAX_SAID]
            reason = (
                f"the machine was {times:.1f} times slower than one on which this test of time can be judged: {said}"
            )
    pytest.skip(reason)
