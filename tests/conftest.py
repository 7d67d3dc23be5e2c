"""What holds for every test."""

import signal

from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


def pytest_configure():
    """Be told when the terminal is gone, as are all children; under nohup, none of them would be."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
