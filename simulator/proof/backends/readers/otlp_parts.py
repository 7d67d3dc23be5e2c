"""OTLP's JSON as the records of what a backend holds.

Backends differ in how they write it: numbers as texts or as numbers, ids in hexadecimal or base64, fields left out.
What can't be understood is counted, and the rest is read.
"""

from __future__ import annotations

import base64
import binascii
import string
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from simulator.proof.backends.held import HeldSpan

_ERROR = 2
_SPAN_ID_DIGITS, _TRACE_ID_DIGITS = 16, 32
_KINDS = {"SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2, "SPAN_KIND_CLIENT": 3}
_HEX = frozenset(string.hexdigits)
_MAX_NESTING = 20


def items(
    root: Any, outer: str, inner: str, item: str, unreadable: Counter[str]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield (attributes of the resource, item) for every item of a request, as of `resourceSpans`.

    What has another form is counted under its name.
    """
    for group in _objects(root, outer, unreadable):
        resource = attributes_of(group.get("resource"))
        for scope in _objects(group, inner, unreadable):
            for found in _objects(scope, item, unreadable):
                yield resource, found


def read_held_spans(root: Any, unreadable: Counter[str]) -> Iterator[HeldSpan]:
    """Yield the spans of `{"resourceSpans": [...]}`."""
    for resource, span in items(root, "resourceSpans", "scopeSpans", "spans", unreadable):
        try:
            yield _span(resource, span)
        except (ValueError, TypeError, AttributeError):
            unreadable["spans"] += 1


def attributes_of(bearer: Any) -> dict[str, Any]:
    """Return the attributes of a resource, span, log record or data point; of what has another form, none."""
    pairs = bearer.get("attributes") if isinstance(bearer, dict) else None
    if not isinstance(pairs, list):
        return {}
    return {
        pair["key"]: plain(pair.get("value"))
        for pair in pairs
        if isinstance(pair, dict) and isinstance(pair.get("key"), str)
    }


def plain(value: Any, depth: int = 0) -> Any:
    """Return what an AnyValue stands for; None for an empty one, and for one in another form."""
    if not isinstance(value, dict) or len(value) != 1 or depth > _MAX_NESTING:
        return None
    ((kind, content),) = value.items()
    if kind == "intValue":
        return integer(content)
    if kind == "doubleValue":
        return float(content)
    if kind == "arrayValue":
        return [plain(one, depth + 1) for one in _list(content)]
    if kind == "kvlistValue":
        return {str(pair.get("key")): plain(pair.get("value"), depth + 1) for pair in _list(content)}
    return content


def integer(given: Any) -> int:
    """Return a number that may be written as a text; 0 for a missing one. Raise ValueError for anything else."""
    if given is None:
        return 0
    if isinstance(given, bool) or not isinstance(given, (int, str)):
        raise ValueError(f"{given!r} is not an integer")
    return int(given)


def hexadecimal(given: Any, digits: int) -> str:
    """Return an id in lower-case hexadecimal, from that or from base64; "" for none or zeros."""
    if not given:
        return ""
    text = str(given)
    if len(text) != digits or not _HEX.issuperset(text):
        try:
            text = base64.b64decode(text, validate=True).hex()
        except binascii.Error:
            raise ValueError(f"{given!r} is not an id") from None
    return text.lower() if text.strip("0") else ""


def trace_id_of(bearer: Mapping[str, Any]) -> str:
    """Return the id of a span's or log record's trace, "" for none."""
    return hexadecimal(bearer.get("traceId"), _TRACE_ID_DIGITS)


def span_id_of(bearer: Mapping[str, Any], key: str = "spanId") -> str:
    """Return the id of a span or log record's span, "" for none."""
    return hexadecimal(bearer.get(key), _SPAN_ID_DIGITS)


def _span(resource: Mapping[str, Any], span: Mapping[str, Any]) -> HeldSpan:
    kind = span.get("kind", 0)
    status = span.get("status") or {}
    return HeldSpan(
        trace_id=trace_id_of(span),
        span_id=span_id_of(span),
        parent_id=span_id_of(span, "parentSpanId"),
        service=str(resource.get("service.name") or ""),
        name=str(span.get("name", "")),
        kind=_KINDS.get(kind, 0) if isinstance(kind, str) else integer(kind),
        start_unix_ns=integer(span.get("startTimeUnixNano")),
        end_unix_ns=integer(span.get("endTimeUnixNano")),
        attributes=attributes_of(span),
        is_error=status.get("code") in (_ERROR, "STATUS_CODE_ERROR"),
        resource=resource,
    )


def _objects(bearer: Any, key: str, unreadable: Counter[str]) -> Iterator[Mapping[str, Any]]:
    found = bearer.get(key) if isinstance(bearer, dict) else None
    if found is None:
        return
    if not isinstance(found, list):
        unreadable[key] += 1
        return
    for one in found:
        if isinstance(one, dict):
            yield one
        else:
            unreadable[key] += 1


def _list(content: Any) -> list[Any]:
    values = content.get("values") if isinstance(content, dict) else None
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
