"""Fixtures of several backend tests."""

from __future__ import annotations

import pytest

from tests.support.browser import running_chromium


@pytest.fixture(scope="module")
def browser():
    """One real Chromium for the tests of a module."""
    with running_chromium() as running:
        yield running
