"""The paths of operations: templates such as `/carts/{id}`, in which a name in braces stands for one segment."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable

from simulator.quoting import quoted

RESERVED_PATHS = ("/healthz", "/readyz", "/metrics", "/control", "/injected")
_PATH = re.compile(r"/[A-Za-z0-9/._~:{}-]{0,200}")
_PARAMETER = re.compile(r"\{([A-Za-z][A-Za-z0-9_]{0,62})\}")


def parse_path(value: object) -> str:
    """Return the value if it is a path or a template of one. Raise ValueError otherwise."""
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise ValueError(f"{quoted(value)} must be a path like /messages or /carts/{{id}}")
    # Clients resolve these before they send, so another path would arrive.
    if "//" in value or any(segment in (".", "..") for segment in value.split("/")):
        raise ValueError(f"{quoted(value)} must have no empty segments, and none that is . or ..")
    for segment in value.split("/"):
        if ("{" in segment or "}" in segment) and not _PARAMETER.fullmatch(segment):
            raise ValueError(f"{quoted(value)} must have a name in braces for a whole segment, as in /carts/{{id}}")
    names = parameters(value)
    if len(set(names)) < len(names):
        raise ValueError(f"{quoted(value)} has a name in braces twice")
    if value in RESERVED_PATHS:
        raise ValueError(f"{quoted(value)} is reserved: {', '.join(RESERVED_PATHS)} are the stage's own")
    return value


def parameters(path: str) -> list[str]:
    """Return the names in braces, in order."""
    return _PARAMETER.findall(path)


def filled(path: str, value: Callable[[str], str]) -> str:
    """Return the path with `value(name)`, percent-encoded, in place of each name in braces."""
    if "{" not in path:
        return path
    return _PARAMETER.sub(lambda found: _segment(value(found[1])), path)


def _segment(text: str) -> str:
    # The last three would not arrive as a segment of their own.
    return "-" if text in ("", ".", "..") else urllib.parse.quote(text, safe="")


def matches(template: str, path: str) -> bool:
    """Return whether a path is one that a template stands for."""
    parts, segments = template.split("/"), path.split("/")
    return len(parts) == len(segments) and all(
        part == segment or (part.startswith("{") and segment) for part, segment in zip(parts, segments, strict=True)
    )


def overlap(one: str, other: str) -> bool:
    """Return whether some path matches both templates."""
    ones, others = one.split("/"), other.split("/")
    return len(ones) == len(others) and all(
        left == right or left.startswith("{") or right.startswith("{") for left, right in zip(ones, others, strict=True)
    )
