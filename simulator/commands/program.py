"""The program that was started, and the files that it finds by itself."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import simulator

CONFIG = Path("instance") / "config.py"
PIPELINE = Path("topologies") / "pipeline.yaml"
# What a checkout is started with, and the folder of an installed package that has the project's other files.
_FRONT_DOOR = "run_web_service.py"
_INSTALLED_FILES = "project"


@dataclass(frozen=True, kw_only=True)
class Program:
    """How the program was started, and where the project's files are.

    `name` is what the user types, `command` starts it again, as a process of a run. `root` has the folders topologies/,
    instance/ and deploy/: it is the checkout, or what an installed package has of it.
    """

    name: str
    command: tuple[str, ...]
    root: Path
    is_installed: bool

    @property
    def config(self) -> Path:
        """Return where the user's configuration of a stage is: in the checkout, or below the current folder."""
        return CONFIG if self.is_installed else self.root / CONFIG

    @property
    def how_to_configure(self) -> str:
        """Return the command that makes that configuration of the sample."""
        if self.is_installed:
            import shlex

            return f"mkdir -p {CONFIG.parent} && cp {shlex.quote(f'{self.root / CONFIG}.sample')} {CONFIG}"
        return f"cp {CONFIG}.sample {CONFIG}"


def this_program(started: Path) -> Program:
    """Return the program of this process; `started` is the file that Python or the shell has started, `sys.argv[0]`."""
    package = Path(simulator.__file__).resolve().parent
    installed = package / _INSTALLED_FILES
    command: tuple[str, ...]
    if installed.is_dir():
        # Safe (-P): modules beside the file, or in the current folder, must not replace those of the standard library.
        command = (sys.executable, "-P", str(package / "__main__.py"))
        return Program(name=_name(started), command=command, root=installed, is_installed=True)
    root = package.parent
    command = (sys.executable, str(root / _FRONT_DOOR))
    return Program(name=_name(started), command=command, root=root, is_installed=False)


def _name(started: Path) -> str:
    """Return what the user types."""
    if started.name == "__main__.py":
        return f"python -m {simulator.__name__}"
    return f"python {started}" if started.suffix == ".py" else started.name
