"""Every command in the README and in docs/ does what the text says, in a copy of the checkout."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.backends import free_port
from tests.support.processes import ROOT, clean_environment

PAGES = [page.read_text() for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))]
# Commands that are run elsewhere: by test_run_command, by whoever runs the tests, and by the benchmarks themselves.
ELSEWHERE = {"make demo", "make stack", "make test", "make bench", "source .venv/bin/activate"}
UNTIL_READY = "until curl -sf http://127.0.0.1:%s/readyz; do sleep 0.1; done"
UNTIL_ANSWERED = "until curl -s -o answer http://127.0.0.1:%s/; do sleep 0.1; done"
# A file may have ports of its own, which the commands and other files name, too: each becomes a free one.
PORTS = re.compile(r"\b808[3-9]\b")
TOPOLOGY, BLOCK = (
    re.compile(f"^```{start}(.*?)^```", re.MULTILINE | re.DOTALL)
    for start in (r"yaml\n# ([a-z]+\.yaml)\n", r"console\n")
)
TOPOLOGIES = dict(found for page in PAGES for found in TOPOLOGY.findall(page))
BLOCKS = [block for page in PAGES for block in BLOCK.findall(page)]


def commands(block: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("simulator", "topologies", "instance", "deploy", "grafana"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "config.py"))
    shutil.copy(ROOT / "run_web_service.py", folder)
    sample = folder / "instance" / "config.py.sample"
    sample.write_text(sample.read_text().replace("PORT = 8080", f"PORT = {free_port()}"))
    for name, text in TOPOLOGIES.items():
        (folder / name).write_text(with_free_ports(text))
    (folder / "orders.jsonl").write_text('{"order": 1}\n{"order": 2}\n')
    return folder


@functools.cache
def free_port_for(_: str) -> str:
    return str(free_port())


def with_free_ports(text: str) -> str:
    return PORTS.sub(lambda found: free_port_for(found[0]), text)


def port_of(command: str) -> str:
    """Return the port of a command that runs in the background: its own, or that of its topology."""
    named = re.search(r"--port (\d+)", command)
    topology = re.search(r"run (\S+\.yaml)", command)
    return named[1] if named else re.search(r"port: (\d+)", TOPOLOGIES[topology[1]])[1]


def script(block: str, configured_port: int) -> str:
    """Make a shell script of a block: what runs in the background is waited for, and what runs for ever interrupted.

    Both only once they are ready. With job control (-m) a background job can be interrupted.
    """
    lines = ["set -em"]
    for command in commands(block):
        if command in ELSEWHERE:
            continue
        if command == "python run_web_service.py":
            lines += [f"{command} &", UNTIL_READY % configured_port, "kill -INT %1", "wait %1"]
            continue
        lines.append(command)
        if server := re.search(r"http\.server (\d+).*&$", command):
            lines.append(UNTIL_ANSWERED % server[1])
        elif command.endswith("&"):
            lines.append(UNTIL_READY % port_of(command))
    text = re.sub(r"^kill %1.*", "kill $(jobs -p); wait", "\n".join(lines), flags=re.MULTILINE)
    text = with_free_ports(text)
    for port in set(re.findall(r"\b808\d\b", text)):
        text = text.replace(port, str(free_port()))
    return text


@pytest.mark.parametrize("block", BLOCKS, ids=[commands(block)[0][:40] for block in BLOCKS])
def test_the_commands_of_the_readme_work(checkout: Path, block: str):
    """A block of commands, run as it stands, comes to a good end."""
    configured = re.search(r"^PORT = (\d+)", (checkout / "instance" / "config.py.sample").read_text(), re.MULTILINE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    finished = subprocess.run(
        ["bash", "-c", script(block, int(configured[1]))],
        cwd=checkout,
        env={**clean_environment(), "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout.decode() + finished.stderr.decode()
    for line in block.splitlines():
        if line.startswith(("{", "simulator_", "db_client_")) and "..." not in line:
            assert line in finished.stdout.decode()
