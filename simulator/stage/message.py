"""What travels: a message, and the headers that carry what is not its body."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

from werkzeug.datastructures import Headers

from simulator.behaviour.draws import FIRST_VISIT
from simulator.errors import InvalidMessage
from simulator.stage.json_text import json_flaw
from simulator.stage.travel import MAX_AGE_SECONDS, Due
from simulator.telemetry.record import OUTSIDE, Via

MESSAGE_ID = "X-Message-Id"
TRACE_ID = "X-Trace-Id"
VISIT = "X-Simulator-Visit"
CALLER = "X-Simulator-Caller"
DUE = "X-Simulator-Due"
INJECTED = "X-Simulator-Injected"
DEADLINE = "X-Simulator-Deadline"
# On the answer of a stage that shuts down: REFUSED after it had read the message, UNREAD where it had not.
DRAINING = "X-Simulator-Draining"
REFUSED, UNREAD = "refused", "unread"
# Proves that a request comes from a stage of the run: only then do the headers above say anything.
SECRET = "X-Simulator-Secret"  # noqa: S105 - the name of a header
DEFAULT_CONTENT_TYPE = "application/octet-stream"

_ID = re.compile(r"[A-Za-z0-9._:@+=/-]{1,128}")
_VISIT = re.compile(r"[0-9a-f]{1,32}")
_JSON_TYPE = re.compile(r"application/(json|[a-z0-9.+-]+\+json)\s*(;.*)?", re.IGNORECASE)


def _nothing_held() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Message:
    """A message before its handling.

    `read` gives the body, or raises InvalidMessage or Rejected; `release` is called when the body is needed no longer.

    `body_bytes` of None means that its size is not known before it is read.
    `caller` is a stage of the topology or `outside`; `due` is when its way was to begin,
    `deadline_seconds` how long the caller still waits for the answer (None: as long as it takes).
    """

    message_id: str
    visit: str
    caller: str
    via: Via
    content_type: str
    body_bytes: int | None
    due: Due
    read: Callable[[], bytes]
    deadline_seconds: float | None = None
    content_encoding: str = ""
    release: Callable[[], None] = _nothing_held


def message_id_from(headers: Headers) -> str | None:
    """Give the client's own id, None where it has none. Raise InvalidMessage where it can't be one."""
    given = headers.get(MESSAGE_ID)
    if given is not None and not _ID.fullmatch(given):
        raise InvalidMessage(f"{MESSAGE_ID} must be 1 to 128 letters, digits or . _ : @ + = / -")
    return given


def visit_from(headers: Headers) -> str:
    """Give the visit that the caller named, or the first one."""
    given = headers.get(VISIT, "")
    return given if _VISIT.fullmatch(given) else FIRST_VISIT


def caller_from(headers: Headers, known: frozenset[str]) -> str:
    """Give the calling stage, `outside` where it is none that is known."""
    given = headers.get(CALLER, OUTSIDE)
    return given if given in known else OUTSIDE


def is_of_the_run(headers: Headers, secret: str) -> bool:
    """Return whether a request bears the secret of the run; where there is none, "", every request counts as one."""
    # Compared in constant time, so that how long it takes tells nothing about how much of it is right.
    return not secret or hmac.compare_digest(headers.get(SECRET, "").encode("latin-1", "replace"), secret.encode())


def deadline_from(headers: Headers) -> float | None:
    """Give how long the caller still waits; None where it says nothing sensible."""
    try:
        left = float(headers.get(DEADLINE, "nan"))
    except ValueError:
        return None
    return left if abs(left) <= MAX_AGE_SECONDS else None  # which NaN is not, either


def check_body(body: bytes, content_type: str) -> None:
    """Raise InvalidMessage for an empty body, and for one that is not the JSON its content type claims."""
    if not body:
        raise InvalidMessage("the body is empty")
    if is_json(content_type):
        flaw = json_flaw(body)
        if flaw is not None:
            raise InvalidMessage(f"the content type is {content_type[:100]} but the body is not JSON: {flaw}")


def is_json(content_type: str) -> bool:
    """Tell whether a content type claims JSON."""
    return content_type == "application/json" or _JSON_TYPE.fullmatch(content_type) is not None
