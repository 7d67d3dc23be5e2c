"""The default pipeline's Kubernetes files on a real cluster: admitted, seen in full, restarted, scaled and killed.

Grafana is left out, since no image of it can be had without a registry. Network policies are taken by the cluster,
whose network enforces none. The tests go on from one to the next.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.support.backends import Prometheus
from tests.support.cluster import Cluster
from tests.support.collector import SERVER
from tests.support.jaeger import attribute, spans_of
from tests.support.pod_logs import PodLogs
from tests.support.processes import ROOT, wait_for
from tests.support.steady import steady_load

pytestmark = pytest.mark.timeout(900)
logger = logging.getLogger("cluster")
FILES = ROOT / "deploy/kubernetes"
NAMESPACE = "pipeline"
STAGES = ("injector", "parse", "enrich", "archive")
PORT = 8080
READY_SECONDS = 300
# A connection is replaced after ten seconds, and which pod the next one goes to is drawn.
REACHED_SECONDS = 300
GOOD = {"injector": "forwarded", "parse": "forwarded", "enrich": "forwarded", "archive": "delivered"}


@dataclass(frozen=True)
class Pipeline:
    """The pipeline on a cluster, and what its stages have logged."""

    cluster: Cluster
    logs: PodLogs

    def kubectl(self, *arguments: str) -> str:
        """Run a command of kubectl in the pipeline's namespace."""
        return self.cluster.kubectl("--namespace", NAMESPACE, *arguments, timeout_seconds=READY_SECONDS + 60)

    def address(self, service: str) -> str:
        """Return the address that a Service has in the cluster."""
        return str(self.cluster.get("service", service, "--namespace", NAMESPACE)["spec"]["clusterIP"])

    def pods(self, stage: str) -> list[dict[str, Any]]:
        """Return the pods of a stage, those too that are ending."""
        chosen = ("--namespace", NAMESPACE, "--selector", f"app.kubernetes.io/name={stage}")
        return list(self.cluster.get("pods", *chosen))

    def names(self, stage: str) -> set[str]:
        """Return the names of its pods."""
        return {pod["metadata"]["name"] for pod in self.pods(stage)}

    def settled(self, stage: str, replicas: int = 1) -> None:
        """Wait until a stage has so many pods, all of them ready, and follow their logs."""
        self.kubectl("rollout", "status", f"deployment/{stage}", f"--timeout={READY_SECONDS}s")
        wait_for(lambda: len(self.names(stage)) == replicas, f"{replicas} pods of {stage}", READY_SECONDS)
        self.logs.follow()

    def ended(self, pods: set[str]) -> None:
        """Assert that these pods have ended in order, with nothing unfinished."""
        for pod in pods:

            def last(pod: str = pod) -> dict[str, Any] | None:
                return next((line for line in self.logs.of_pod(pod) if line["event"] == "stage.stopped"), None)

            assert wait_for(last, f"the last line of {pod}")["unfinished"] == 0

    def outcomes(self, stage: str) -> Counter[str]:
        """Return how often each outcome has been logged."""
        return Counter(line["outcome"] for line in self.logs.handled(stage))

    def failures(self) -> dict[str, Counter[str]]:
        """Return every outcome but the good one."""
        found = {stage: self.outcomes(stage) for stage in STAGES}
        for stage, good in GOOD.items():
            del found[stage][good]
        return {stage: outcomes for stage, outcomes in found.items() if outcomes}


@pytest.fixture(scope="module")
def pipeline(cluster: Cluster, tmp_path_factory):
    """Bring the pipeline up as it is in deploy/."""
    began = time.monotonic()
    cluster.kubectl("apply", "--server-side", "--kustomize", str(FILES))
    names = [name for name in deployments(cluster) if name != "grafana"]
    waited = [f"deployment/{name}" for name in names]
    available = ("--for", "condition=Available", f"--timeout={READY_SECONDS}s")
    with contextlib.closing(PodLogs(cluster, NAMESPACE, tmp_path_factory.mktemp("logs"))) as logs:
        up = Pipeline(cluster, logs)
        try:
            up.kubectl("wait", *available, *waited)
        except AssertionError:
            logger.info("%s", up.kubectl("describe", "pods"))
            raise
        logger.info("%s: ready in %.1f s", ", ".join(names), time.monotonic() - began)
        logs.follow()
        yield up


