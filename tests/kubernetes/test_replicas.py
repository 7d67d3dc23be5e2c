"""Stages in several instances on a real cluster: pods with numbers, and pods that an autoscaler counts.

The cluster has no metrics-server, so that the autoscaler knows no more than how many there are at least.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time

import pytest

from tests.support.cluster import Cluster
from tests.support.deployed import PORT, READY_SECONDS, deployed
from tests.support.processes import PROGRAM, wait_for
from tests.support.steady import steady_load

pytestmark = pytest.mark.timeout(900)
logger = logging.getLogger("cluster")
INSTANCES = 3
FEWEST = 2
GOOD = {"clients": "forwarded", "gateway": "forwarded", "account": "delivered"}
TOPOLOGY = f"""
name: replicas
stages:
  clients: {{role: injector, load: {{rate: 10/s}}, calls: [gateway]}}
  gateway: {{instances: {FEWEST}..4, delay: "uniform(1ms, 10ms)", calls: [account]}}
  account: {{role: terminator, instances: {INSTANCES}, delay: "uniform(10ms, 60ms)"}}
"""


@pytest.fixture(scope="module")
def replicas(cluster: Cluster, tmp_path_factory):
    """Render the topology as its user would, and bring its stages up alone."""
    folder = tmp_path_factory.mktemp("replicas")
    (folder / "replicas.yaml").write_text(TOPOLOGY)
    command = [sys.executable, str(PROGRAM), "render", "kubernetes", str(folder / "replicas.yaml")]
    subprocess.run([*command, "--output", str(folder / "out")], check=True, capture_output=True, timeout=120)
    (folder / "logs").mkdir()
    with deployed(cluster, folder / "out/base", "replicas", GOOD, folder / "logs") as up:
        yield up
        up.cluster.kubectl("delete", "namespace", "replicas")


def test_each_instance_has_its_number_and_its_part(replicas):
    """Faults and logs go by an instance's number, and callers take them in turn."""

    def numbers():
        return {line["instance"] for line in replicas.logs.handled("account")}

    wanted = {str(number) for number in range(1, INSTANCES + 1)}
    wait_for(lambda: numbers() == wanted, "messages at every instance", 120)
    assert replicas.failures() == {}


def test_an_autoscaler_without_metrics_keeps_the_fewest(replicas):
    """`instances: 2..4` are two pods behind one Service, and both get messages."""
    wait_for(lambda: len(replicas.pods("gateway")) == FEWEST, "the fewest pods", READY_SECONDS)
    replicas.settled("deployment/gateway", FEWEST)
    containers = replicas.containers("gateway")

    def reached(container):
        return any(line["event"] == "message.handled" for line in replicas.logs.of_container(container))

    wait_for(lambda: all(map(reached, containers)), "messages at every pod", READY_SECONDS)
    assert replicas.failures() == {}


@pytest.mark.parametrize(("workload", "pods"), [("statefulset/account", INSTANCES), ("deployment/gateway", FEWEST)] * 2)
def test_instances_are_replaced_without_a_loss(replicas, workload, pods):
    """`kubectl rollout restart` under load; a StatefulSet ends each pod before there is another of its number."""
    began = time.monotonic()
    with steady_load(replicas.address("clients"), PORT, f"{began:.0f}-") as clients:
        before = replicas.restart(workload, pods)
        took = time.monotonic() - began
    replicas.ended(before)
    assert [wrong for client in clients for wrong in client.wrong] == []
    assert replicas.failures() == {}
    sent = sum(len(client.sent) for client in clients)
    logger.info("%s: %d pods replaced in %.1f s, %d messages from outside", workload, len(before), took, sent)
