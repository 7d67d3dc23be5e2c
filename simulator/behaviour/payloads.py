"""The bodies of the messages that an injector makes up itself."""

from __future__ import annotations

CONTENT_TYPE = "application/json"


def payload(number: int, message_id: str, created: str) -> bytes:
    """Write the body of the `number`th message as one line of JSON; `created` is its due time in RFC 3339."""
    return f'{{"number": {number}, "message_id": "{message_id}", "created": "{created}"}}'.encode()
