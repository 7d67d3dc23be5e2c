"""What the called stages of a test answer, and after how long."""

from __future__ import annotations

import requests


def host(request):
    return requests.utils.urlparse(request.url).hostname


def taking(**seconds):
    """Answer well, each stage after its own time."""
    return lambda request: (seconds.get(host(request), 0.0), 200, {}, b"")


def answering(**answers):
    """Answer 200, but some stages with a status of their own, or with what they raise."""

    def answer(request):
        status = answers.get(host(request), 200)
        status, headers = status if isinstance(status, tuple) else (status, {})
        return status, headers, b""

    return answer
