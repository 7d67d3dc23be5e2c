"""A real Kubernetes cluster of one node for tests: in namespaces of its own, with no way out, that ends with its tests.

Its programs lie outside of the checkout, where `.ci/kubernetes` makes them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import find_cache, save_images
from tests.support.namespaces import child_of, network_of, start_within
from tests.support.owned import alone, emptied, without_cgroups
from tests.support.processes import ROOT, clean_environment, wait_for

logger = logging.getLogger("cluster")
_NODE = ROOT / "tests/kubernetes/node/node.sh"
_CGROUP = "web-service-simulator-cluster"
_UP_SECONDS = 300.0
_END_SECONDS = 60.0


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs, and the programs that it is talked to with."""

    work: Path
    programs: Path
    process: subprocess.Popen[bytes]

    def kubectl(self, *arguments: str, timeout_seconds: float = 300) -> str:
        """Run kubectl and return what it printed."""
        done = self.run(*arguments, timeout_seconds=timeout_seconds)
        if done.returncode != 0:
            printed = f"{done.stdout}{done.stderr}"[-3000:]
            raise AssertionError(f"kubectl {' '.join(arguments)} ended with {done.returncode}:\n{printed}")
        return done.stdout

    def run(self, *arguments: str, timeout_seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """Run kubectl, however it ends."""
        return subprocess.run(
            [*self.command(), *arguments],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def command(self) -> list[str]:
        """Return how kubectl is called: what it caches goes with the cluster, and never into the checkout."""
        places = ["--kubeconfig", str(self.work / "config"), "--cache-dir", str(self.work / "cache")]
        return [str(self.programs / "kubectl"), *places]

    def get(self, *arguments: str) -> Any:
        """Return what the cluster knows of one thing, or of many: their list."""
        found = json.loads(self.kubectl("get", *arguments, "--output", "json"))
        return found["items"] if found["kind"] == "List" else found

    def crash(self, container: str) -> None:
        """Kill the first process of a container, as no signal from inside of it could."""
        node = child_of(self.process)
        within = ["nsenter", "--target", str(node), "--mount", "--pid", "ctr", "--namespace", "k8s.io"]
        killed = [*within, "tasks", "kill", "--signal", "SIGKILL", container.removeprefix("containerd://")]
        subprocess.run(killed, check=True, capture_output=True, timeout=60)


def _find_programs() -> Path:
    """Return the folder of all that a cluster is made of; skip the test by name where there is none."""
    cache = find_cache() / "kubernetes"
    if not (cache / "stamp").exists():
        pytest.skip("Kubernetes is not made: run .ci/kubernetes")
    return cache


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Build every image, then run a cluster in a network of its own, which no traffic leaves."""
    cache = _find_programs()
    programs = cache / "bin"
    with alone(cache / "cluster.lock"), emptied(cache / "work") as work, without_cgroups(_CGROUP):
        save_images(work / "images.tar", programs)
        scratch, log = work / "scratch", work / "node.log"
        scratch.mkdir()
        command = [str(_NODE), str(work), str(programs)]
        began = time.monotonic()
        process = start_within(cache / "root", [work, programs, ROOT], scratch, command, log, online=False)
        cluster = Cluster(work, programs, process)
        try:
            wait_for(lambda: _begun(cluster), "the node", _UP_SECONDS)
            with network_of(process):
                wait_for(lambda: _ready(cluster), "a node that is ready", _UP_SECONDS)
                logger.info("the cluster is up in %.1f s", time.monotonic() - began)
                yield cluster
        except AssertionError:
            logger.info("%s", _last_words(work))
            raise
        finally:
            _end(process)


def _begun(cluster: Cluster) -> bool:
    """Return whether the node has its network, and how to talk to it."""
    assert cluster.process.poll() is None, _last_words(cluster.work)
    return (cluster.work / "config").exists()


def _ready(cluster: Cluster) -> bool:
    assert cluster.process.poll() is None, _last_words(cluster.work)
    waited = cluster.run("wait", "--for", "condition=Ready", "node/node", "--timeout", "5s")
    return waited.returncode == 0


def _last_words(work: Path) -> str:
    logs = [work / "node.log", *sorted((work / "logs").glob("*.log"))]
    texts = [f"{log.name}:\n{log.read_text(errors='replace')[-1000:]}" for log in logs]
    return "\n".join(texts)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the node: the first process of its namespace, which is gone when all the others are."""
    node = child_of(process)
    with contextlib.suppress(ProcessLookupError):
        os.kill(node if node is not None else process.pid, signal.SIGKILL)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