def deployments(cluster):
    """Return the deployments, {name: generation}, which tells how often a specification was changed."""
    found = cluster.get("deployments", "--namespace", NAMESPACE)
    return {item["metadata"]["name"]: item["metadata"]["generation"] for item in found}


def test_every_pod_is_ready_and_confined(pipeline):
    """All but Grafana's are ready, in a namespace that lets in nothing but what is restricted."""
    for stage in (*STAGES, "jaeger", "prometheus"):
        (pod,) = pipeline.pods(stage)
        assert {"type": "Ready", "status": "True"}.items() <= condition(pod, "Ready").items()
        assert sum(status["restartCount"] for status in pod["status"]["containerStatuses"]) == 0
    namespace = pipeline.cluster.get("namespace", NAMESPACE)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    refused = pipeline.cluster.run("run", "unconfined", "--namespace", NAMESPACE, "--image", "any")
    assert 'violates PodSecurity "restricted:latest"' in refused.stderr


def condition(pod, kind):
    """Return what a pod says of one of its conditions."""
    return next(found for found in pod["status"]["conditions"] if found["type"] == kind)


def test_applied_again_nothing_changes(pipeline):
    """A second `kubectl apply --server-side` has no conflict, no warning, and changes no deployment."""
    before = deployments(pipeline.cluster)
    again = pipeline.cluster.run("apply", "--server-side", "--kustomize", str(FILES))
    assert (again.returncode, again.stderr) == (0, "")
    assert deployments(pipeline.cluster) == before


def test_a_message_from_outside_is_one_whole_trace(pipeline):
    """A message that is posted to the entry's Service goes all the way, and Jaeger has every stage's span of it."""
    headers = {"Content-Type": "text/plain", "X-Message-Id": "marked"}
    url = f"http://{pipeline.address('injector')}:{PORT}/messages"
    answer = requests.post(url, data=b"marked", headers=headers, timeout=120)
    assert answer.status_code == 200, answer.text
    jaeger = f"http://{pipeline.address('jaeger')}:16686"

    def whole():
        spans = spans_of(jaeger, answer.headers["X-Trace-Id"]) or []
        servers = {span["service"]: span for span in spans if span["kind"] == SERVER}
        return servers if servers.keys() >= set(STAGES) else None

    servers = wait_for(whole, "the trace", 60)
    assert {attribute(span, "simulator.message_id") for span in servers.values()} == {"marked"}


def test_prometheus_scrapes_every_stage(pipeline):
    """Every target is up: one for each stage, and Jaeger."""
    prometheus = Prometheus(f"http://{pipeline.address('prometheus')}:9090")

    def all_up():
        targets = prometheus.targets()
        return targets if {target["health"] for target in targets} == {"up"} else None

    assert len(wait_for(all_up, "every target", 60)) == len(STAGES) + 1


@pytest.mark.parametrize("stage", ["archive", "enrich", "parse"] * 2)
def test_a_rolling_restart_loses_nothing(pipeline, stage):
    """`kubectl rollout restart` under some 40/s, 20 of them from outside: each is answered with 200, none fails."""
    before = pipeline.names(stage)
    began = time.monotonic()
    with steady_load(pipeline.address("injector"), PORT, f"{stage}-{began:.0f}-") as clients:
        pipeline.kubectl("rollout", "restart", f"deployment/{stage}")
        pipeline.settled(stage)
        took = time.monotonic() - began
    assert not before & pipeline.names(stage)
    pipeline.ended(before)
    assert [wrong for client in clients for wrong in client.wrong] == []
    assert pipeline.failures() == {}
    sent = sum(len(client.sent) for client in clients)
    logger.info("%s: replaced in %.1f s, %d messages from outside", stage, took, sent)


