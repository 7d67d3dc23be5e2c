"""The components of a page, for tests: every component of a tree, its texts, its addresses and its size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dash.development.base_component import Component
from plotly.utils import PlotlyJSONEncoder

_ADDRESSES = ("href", "src", "action", "srcDoc")


def components(tree: Any) -> Iterator[Component]:
    """Yield every component of a tree, parents before children."""
    if isinstance(tree, Component):
        yield tree
        yield from components(getattr(tree, "children", None))
    elif isinstance(tree, (list, tuple)):
        for part in tree:
            yield from components(part)


def texts(tree: Any) -> list[str]:
    """Return every text that is shown, from the top."""
    if isinstance(tree, (list, tuple)):
        return [text for part in tree for text in texts(part)]
    if isinstance(tree, Component):
        return texts(getattr(tree, "children", None))
    return [] if tree is None else [str(tree)]


def text_of(tree: Any) -> str:
    return "".join(texts(tree))


def properties(component: Component) -> dict[str, Any]:
    """Return a component's properties, except its children."""
    return {name: value for name, value in component.to_plotly_json()["props"].items() if name != "children"}


def addresses(tree: Any) -> list[str]:
    """Return every address that a tree links to."""
    found = [properties(part) for part in components(tree)]
    return [str(given[name]) for given in found for name in _ADDRESSES if given.get(name)]


def classes(tree: Any) -> list[str]:
    """Return the classes of every component that has some."""
    return [part.className for part in components(tree) if getattr(part, "className", None)]


def of_class(tree: Any, name: str) -> list[Component]:
    """Return the components that have at least this class."""
    return [part for part in components(tree) if name in str(getattr(part, "className", "") or "").split()]


def by_id(tree: Any, element: Any) -> Component:
    """Return the single component with an id."""
    [found] = [part for part in components(tree) if getattr(part, "id", None) == element]
    return found


def ids(tree: Any) -> list[Any]:
    """Return all ids, each as often as it occurs."""
    return [part.id for part in components(tree) if getattr(part, "id", None) is not None]


def size_of(tree: Any) -> int:
    """Return the size of a tree in bytes, as it is sent to a page."""
    return len(PlotlyJSONEncoder().encode(tree).encode())


def assert_harmless(tree: Any) -> None:
    """Check that every address is one of the page's own, and that nothing is interpreted as HTML or as a script."""
    for address in addresses(tree):
        assert address.startswith(("/", "#")) and not address.startswith("//"), address
        assert not set(address) & set("\\\"'<> \r\n\t"), address
    for part in components(tree):
        assert not (part._namespace == "dash_core_components" and part._type == "Markdown")
        assert part._type not in ("Script", "Iframe", "ObjectEl", "Embed")
        assert not [name for name in properties(part) if name.lower().startswith(("on", "dangerously"))]
