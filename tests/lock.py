"""Write the locks from the dependencies in pyproject.toml: `make lock`.

deploy/requirements.txt is what a stage needs, and so its image; requirements.txt adds the console and the proof, and
tests/requirements.txt what the tests need beyond that. What is locked stays as it is, unless pyproject.toml asks for
another version; `--upgrade` takes the newest versions of everything that it allows.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


STAGE, RUN, TESTS = (ROOT / folder / "requirements.txt" for folder in ("deploy", ".", "tests"))


def main(upgrade: bool) -> None:
    """Install the dependencies into a new environment, and write the locks of what was installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        # Python 3.11 includes it and 3.12 does not: without it, it is locked only if a package requires it.
        subprocess.run([*pip(python), "uninstall", "--quiet", "--yes", "setuptools"], check=True)
        wanted = [*project["dependencies"], *itertools.chain(*extras.values())]
        kept = Path(folder) / "kept.txt"
        kept.write_text("" if upgrade else "\n".join(kept_lines(wanted)))
        stage = frozen_after(python, project["dependencies"], kept)
        run = frozen_after(python, [*extras["console"], *extras["proof"]], kept)
        tests = frozen_after(python, [*extras["tests"], *extras["propagators"]], kept)
    write(STAGE, stage)
    write(RUN, run)
    write(TESTS, [line for line in tests if line not in run])


def kept_lines(wanted: list[str]) -> list[str]:
    """Return what is locked, except for the packages of which `wanted` asks for another version."""
    asked = {canonicalize_name(one.name): one.specifier for one in map(Requirement, wanted)}
    locked = [Requirement(line) for path in (RUN, TESTS) for line in path.read_text().splitlines() if line[:1] != "#"]
    return [
        str(one)
        for one in locked
        if all(asked.get(canonicalize_name(one.name), one.specifier).contains(pin.version) for pin in one.specifier)
    ]


def frozen_after(python: Path, wanted: list[str], kept: Path) -> list[str]:
    """Install packages, those in a file as they are in it, and return a pinned line for all that is there but pip."""
    subprocess.run([*pip(python), "install", "--quiet", "--constraint", str(kept), *wanted], check=True)
    command = [*pip(python), "freeze", "--all", "--exclude", "pip"]
    frozen = subprocess.run(command, check=True, capture_output=True, text=True)
    return sorted(frozen.stdout.lower().splitlines())


def pip(python: Path) -> list[str]:
    """Return the command of an environment's pip."""
    return [str(python), "-m", "pip", "--disable-pip-version-check"]


def write(path: Path, lines: list[str]) -> None:
    """Replace the lines of a lock, keeping the comment at its head."""
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    path.write_text("\n".join([*head, *lines, ""]))


if __name__ == "__main__":
    main(upgrade="--upgrade" in sys.argv[1:])
