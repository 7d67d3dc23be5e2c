"""Tables as they are shown on a terminal."""

from __future__ import annotations

import re


def cells(line: str) -> list[str]:
    """Return what stands in the columns of a line."""
    return re.split(r"\s{2,}", line.strip())
