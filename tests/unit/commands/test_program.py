"""The program knows how it was started and where its files are, in a checkout and installed alike."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.commands.program import this_program
from tests.support.processes import PROGRAM, ROOT, clean_environment


@pytest.mark.parametrize(
    ("started", "name"),
    [
        ("/home/her/.venv/bin/web-service-simulator", "web-service-simulator"),
        ("/usr/lib/python3/site-packages/simulator/__main__.py", "python -m simulator"),
        ("run_web_service.py", "python run_web_service.py"),
        ("../simulator/run_web_service.py", "python ../simulator/run_web_service.py"),
        ("/usr/local/bin/sim", "sim"),
    ],
)
def test_its_name_is_what_the_user_types(started, name):
    """So what a help text or a hint says can be typed as it stands."""
    assert this_program(Path(started)).name == name


def test_in_a_checkout_its_files_are_those_of_the_checkout():
    """Topologies are edited there, and the processes of a run are started by its front door."""
    program = this_program(Path("run_web_service.py"))
    assert (program.root, program.is_installed) == (ROOT, False)
    assert program.command == (sys.executable, str(PROGRAM))
    assert program.config == ROOT / "instance" / "config.py"


@pytest.mark.processes
@pytest.mark.parametrize("arguments", [(), ("run",), ("stage",), ("check",), ("render",), ("generate",), ("set",)])
@pytest.mark.parametrize("start", [(str(PROGRAM),), ("-m", "simulator")])
def test_help_shows_commands_as_they_were_typed(start, arguments):
    """Every line to try begins with the command of this program, and nothing names another."""
    finished = subprocess.run(
        [sys.executable, *start, *arguments, "--help"],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    typed = " ".join(["python", *start])
    tried = [line.removeprefix("  Try:").strip() for line in finished.stdout.splitlines() if " Try: " in line]
    assert tried and all(line.startswith(f"{typed} ") for line in tried)
    assert finished.stdout.startswith(f"Usage: {typed} ")
    assert "PROGRAM" not in finished.stdout


@pytest.mark.processes
def test_its_processes_do_not_import_from_the_current_folder(tmp_path):
    """A module of the user's that is called like one of the standard library breaks no process of an installed run."""
    package = tmp_path / "site" / "simulator"
    shutil.copytree(ROOT / "simulator", package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("topologies", "instance"):
        shutil.copytree(ROOT / name, package / "project" / name, ignore=shutil.ignore_patterns("config.py"))
    here = tmp_path / "here"
    here.mkdir()
    (here / "socket.py").write_text("raise SystemExit('the wrong module')\n")
    code = "import pathlib; from simulator.commands.program import this_program"
    code = f"{code}; print(*this_program(pathlib.Path('x')).command, sep='\\n')"
    environment = {**clean_environment(), "PYTHONPATH": str(package.parent)}

    def told(*command):
        return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=True).stdout

    command = told(sys.executable, "-P", "-c", code).splitlines()
    checked = told(*command, "check", "checkout")
    assert checked.startswith("checkout: 8 stages")
