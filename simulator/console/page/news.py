"""What has changed on a page: new texts, classes and widths for its elements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class News:
    """The updates that the script on the page applies, each by the id of an element."""

    version: Any
    drawing: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    widths: dict[str, float] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    edges: list[dict[str, Any]] = field(default_factory=list)

    def text(self, element: str, text: str) -> None:
        """Set an element's text."""
        self.texts[element] = text

    def kind(self, element: str, *names: str) -> None:
        """Set an element's classes."""
        self.kinds[element] = " ".join(name for name in names if name)

    def width(self, element: str, ratio: float) -> None:
        """Set how far a bar is filled, 0 to 1."""
        self.widths[element] = round(100 * min(1.0, max(0.0, ratio)), 1)

    def title(self, element: str, text: str) -> None:
        """Set an element's tooltip."""
        self.titles[element] = text

    def as_plain(self) -> dict[str, Any]:
        """Return the updates as the script reads them."""
        return dict(vars(self))
