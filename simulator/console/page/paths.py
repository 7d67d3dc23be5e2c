"""The addresses of the views, and what stands in them."""

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
    """Return whether there is a page at a path: a view, or one item of a view that has some."""
    first, *items = path.strip("/").split("/")
    if not items:
        return first == "" or VIEWS.get(first, ("", ""))[1] == f"/{first}"
    return first in _WITH_ITEMS and len(items) == 1


def view_of(path: str) -> str:
    """Tell which view a path belongs to; an unknown one is the system's."""
    first = path.strip("/").partition("/")[0]
    return first if first in VIEWS else "system"


def item_of(path: str) -> str:
    """Give the second part of a path, the name of a stage or the id of a trace; "" where there is none."""
    return unquote(path.strip("/").partition("/")[2])


def parameter_of(search: str, name: str) -> str:
    """Give a parameter of an address; "" where there is none."""
    return parse_qs(search.lstrip("?")).get(name, [""])[-1]


def stage_path(name: str) -> str:
    """Give the address of a stage."""
    return f"/stages/{quote(name, safe='')}"


def controls_path(name: str) -> str:
    """Give the address of a stage's controls."""
    return f"/controls?stage={quote(name, safe='')}"


def traces_path(stage: str) -> str:
    """Give the address of the traces of a stage."""
    return f"/traces?stage={quote(stage, safe='')}"


def trace_path(trace_id: str, every_span: bool = False) -> str:
    """Give the address of a trace."""
    return f"/traces/{trace_id}{'?every=1' if every_span else ''}"
