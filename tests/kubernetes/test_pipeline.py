"""The default pipeline's Kubernetes files on a real cluster: admitted, seen in full, restarted, scaled and killed.

Grafana is left out, since no image of it can be had without a registry. The tests go on from one to the next.
"""

from __future__ import annotations

import logging
import time
from collections import Counter

import pytest
import requests

from simulator.render.containers import IMAGE
from tests.support.backends import Prometheus
from tests.support.cluster import Cluster
from tests.support.collector import SERVER
from tests.support.deployed import PORT, READY_SECONDS, deployed
from tests.support.jaeger import attribute, spans_of
from tests.support.processes import ROOT, wait_for
from tests.support.steady import steady_load

pytestmark = pytest.mark.timeout(900)
logger = logging.getLogger("cluster")
FILES = ROOT / "deploy/kubernetes"
# A connection is replaced after ten seconds, and which pod the next one goes to is drawn.
REACHED_SECONDS = 300
# What is served in the namespace, and who tries each address and prints those that it could connect to.
SERVED = [
    *((stage, PORT) for stage in ("injector", "parse", "enrich", "archive")),
    *(("jaeger", port) for port in (4318, 8889, 16686)),
    ("prometheus", 9090),
]
CONNECT = """
import socket, sys
for address in sys.argv[1:]:
    host, port = address.split(":")
    try:
        socket.create_connection((host, port), timeout=3).close()
        print(address)
    except OSError:
        pass
"""
GOOD = {"injector": "forwarded", "parse": "forwarded", "enrich": "forwarded", "archive": "delivered"}


@pytest.fixture(scope="module")
def pipeline(cluster: Cluster, tmp_path_factory):
    """Bring the pipeline up as it is in deploy/."""
    with deployed(cluster, FILES, "pipeline", GOOD, tmp_path_factory.mktemp("logs"), "grafana") as up:
        yield up


def test_every_pod_is_ready_and_confined(pipeline):
    """All but Grafana's are ready, in a namespace that lets in nothing but what is restricted."""
    for stage in (*GOOD, "jaeger", "prometheus"):
        (pod,) = pipeline.pods(stage)
        assert {"type": "Ready", "status": "True"}.items() <= condition(pod, "Ready").items()
        assert sum(status["restartCount"] for status in pod["status"]["containerStatuses"]) == 0
    namespace = pipeline.cluster.get("namespace", "pipeline")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    refused = pipeline.cluster.run("run", "unconfined", "--namespace", "pipeline", "--image", "any")
    assert 'violates PodSecurity "restricted:latest"' in refused.stderr


def condition(pod, kind):
    """Return what a pod says of one of its conditions."""
    return next(found for found in pod["status"]["conditions"] if found["type"] == kind)


def test_applied_again_nothing_changes(pipeline):
    """A second `kubectl apply --server-side` has no conflict, no warning, and changes no deployment."""

    def generations():
        return {item["metadata"]["name"]: item["metadata"]["generation"] for item in pipeline.get("deployments")}

    before = generations()
    again = pipeline.cluster.run("apply", "--server-side", "--kustomize", str(FILES))
    assert (again.returncode, again.stderr) == (0, "")
    assert generations() == before


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
        return servers if servers.keys() >= set(GOOD) else None

    servers = wait_for(whole, "the trace", 60)
    assert {attribute(span, "simulator.message_id") for span in servers.values()} == {"marked"}


def test_prometheus_scrapes_every_stage(pipeline):
    """Every target is up: one for each stage, and Jaeger."""
    prometheus = Prometheus(f"http://{pipeline.address('prometheus')}:9090")

    def all_up():
        targets = prometheus.targets()
        return targets if {target["health"] for target in targets} == {"up"} else None

    assert len(wait_for(all_up, "every target", 60)) == len(GOOD) + 1


@pytest.fixture
def stranger(pipeline):
    """Run a pod in another namespace that serves HTTP, and return its address."""
    server = ("--command", "--", "python", "-m", "http.server", str(PORT))
    pipeline.cluster.kubectl("run", "stranger", "--image", IMAGE, *server)
    pipeline.cluster.kubectl("wait", "--for", "condition=Ready", "pod/stranger", f"--timeout={READY_SECONDS}s")
    yield pipeline.cluster.get("pod", "stranger")["status"]["podIP"]
    pipeline.cluster.kubectl("delete", "pod", "stranger", "--now")


