"""What is in the wheel and the source distribution: a hook of hatchling, which pyproject.toml names.

Of a checkout only the files that git knows are packaged, whatever else lies in its folders: runs, caches, drafts, and
configurations with secrets in them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "simulator"
# What the program finds beside itself in a checkout, and in this folder of the installed package.
INSTALLED_FILES = f"{PACKAGE}/project"
PROJECT_FILES = (
    ".dockerignore",
    "deploy/Dockerfile",
    "deploy/load",
    "deploy/requirements.txt",
    "instance/config.py.sample",
    "run_web_service.py",
    "topologies",
)
_IGNORED_FOLDERS = frozenset({"__pycache__", "build", "dist", "rendered", "runs"})
_IGNORED_FILES = ("instance/config.py", "PKG-INFO")
_SHOWN = (".ci", ".dockerignore", ".gitignore")  # all else that begins with a dot is somebody's own


class PackageHook(BuildHookInterface):  # type: ignore[type-arg]
    """Add the files to what is built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a distribution is built."""
        if version == "editable":
            return  # it is the checkout
        root = Path(self.root)
        files = known_files(root)
        if files is None:
            files = all_files(root)
        places = in_wheel(files) if self.target_name == "wheel" else {file: file for file in files}
        build_data["force_include"].update({str(root / file): place for file, place in places.items()})


def in_wheel(files: Iterable[str]) -> dict[str, str]:
    """Return {file of the project: its place in the wheel} for those that belong in a wheel."""
    places = {}
    for file in files:
        if is_below(file, PACKAGE):
            places[file] = file
        elif any(is_below(file, chosen) for chosen in PROJECT_FILES):
            places[file] = f"{INSTALLED_FILES}/{file}"
    return places


def is_below(file: str, chosen: str) -> bool:
    """Return whether a file is the chosen one, or in the chosen folder."""
    return PurePosixPath(file).is_relative_to(chosen)


def known_files(root: Path) -> list[str] | None:
    """Return the files that git knows and that exist; None if the folder is not a checkout."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "ls-files", "-z"]
    try:
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return [file for file in listed.split("\0") if file and (root / file).is_file()]


def all_files(root: Path) -> list[str]:
    """Return the files of an unpacked source distribution, or of a checkout whose history is not there."""
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in paths if not _is_ignored(path))


def _is_ignored(path: Path) -> bool:
    """Return whether a file can't belong to the project: what git would ignore, what is hidden, and what is made."""
    hidden = any(part.startswith(".") for part in path.parts) and path.parts[0] not in _SHOWN
    return hidden or path.as_posix() in _IGNORED_FILES or not _IGNORED_FOLDERS.isdisjoint(path.parts)