def test_an_injector_finishes_before_the_next_one_begins(pipeline):
    """`kubectl rollout restart` of the injector ends it with nothing unfinished; only then comes another."""
    before = pipeline.names("injector")
    pipeline.kubectl("rollout", "restart", "deployment/injector")
    pipeline.settled("injector")
    assert not before & pipeline.names("injector")
    pipeline.ended(before)
    assert pipeline.failures() == {}


def test_scaled_up_new_pods_get_messages_and_down_nothing_is_lost(pipeline):
    """`kubectl scale` to three: each pod handles messages; and back to one: those that go finish what they have."""
    pipeline.kubectl("scale", "deployment/enrich", "--replicas", "3")
    pipeline.settled("enrich", 3)
    pods = pipeline.names("enrich")
    began = time.monotonic()

    def handled(pod):
        return sum(line["event"] == "message.handled" for line in pipeline.logs.of_pod(pod))

    wait_for(lambda: all(handled(pod) > 10 for pod in pods), "messages at every pod", REACHED_SECONDS)
    logger.info("enrich: %s in %.1f s", [handled(pod) for pod in pods], time.monotonic() - began)
    pipeline.kubectl("scale", "deployment/enrich", "--replicas", "1")
    pipeline.settled("enrich", 1)
    pipeline.ended(pods - pipeline.names("enrich"))
    assert pipeline.failures() == {}


def test_what_was_sent_arrived_exactly_once(pipeline):
    """After all of that, every message that an injector saw through has been delivered once, and none failed."""
    sent = [line["message_id"] for line in pipeline.logs.handled("injector")]
    delivered: Counter[str] = Counter()

    def all_delivered():
        delivered.clear()
        delivered.update(line["message_id"] for line in pipeline.logs.handled("archive"))
        return set(sent) <= set(delivered)

    wait_for(all_delivered, "the last lines of the archive", 60)
    assert max(Counter(sent).values()) == max(delivered.values()) == 1
    assert pipeline.failures() == {}
    logger.info("%d messages sent, %d delivered, each once", len(sent), len(delivered))


def test_a_process_that_is_killed_comes_back_and_is_told(pipeline):
    """After SIGKILL its container is started again, ready; what failed meanwhile its callers tell as failed."""
    (pod,) = pipeline.pods("enrich")
    pipeline.cluster.crash(pod["status"]["containerStatuses"][0]["containerID"])

    def back():
        (again,) = pipeline.pods("enrich")
        (status,) = again["status"]["containerStatuses"]
        return status["restartCount"] == 1 and status["ready"]

    wait_for(back, "a second container that is ready", READY_SECONDS)
    pipeline.logs.follow()
    goes_on(pipeline)
    failures = pipeline.failures()
    assert failures.keys() == {"injector", "parse"}, failures
    assert failures["parse"]["failed"] == failures["injector"]["failed"] > 0
    logger.info("killed: %s", failures)


def goes_on(pipeline):
    """Wait until messages come all the way again that set out after now."""
    known = {line["message_id"] for line in pipeline.logs.handled("injector")}

    def more():
        lines = pipeline.logs.handled("injector")
        good = [line for line in lines if line["outcome"] == GOOD["injector"] and line["message_id"] not in known]
        return len(good) >= 40

    wait_for(more, "messages that are forwarded", READY_SECONDS)


def test_a_pod_that_is_deleted_by_force_is_replaced(pipeline):
    """`kubectl delete --force` gives a pod no time; the one that follows is ready, and messages go on."""
    before = pipeline.names("enrich")
    pipeline.kubectl("delete", "pod", *before, "--grace-period", "0", "--force")
    pipeline.settled("enrich")
    assert not before & pipeline.names("enrich")
    goes_on(pipeline)
    failures = pipeline.failures()
    assert failures.keys() == {"injector", "parse"}, failures
    logger.info("killed, and deleted by force: %s", failures)


def test_deleted_nothing_is_left(pipeline):
    """`kubectl delete` takes the namespace with all that is in it."""
    pipeline.cluster.kubectl("delete", "--kustomize", str(FILES), timeout_seconds=READY_SECONDS)
    namespaces = {item["metadata"]["name"] for item in pipeline.cluster.get("namespaces")}
    assert NAMESPACE not in namespaces
