"""The program that was started, and the files that it looks for by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CONFIG = Path("instance") / "config.py"
PIPELINE = Path("topologies") / "pipeline.yaml"


@dataclass(frozen=True)
class Program:
    """The file that was started, and the project's folder that contains it."""

    file: Path

    @property
    def root(self) -> Path:
        """Return the project's folder."""
        return self.file.parent
