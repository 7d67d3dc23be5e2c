"""The headers that carry everything but a message's body."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from wsgiref.types import WSGIEnvironment

from simulator.behaviour.conditions import DECISION_NAME
from simulator.behaviour.draws import FIRST_VISIT
from simulator.behaviour.values import Value, is_value
from simulator.errors import InvalidMessage
from simulator.stage.travel import MAX_AGE_SECONDS
from simulator.telemetry.record import NO_DECISIONS, OUTSIDE

MESSAGE_ID = "X-Message-Id"
TRACE_ID = "X-Trace-Id"
VISIT = "X-Simulator-Visit"
CALLER = "X-Simulator-Caller"
DUE = "X-Simulator-Due"
INJECTED = "X-Simulator-Injected"
DEADLINE = "X-Simulator-Deadline"
DECISIONS = "X-Simulator-Decisions"
# On the answer of a stage that is shutting down: REFUSED if it had read the message, UNREAD if it had not.
DRAINING = "X-Simulator-Draining"
REFUSED, UNREAD = "refused", "unread"
# Proves that a request comes from a stage of the run: only then do the headers above say anything.
SECRET = "X-Simulator-Secret"  # noqa: S105 - the name of a header
DEFAULT_CONTENT_TYPE = "application/octet-stream"


def wsgi_key(name: str) -> str:
    """Return where a header is in a WSGI environment."""
    return f"HTTP_{name.upper().replace('-', '_')}"


_MESSAGE_ID, _VISIT, _CALLER, _SECRET, _DEADLINE, _DECISIONS = map(
    wsgi_key, (MESSAGE_ID, VISIT, CALLER, SECRET, DEADLINE, DECISIONS)
)
_ID = re.compile(r"[A-Za-z0-9._:@+=/-]{1,128}")
_MAX_DECISIONS_CHARACTERS = 8192
_VISIT_TEXT = re.compile(r"[0-9a-f]{1,32}")


def message_id_from(environ: WSGIEnvironment) -> str | None:
    """Return the client's own id, None if it sent none. Raise InvalidMessage if it is not a valid one."""
    given = environ.get(_MESSAGE_ID)
    if given is not None and not _ID.fullmatch(given):
        raise InvalidMessage(f"{MESSAGE_ID} must be 1 to 128 letters, digits or . _ : @ + = / -")
    return given


def visit_from(environ: WSGIEnvironment) -> str:
    """Return the visit that the caller named, or the first one."""
    given = environ.get(_VISIT, "")
    return given if _VISIT_TEXT.fullmatch(given) else FIRST_VISIT


def caller_from(environ: WSGIEnvironment, known: frozenset[str]) -> str:
    """Return the calling stage, `outside` if it is not a known one."""
    given = environ.get(_CALLER, OUTSIDE)
    return given if given in known else OUTSIDE


def is_of_the_run(environ: WSGIEnvironment, secret: str) -> bool:
    """Return whether a request has the secret of the run; without one, "", every request counts as the run's."""
    # Compared in constant time, so that the duration does not reveal how much of it is right.
    return not secret or hmac.compare_digest(environ.get(_SECRET, "").encode("latin-1", "replace"), secret.encode())


def deadline_from(environ: WSGIEnvironment) -> float | None:
    """Return how long the caller still waits; None if it sent no credible value."""
    try:
        left = float(environ.get(_DEADLINE, "nan"))
    except ValueError:
        return None
    return left if abs(left) <= MAX_AGE_SECONDS else None  # which NaN is not, either


def decisions_text(decisions: Mapping[str, Value]) -> str:
    """Return the header with the decisions of a message."""
    return json.dumps(dict(decisions), separators=(",", ":"))


def decisions_from(environ: WSGIEnvironment) -> Mapping[str, Value]:
    """Return the decisions that came with a message; none if they can't be read."""
    text = environ.get(_DECISIONS)
    if text is None or len(text) > _MAX_DECISIONS_CHARACTERS:
        return NO_DECISIONS
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return NO_DECISIONS
    if not isinstance(found, dict) or not all(map(is_value, found.values())):
        return NO_DECISIONS
    return {name: value for name, value in found.items() if DECISION_NAME.fullmatch(name)}
