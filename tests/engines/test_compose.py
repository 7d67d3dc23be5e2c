"""The rendered Compose projects on a real engine: up, seen in full, under load, drained and gone.

Grafana, Loki and Alloy are left out: none of their images can be had without a registry. The tests of a project go on
from one to the next, and the last two end it.
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from simulator.topology.graph import entries
from simulator.topology.model import Topology
from simulator.topology.reader import read_topology
from tests.support.backends import Prometheus
from tests.support.collector import SERVER
from tests.support.documents import read_document
from tests.support.engine import Engine, Project
from tests.support.jaeger import attribute, spans_of
from tests.support.listening import listening
from tests.support.processes import PROGRAM, ROOT, wait_for

pytestmark = pytest.mark.timeout(600)
logger = logging.getLogger("engine")
UNAVAILABLE = {"grafana", "loki", "alloy"}
UP_SECONDS = 300
K6_THRESHOLD_CROSSED = 99  # on a machine that is too busy for the load
JAEGER = "http://127.0.0.1:16686"
PROMETHEUS = Prometheus("http://127.0.0.1:9090")
LOCUST = "http://127.0.0.1:8089"
# The stages that every message comes to that is answered with 200.
ALWAYS = {
    "pipeline": {"injector", "parse", "enrich", "archive"},
    "checkout": {"shoppers", "checkout", "cart", "prices", "payment", "database"},
    "sick-replica": {"clients", "gateway", "account"},
}


@dataclass(frozen=True)
class Up:
    """A project that is up, what it was rendered from, and its services that are stages, {service: stage}."""

    project: Project
    topology: Topology
    stages: dict[str, str]


@pytest.fixture(scope="module", params=list(ALWAYS))
def up(request, engine: Engine):
    """Bring a topology up, the default one from deploy/ as it is, and down again."""
    file = ROOT / "deploy/compose.yaml" if request.param == "pipeline" else rendered(engine, request.param)
    services = read_document(file.read_text())["services"]
    stages = {
        name: options["labels"]["simulator.stage"] for name, options in services.items() if "healthcheck" in options
    }
    others = [name for name, options in services.items() if "profiles" not in options and name not in UNAVAILABLE]
    project = Project(engine, file)
    began = time.monotonic()
    try:
        project.compose("up", "--wait", "--no-build", "--pull", "never", *others, timeout_seconds=UP_SECONDS)
        logger.info("%s: %d stages up in %.1f s", request.param, len(stages), time.monotonic() - began)
        yield Up(project, read_topology(file.parent / "topology.yaml"), stages)
    except AssertionError:
        for service in stages:
            logger.info(
                "%s: %s", service, engine.docker("inspect", "--format", "{{json .State}}", project.container(service))
            )
        raise
    finally:
        project.compose("down", "--volumes", "--timeout", "5")


def rendered(engine: Engine, name: str) -> Path:
    """Render a topology as its user would, with a load that a busy machine bears, and return its Compose file."""
    output = engine.work / name
    output.mkdir()
    topology = output / f"{name}.yaml"
    topology.write_text(re.sub(r"rate: \d+/s", "rate: 3/s", (ROOT / "topologies" / topology.name).read_text()))
    command = [sys.executable, str(PROGRAM), "render", "compose", str(topology), "--output", str(output)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return output / "compose.yaml"


def test_a_stage_is_confined(up):
    """It runs as 10001, with nothing of its image to write to, no capability, and no privilege to gain."""
    for service in up.stages:
        container = up.project.container(service)
        status = up.project.engine.docker("exec", container, "cat", "/proc/1/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert set(fields["Uid"].split()) == {"10001"}
        assert (int(fields["CapEff"], 16), fields["NoNewPrivs"]) == (0, "1")
        written = up.project.engine.run("exec", container, "touch", "/opt/simulator/app/file")
        assert "Read-only file system" in written.stderr


def test_ports_are_open_on_loopback_alone(up):
    """In the engine's network, nothing listens at an address that another machine could reach."""
    addresses = listening()
    assert {port for _, port in addresses} >= {8080, 4318, 9090, 16686}
    assert {host for host, _ in addresses} <= {"127.0.0.1", "127.0.0.11", "::1"}


