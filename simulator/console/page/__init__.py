"""The page that shows a run."""

from __future__ import annotations

from pathlib import Path


def assets_folder() -> Path:
    """Return the folder of its style sheets and scripts."""
    return Path(__file__).parent / "assets"
