"""What the image is built of, and what is mounted, for a user who has no checkout: from the installed package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from simulator.render.grafana import grafana_files

FOLDER = "image"
_PACKAGE = "simulator"
_SKIPPED = "__pycache__"


def image_source_files(project: Path) -> dict[str, str]:
    """Return {path: text} of a folder in which the image can be built, as it can in a checkout.

    `project` is the folder of an installed package with the other files of the project.
    """
    package = project.parent
    code = {
        f"{_PACKAGE}/{path}": text for path, text in _texts(package) if not (package / path).is_relative_to(project)
    }
    return code | dict(_texts(project)) | {f"grafana/{path}": text for path, text in grafana_files().items()}


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every file in a folder, except what Python has compiled."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and _SKIPPED not in path.parts:
            yield path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8")
