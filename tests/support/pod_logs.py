"""The logs of a namespace's stages, followed while their pods live: what a pod has said is soon gone with it."""

from __future__ import annotations

import subprocess
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
    _containers: dict[str, list[str]] = field(default_factory=dict)

    def follow(self) -> None:
        """Start to follow every container that is new, from the first that it logged."""
        for pod in self.cluster.get("pods", "--namespace", self.namespace, "--selector", _STAGES):
            for status in pod["status"].get("containerStatuses", ()):
                if "running" in status["state"] and status["containerID"] not in self._followers:
                    self._containers.setdefault(pod["metadata"]["labels"][_NAME], []).append(status["containerID"])
                    self._followers[status["containerID"]] = self._start(pod["metadata"]["name"], status["containerID"])

    def _start(self, pod: str, container: str) -> subprocess.Popen[bytes]:
        command = ["logs", "--follow", "--namespace", self.namespace, pod, "--container", "stage"]
        with self._file(container).open("wb") as out:
            return subprocess.Popen(
                [*self.cluster.command(), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
                env=clean_environment(),
            )

    def _file(self, container: str) -> Path:
        return self.folder / f"{container.rpartition('/')[2]}.jsonl"

    def of_container(self, container: str) -> list[dict[str, Any]]:
        """Return what a container has logged."""
        return read_log(self._file(container))

    def handled(self, stage: str) -> list[dict[str, Any]]:
        """Return what all containers of a stage logged of the messages they handled."""
        lines = [line for container in self._containers.get(stage, ()) for line in self.of_container(container)]
        return [line for line in lines if line["event"] == "message.handled"]

    def close(self) -> None:
        """Stop following."""
        for follower in self._followers.values():
            follower.kill()
            follower.wait()
