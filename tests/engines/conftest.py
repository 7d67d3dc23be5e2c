"""What the tests of real containers share: one engine, whose images are built once."""

from __future__ import annotations

import pytest

from tests.support.engine import running_engine


@pytest.fixture(scope="session")
def engine():
    """Run Docker; from here on this process sees the engine's network and no other."""
    with running_engine() as running:
        yield running
