"""A run to show."""

import pytest

from tests.support.watched import watched


@pytest.fixture
def run(tmp_path):
    """Return a run of the pipeline that was looked at."""
    run = watched(tmp_path)
    run.look()
    return run
