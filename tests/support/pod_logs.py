"""The logs of a namespace's stages, followed while their pods live: what a pod has said is soon gone with it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.cluster import Cluster
from tests.support.processes import clean_environment, read_log

_STAGES = "app.kubernetes.io/component=stage"
_NAME = "app.kubernetes.io/name"


@dataclass
class PodLogs:
    """What every container of a stage has logged that ran when `follow` was called."""

    cluster: Cluster
    namespace: str
    folder: Path
    _followers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _files: dict[str, list[Path]] = field(default_factory=dict)

    def follow(self) -> None:
        """Begin to follow every container that is new, from the first that it logged."""
        for pod in self.cluster.get("pods", "--namespace", self.namespace, "--selector", _STAGES):
            stage, name = pod["metadata"]["labels"][_NAME], pod["metadata"]["name"]
            for status in pod["status"].get("containerStatuses", ()):
                ident = status["containerID"].rpartition("/")[2] if "running" in status["state"] else ""
                if ident and ident not in self._followers:
                    self._followers[ident] = self._start(stage, name, ident)

    def _start(self, stage: str, pod: str, ident: str) -> subprocess.Popen[bytes]:
        file = self.folder / f"{stage}.{pod}.{ident[:12]}.jsonl"
        self._files.setdefault(stage, []).append(file)
        command = ["logs", "--follow", "--namespace", self.namespace, pod, "--container", "stage"]
        with file.open("wb") as out:
            return subprocess.Popen(
                [*self.cluster.command(), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
                env=clean_environment(),
            )

    def of_pod(self, pod: str) -> list[dict[str, Any]]:
        """Return what a pod has logged."""
        return [line for file in self._all() if file.name.split(".")[1] == pod for line in read_log(file)]

    def handled(self, stage: str) -> list[dict[str, Any]]:
        """Return what all pods of a stage logged of the messages they handled."""
        lines = [line for file in self._files.get(stage, ()) for line in read_log(file)]
        return [line for line in lines if line["event"] == "message.handled"]

    def _all(self) -> Iterator[Path]:
        for files in self._files.values():
            yield from files

    def close(self) -> None:
        """Stop following."""
        for follower in self._followers.values():
            follower.kill()
            follower.wait()
