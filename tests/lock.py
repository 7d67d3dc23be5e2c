"""Write the locks from the dependencies in pyproject.toml: `make lock`.

deploy/requirements.txt is what a stage needs, and so its image; requirements.txt adds the console, and
tests/requirements.txt what the tests need beyond that.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Install the dependencies into a new environment, and write the locks of what was installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        # Python 3.11 includes it and 3.12 does not: without it, it is locked only if a package requires it.
        subprocess.run([*pip(python), "uninstall", "--quiet", "--yes", "setuptools"], check=True)
        stage = frozen_after(python, project["dependencies"])
        run = frozen_after(python, extras["console"])
        tests = frozen_after(python, extras["tests"])
    write(ROOT / "deploy" / "requirements.txt", stage)
    write(ROOT / "requirements.txt", run)
    write(ROOT / "tests" / "requirements.txt", [line for line in tests if line not in run])


def frozen_after(python: Path, wanted: list[str]) -> list[str]:
    """Install packages, and return a pinned line for everything that is installed then, except pip."""
    subprocess.run([*pip(python), "install", "--quiet", *wanted], check=True)
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
    main()
