"""Make requirements.txt and tests/requirements.txt anew from the dependencies in pyproject.toml: `make lock`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Install what is asked for into a new environment, and write down what came of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        run = frozen_after(python, project["dependencies"])
        tests = frozen_after(python, project["optional-dependencies"]["tests"])
    write(ROOT / "requirements.txt", run)
    write(ROOT / "tests" / "requirements.txt", [line for line in tests if line not in run])


def frozen_after(python: Path, wanted: list[str]) -> list[str]:
    """Install the wanted packages and give everything that is installed then, a pinned line each."""
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", *wanted], check=True)
    frozen = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True)
    return sorted(frozen.stdout.lower().splitlines())


def write(path: Path, lines: list[str]) -> None:
    """Replace the lines of a lock, keeping the comment at its head."""
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    path.write_text("\n".join([*head, *lines, ""]))


if __name__ == "__main__":
    main()
