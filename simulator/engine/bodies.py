"""What a body must be to be a message."""

from __future__ import annotations

import re

from simulator.engine.json_text import json_flaw
from simulator.errors import InvalidMessage

_JSON_TYPE = re.compile(r"application/(json|[a-z0-9.+-]+\+json)\s*(;.*)?", re.IGNORECASE)


def check_body(body: bytes, content_type: str) -> None:
    """Raise InvalidMessage for a body that is not the JSON its content type claims: an empty one is none."""
    if is_json(content_type):
        flaw = json_flaw(body) if body else "it is empty"
        if flaw is not None:
            raise InvalidMessage(f"the content type is {content_type[:100]} but the body is not JSON: {flaw}")


def is_json(content_type: str) -> bool:
    """Return whether a content type claims JSON."""
    return content_type == "application/json" or _JSON_TYPE.fullmatch(content_type) is not None
