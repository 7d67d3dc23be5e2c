"""What an HTTP status means for a call."""

from __future__ import annotations

import pytest

from simulator.net.status import is_retryable, is_success


@pytest.mark.parametrize(
    ("status", "success", "retryable"),
    [
        (199, False, False),
        (200, True, False),
        (299, True, False),
        (300, False, False),
        (404, False, False),
        (408, False, False),
        (429, False, True),
        (499, False, False),
        (500, False, True),
        (599, False, True),
        (600, False, False),
        (999, False, False),
    ],
)
def test_a_status(status, success, retryable):
    """2xx is a success; after a 5xx, or too many messages, another attempt may end better."""
    assert (is_success(status), is_retryable(status)) == (success, retryable)
