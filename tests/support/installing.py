"""The package as its users get it: built from a checkout, and installed where nothing else is."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.backends import do_without
from tests.support.processes import ROOT, clean_environment

_TIMEOUT_SECONDS = 300
# What pip is told about package indexes, and how uv is told the same.
_UV_VARIABLES = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
_UV_VARIABLES |= {"cert": "SSL_CERT_FILE"}


def tracked_files() -> list[str]:
    """Return the files of this checkout that git knows; skip the test where there is no git, or none of its history."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git, or no checkout of it")
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that `make` has filled, once for all workers of a run of the tests."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_suffix(".done")
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that has failed, as this one will
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


def copy_of_checkout(folder: Path) -> Path:
    """Return a new checkout with the files of this one, as they are now."""
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for arguments in (["init", "--quiet"], ["add", "--all", "--force"]):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    return folder


def command(*words: str | Path, cwd: Path, environment: Mapping[str, str] | None = None, code: int = 0) -> str:
    """Run a command, which must end with `code`, and return what it printed on both streams."""
    finished = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**clean_environment(), **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    assert finished.returncode == code, finished.stdout[-4000:]
    return finished.stdout


def need_package_index(folder: Path) -> None:
    """Skip the test where no package index can be reached, as on a train."""
    wanted = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "0", "--dest", str(folder)]
    tried = subprocess.run([*wanted, "hatchling"], env=clean_environment(), capture_output=True, check=False)
    if tried.returncode != 0:
        do_without("no package index can be reached")


def uv(*words: str | Path, cwd: Path) -> str:
    """Run uv, with the package indexes that pip is configured with, and return what it printed."""
    program = pytest.importorskip("uv", reason="uv is in tests/requirements.txt").find_uv_bin()
    return command(program, *words, cwd=cwd, environment=_uv_environment(cwd))


def _uv_environment(cwd: Path) -> dict[str, str]:
    configured = command(sys.executable, "-m", "pip", "config", "list", cwd=cwd)
    pairs = [line.partition("=") for line in configured.splitlines()]
    told = {key.rpartition(".")[2]: value.strip("'\"") for key, _, value in pairs}
    return {
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        **{
            variable: told[key] for key, variable in _UV_VARIABLES.items() if key in told and variable not in os.environ
        },
    }
