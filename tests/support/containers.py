"""The stages of one container, as the engine that runs it sees them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests

from tests.support.backends import free_ports
from tests.support.processes import PROGRAM, clean_environment, wait_for


class Container:
    """A container's first process; the topology has PORT1 and so on where a stage's port stands."""

    def __init__(self, folder: Path, text: str, names: Sequence[str], *flags: str, out: int | None = None) -> None:
        self.ports = free_ports(len(names))
        for number, port in enumerate(self.ports, 1):
            text = text.replace(f"PORT{number}", str(port))
        path, self.out, self.err = folder / "topology.yaml", folder / "out", folder / "err"
        path.write_text(text)
        command = [sys.executable, str(PROGRAM), "stage", "--topology", str(path), *flags]
        with self.out.open("wb") as log, self.err.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, *(word for name in names for word in ("--stage", name))],
                stdout=out or log,
                stderr=errors,
                env=clean_environment({"SIMULATOR_SHUTDOWN_DELAY": "0s"}),
            )

    def ready(self) -> bool:
        """Return whether every stage says that it is ready."""
        with contextlib.suppress(requests.ConnectionError):
            return all(requests.get(f"http://127.0.0.1:{port}/readyz", timeout=10).ok for port in self.ports)
        assert self.process.poll() is None, self.err.read_text()
        return False

    def post(self, path: str = "/messages") -> requests.Response:
        """Post a message to the first stage."""
        return requests.post(f"http://127.0.0.1:{self.ports[0]}{path}", data=b"hi", timeout=60)

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of an event."""
        found = [json.loads(line) for line in self.out.read_text().rpartition("\n")[0].splitlines()]
        return [line for line in found if line["event"] == event]

    def pids(self) -> dict[str, int]:
        """Return the process of each stage."""
        return {line["stage"]: line["pid"] for line in self.lines("stage.started")}


@contextlib.contextmanager
def running_container(
    folder: Path, text: str, names: Sequence[str], *flags: str, out: int | None = None
) -> Iterator[Container]:
    """Start the stages and wait until they are ready; they are killed in the end."""
    container = Container(folder, text, names, *flags, out=out)
    try:
        wait_for(container.ready, "the stages of the container", 60)
        yield container
    finally:
        container.process.kill()  # which ends the others, too
        container.process.wait()
