"""URLs made safe to show: in a log, on a terminal, on a page, in an error."""

from __future__ import annotations

import re

_HIDDEN = "***"
_AUTHORITY_END = re.compile(r"[/?#]")
_QUERY_START = re.compile(r"[?#]")
_HOST_AND_PORT = re.compile(r"(?:\[[^\[\]@]*\]|[^:@\[\]]*)(?::[0-9]+)?")
# In a text: everything between // and @, and everything after a question mark. Both patterns take linear time.
_USER_IN_TEXT = re.compile(r"(?<=//)[^/\s@]*@(?:[^/\s@]*@)*")
_QUERY_IN_TEXT = re.compile(r"(?<=\?)[^\s'\")>\]]+")


def redacted(url: str) -> str:
    """Return a URL with `***` in place of user, password, query and fragment, all of which may hold secrets.

    The text need not be a valid URL; if it is not, everything before its last `@` is hidden.
    """
    scheme, separator, rest = url.partition("//")
    if not separator:
        scheme, rest = "", url
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    if "@" not in authority and not _HOST_AND_PORT.fullmatch(authority) and "@" in rest:
        return f"{scheme}{separator}{_HIDDEN}@{rest.rpartition('@')[2]}"
    shown = _QUERY_START.split(rest, maxsplit=1)[0]
    hidden_query = f"{rest[len(shown)]}{_HIDDEN}" if len(shown) < len(rest) else ""
    if "@" in authority:
        shown = f"{_HIDDEN}@{shown.rpartition('@')[2]}"
    return f"{scheme}{separator}{shown}{hidden_query}"


def redacted_in(text: str, *urls: str) -> str:
    """Return a text, such as a library's error, with these URLs and all others in it redacted."""
    for url in urls:
        text = text.replace(url, redacted(url)) if url else text
    return _QUERY_IN_TEXT.sub(_HIDDEN, _USER_IN_TEXT.sub(f"{_HIDDEN}@", text))