def test_prometheus_scrapes_every_instance_and_has_the_rules(up):
    """Every target is up, one for each instance and Jaeger, and no rule is broken."""

    def all_up():
        targets = PROMETHEUS.targets()
        return targets if {target["health"] for target in targets} == {"up"} else None

    targets = wait_for(all_up, "every target", 60)
    assert len(targets) == len(up.stages) + 1
    written = read_document((up.project.file.parent / "prometheus/rules.yml").read_text())["groups"]

    def evaluated():
        groups = requests.get(f"{PROMETHEUS.base}/api/v1/rules", timeout=10).json()["data"]["groups"]
        health = {rule["health"] for group in groups for rule in group["rules"]}
        return groups if "unknown" not in health else None

    groups = wait_for(evaluated, "every rule", 120)
    assert {group["name"]: len(group["rules"]) for group in groups} == {g["name"]: len(g["rules"]) for g in written}
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}


def test_a_marked_message_is_one_whole_trace(up):
    """Jaeger has the message that was sent from outside as one tree, with a server span of each stage on its way."""
    message_id, trace_id = delivered(up)

    def whole():
        spans = spans_of(JAEGER, trace_id) or []
        servers = {span["service"]: span for span in spans if span["kind"] == SERVER}
        ids = {span["spanId"] for span in spans}
        roots = [span for span in spans if span.get("parentSpanId", "") not in ids]
        return servers if servers.keys() >= ALWAYS[up.topology.name] and len(roots) == 1 else None

    servers = wait_for(whole, f"the trace of {message_id}", 60)
    # A stage that accepts now and works later names the message in the span of that work; and not each is called.
    on_the_way = [servers[stage] for stage in ALWAYS[up.topology.name]]
    assert {attribute(span, "simulator.message_id") for span in on_the_way} == {message_id}


def delivered(up):
    """Send messages to the first entry until one is answered with 200, and return its id and trace id."""
    path = up.topology.stages[entries(up.topology)[0]].path
    for number in range(50):
        headers = {"Content-Type": "text/plain", "X-Message-Id": f"marked-{number}"}
        answer = requests.post(f"http://127.0.0.1:8080{path}", data=b"marked", headers=headers, timeout=120)
        if answer.status_code == 200:
            return headers["X-Message-Id"], answer.headers["X-Trace-Id"]
    raise AssertionError("none of 50 messages was answered with 200")


def test_k6_puts_it_under_load(up):
    """`docker compose run k6` sends what it is asked to, and its exit code is its judgement of how that went."""
    entry = with_load_generators(up)
    ended = up.project.run("run", "--rm", "k6", RATE="10", DURATION="5s", timeout_seconds=120)
    assert ended.returncode in (0, K6_THRESHOLD_CROSSED), ended.stderr[-2000:]
    handled = [line for line in up.project.log(entry) if line["event"] == "message.handled"]
    assert sum(line["message_id"].startswith("k6-") for line in handled) >= 25, ended.stdout


def with_load_generators(up):
    """Return the entry that gets the load; skip but for one topology, since the services are the same in each."""
    if up.topology.name != "pipeline":
        pytest.skip("load generators are tried on the pipeline")
    return entries(up.topology)[0]


def test_locust_puts_it_under_load_from_its_page(up):
    """`docker compose up locust-worker` brings up the page, which starts the load and counts no failure of its own."""
    entry = with_load_generators(up)
    up.project.compose("up", "--detach", "--no-build", "--pull", "never", "locust-worker")

    def workers():
        try:
            return requests.get(f"{LOCUST}/stats/requests", timeout=10).json()["workers"]
        except requests.ConnectionError:
            return None

    wait_for(workers, "a worker of Locust", 90)
    started = requests.post(f"{LOCUST}/swarm", data={"user_count": 1, "spawn_rate": 1}, timeout=30).json()
    assert started["success"], started

    def handled():
        lines = [line for line in up.project.log(entry) if line["event"] == "message.handled"]
        return sum(line["message_id"].startswith("locust-") for line in lines) >= 20

    wait_for(handled, "messages of Locust", 60)
    requests.get(f"{LOCUST}/stop", timeout=30)
    up.project.compose("rm", "--stop", "--force", "locust-worker", "locust")


def test_sigterm_drains_every_stage(up):
    """`docker compose stop`, in the midst of the load, ends each stage with 0 and nothing unfinished."""
    up.project.compose("stop")
    for service in up.stages:
        state = up.project.engine.inspect(up.project.container(service))["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), service
        last = up.project.log(service)[-1]
        assert (last["event"], last["unfinished"]) == ("stage.stopped", 0), json.dumps(last)


def test_down_leaves_nothing(up):
    """`docker compose down --volumes` leaves no container, network or volume; Docker's own three networks stay."""
    up.project.compose("down", "--volumes")
    engine = up.project.engine
    assert engine.docker("ps", "--all", "--quiet") == ""
    assert engine.docker("volume", "ls", "--quiet") == ""
    assert set(engine.docker("network", "ls", "--format", "{{.Name}}").split()) == {"bridge", "host", "none"}
