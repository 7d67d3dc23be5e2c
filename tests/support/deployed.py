"""The stages of a topology on a real cluster: their pods, and what became of their messages."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cluster import Cluster
from tests.support.pod_logs import PodLogs
from tests.support.processes import wait_for

READY_SECONDS = 300
PORT = 8080
logger = logging.getLogger("cluster")


@dataclass(frozen=True)
class Deployed:
    """Stages in a namespace, what they have logged, and the outcome that is good for each, {stage: outcome}."""

    cluster: Cluster
    namespace: str
    logs: PodLogs
    good: Mapping[str, str]

    def kubectl(self, *arguments: str) -> str:
        """Run a command of kubectl in the namespace."""
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, timeout_seconds=READY_SECONDS + 60)

    def get(self, *arguments: str) -> Any:
        """Return what the cluster knows of something in the namespace."""
        return self.cluster.get("--namespace", self.namespace, *arguments)

    def address(self, service: str) -> str:
        """Return the address that a Service has in the cluster."""
        return str(self.get("service", service)["spec"]["clusterIP"])

    def pods(self, stage: str) -> list[dict[str, Any]]:
        """Return the pods of a stage, those too that are ending."""
        return list(self.get("pods", "--selector", f"app.kubernetes.io/name={stage}"))

    def containers(self, stage: str) -> set[str]:
        """Return the ids of the stage's containers."""
        statuses = [status for pod in self.pods(stage) for status in pod["status"].get("containerStatuses", ())]
        return {status["containerID"] for status in statuses if status.get("containerID")}

    def restart(self, workload: str, replicas: int = 1) -> set[str]:
        """Replace every pod of a Deployment or StatefulSet, KIND/STAGE; return the containers that there were."""
        stage = workload.rpartition("/")[2]
        before = self.containers(stage)
        self.kubectl("rollout", "restart", workload)
        self.settled(workload, replicas)
        assert not before & self.containers(stage)
        return before

    def settled(self, workload: str, replicas: int = 1) -> None:
        """Follow the logs of a workload, KIND/STAGE, once it has so many pods and all of them are ready."""
        stage = workload.rpartition("/")[2]
        self.kubectl("rollout", "status", workload, f"--timeout={READY_SECONDS}s")
        wait_for(lambda: len(self.pods(stage)) == replicas, f"{replicas} pods of {stage}", READY_SECONDS)
        self.logs.follow()

    def ended(self, containers: set[str]) -> None:
        """Assert that these containers have ended in order, with nothing unfinished."""
        for container in containers:

            def last(container: str = container) -> dict[str, Any] | None:
                lines = self.logs.of_container(container)
                return next((line for line in lines if line["event"] == "stage.stopped"), None)

            assert wait_for(last, f"the last line of {container}")["unfinished"] == 0

    def failures(self) -> dict[str, Counter[str]]:
        """Return how often each outcome has been logged but the good one, {stage: {outcome: number}}."""
        found = {stage: Counter(line["outcome"] for line in self.logs.handled(stage)) for stage in self.good}
        for stage, good in self.good.items():
            del found[stage][good]
        return {stage: outcomes for stage, outcomes in found.items() if outcomes}


@contextlib.contextmanager
def deployed(
    cluster: Cluster, files: Path, namespace: str, good: Mapping[str, str], logs: Path, *apart: str
) -> Iterator[Deployed]:
    """Apply a folder's files, and wait for every workload but those `apart`; what was applied stays."""
    began = time.monotonic()
    cluster.kubectl("apply", "--server-side", "--kustomize", str(files))
    with contextlib.closing(PodLogs(cluster, namespace, logs)) as followed:
        up = Deployed(cluster, namespace, followed, good)
        names = up.kubectl("get", "deployments,statefulsets", "--output", "name").split()
        awaited = [name for name in names if name.rpartition("/")[2] not in apart]
        try:
            for name in awaited:
                up.kubectl("rollout", "status", name, f"--timeout={READY_SECONDS}s")
        except AssertionError:
            logger.info("%s", up.kubectl("describe", "pods"))
            raise
        logger.info("%d workloads of %s ready in %.1f s", len(awaited), namespace, time.monotonic() - began)
        followed.follow()
        yield up