def test_nobody_talks_to_whom_policies_do_not_name(pipeline, stranger):
    """From elsewhere the entry alone can be reached; from a stage stages and the collector, and nothing elsewhere."""

    def reached(*pod):
        targets = [f"{name}.pipeline.svc.cluster.local:{port}" for name, port in SERVED]
        printed = pipeline.cluster.kubectl("exec", *pod, "--", "python", "-c", CONNECT, *targets, f"{stranger}:{PORT}")
        return {address.replace(".pipeline.svc.cluster.local", "") for address in printed.split()}

    from_elsewhere = wait_for(lambda: reached("stranger"), "a connection", 60)
    assert from_elsewhere == {f"injector:{PORT}", f"{stranger}:{PORT}"}
    from_a_stage = reached("--namespace", "pipeline", "deployment/parse")
    assert from_a_stage == {*(f"{stage}:{PORT}" for stage in GOOD), "jaeger:4318"}


@pytest.mark.parametrize("stage", ["archive", "enrich", "parse"] * 2)
def test_a_rolling_restart_loses_nothing(pipeline, stage):
    """`kubectl rollout restart` under some 40/s, 20 of them from outside: each is answered with 200, none fails."""
    began = time.monotonic()
    with steady_load(pipeline.address("injector"), PORT, f"{stage}-{began:.0f}-") as clients:
        before = pipeline.restart(f"deployment/{stage}")
        took = time.monotonic() - began
    pipeline.ended(before)
    assert [wrong for client in clients for wrong in client.wrong] == []
    assert pipeline.failures() == {}
    sent = sum(len(client.sent) for client in clients)
    logger.info("%s: replaced in %.1f s, %d messages from outside", stage, took, sent)


def test_an_injector_finishes_before_the_next_one_begins(pipeline):
    """`kubectl rollout restart` of the injector ends it with nothing unfinished; only then comes another."""
    pipeline.ended(pipeline.restart("deployment/injector"))
    assert pipeline.failures() == {}


def test_scaled_up_new_pods_get_messages_and_down_nothing_is_lost(pipeline):
    """`kubectl scale` to three: each pod handles messages; and back to one: those that go finish what they have."""
    pipeline.kubectl("scale", "deployment/enrich", "--replicas", "3")
    pipeline.settled("deployment/enrich", 3)
    containers = pipeline.containers("enrich")
    began = time.monotonic()

    def handled(container):
        return sum(line["event"] == "message.handled" for line in pipeline.logs.of_container(container))

    wait_for(lambda: all(handled(one) > 10 for one in containers), "messages at every pod", REACHED_SECONDS)
    logger.info("enrich: %s in %.1f s", [handled(one) for one in containers], time.monotonic() - began)
    pipeline.kubectl("scale", "deployment/enrich", "--replicas", "1")
    pipeline.settled("deployment/enrich", 1)
    pipeline.ended(containers - pipeline.containers("enrich"))
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
    """Return once messages that are sent from now on reach the end again."""
    known = {line["message_id"] for line in pipeline.logs.handled("injector")}

    def more():
        lines = pipeline.logs.handled("injector")
        good = [line for line in lines if line["outcome"] == GOOD["injector"] and line["message_id"] not in known]
        return len(good) >= 40

    wait_for(more, "messages that are forwarded", READY_SECONDS)


def test_a_pod_that_is_deleted_by_force_is_replaced(pipeline):
    """`kubectl delete --force` gives a pod no time; the one that follows is ready, and messages go on.

    Policies know no such pod from then on, and what its process still takes may fail there, for it reaches nobody.
    """
    before = pipeline.containers("enrich")
    names = [pod["metadata"]["name"] for pod in pipeline.pods("enrich")]
    pipeline.kubectl("delete", "pod", *names, "--grace-period", "0", "--force")
    pipeline.settled("deployment/enrich")
    assert not before & pipeline.containers("enrich")
    goes_on(pipeline)
    failures = pipeline.failures()
    assert failures.keys() <= {"injector", "parse", "enrich"}, failures
    assert failures["parse"] == failures["injector"]
    logger.info("killed, and deleted by force: %s", failures)


def test_deleted_nothing_is_left(pipeline):
    """`kubectl delete` takes the namespace with all that is in it."""
    pipeline.cluster.kubectl("delete", "--kustomize", str(FILES), timeout_seconds=READY_SECONDS)
    namespaces = {item["metadata"]["name"] for item in pipeline.cluster.get("namespaces")}
    assert "pipeline" not in namespaces
