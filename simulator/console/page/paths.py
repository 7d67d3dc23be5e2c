"""The addresses of the views, and their parts."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, unquote

VIEWS = {
    "system": ("System", "/"),
    "traces": ("Traces", "/traces"),
    "stages": ("Stages", "/stages"),
    "controls": ("Controls", "/controls"),
}


_WITH_ITEMS = ("traces", "stages")


def is_page(path: str) -> bool:
    """Return whether there is a page at a path: a view, or an item of a view that has items."""
    first, *items = path.strip("/").split("/")
    if not items:
        return first == "" or VIEWS.get(first, ("", ""))[1] == f"/{first}"
    # An external service chooses its own name, which may have slashes.
    return first == "stages" or (first in _WITH_ITEMS and len(items) == 1)


def view_of(path: str) -> str:
    """Return the view that a path belongs to; for an unknown one the system's."""
    first = path.strip("/").partition("/")[0]
    return first if first in VIEWS else "system"


def item_of(path: str) -> str:
    """Return the second part of a path, the name of a stage or the id of a trace; "" if there is none."""
    return unquote(path.strip("/").partition("/")[2])


def parameter_of(search: str, name: str) -> str:
    """Return a parameter of an address; "" if there is none."""
    return parse_qs(search.lstrip("?")).get(name, [""])[-1]


def stage_path(name: str, operation: str = "") -> str:
    """Return the address of a stage, where the delays of one of its operations are shown if it has several."""
    return f"/stages/{quote(name, safe='')}" + (f"?operation={quote(operation, safe='')}" if operation else "")


def controls_path(name: str) -> str:
    """Return the address of a stage's controls."""
    return f"/controls?stage={quote(name, safe='')}"


def traces_path(stage: str, span: str = "") -> str:
    """Return the address of the traces of a stage: those with its spans of that name, or "" for all."""
    return f"/traces?stage={quote(stage, safe='')}" + (f"&operation={quote(span, safe='')}" if span else "")


def trace_path(trace_id: str, every_span: bool = False) -> str:
    """Return the address of a trace."""
    return f"/traces/{trace_id}{'?every=1' if every_span else ''}"
