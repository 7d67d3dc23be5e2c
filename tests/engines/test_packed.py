"""A generated topology of sixty stages in two containers and its injector's: up, scraped, traced, drained."""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
import time

import pytest

from simulator.topology.model import Topology
from simulator.topology.reader import read_topology
from tests.support.backends import Prometheus
from tests.support.collector import SERVER
from tests.support.documents import read_document
from tests.support.engine import Engine, Project
from tests.support.jaeger import attribute, spans_of
from tests.support.processes import PROGRAM, wait_for

pytestmark = pytest.mark.timeout(600)
logger = logging.getLogger("engine")
JAEGER = "http://127.0.0.1:16686"
PROMETHEUS = Prometheus("http://127.0.0.1:9090")
CONTAINERS = {"stages-1", "stages-2", "injector"}


@pytest.fixture(scope="module")
def project(engine: Engine):
    """Generate, render and start a project as its user would, and end it."""
    output = engine.work / "packed"
    output.mkdir()
    topology, file = output / "generated.yaml", output / "compose.yaml"
    generate = ["generate", "--stages", "60", "--seed", "7", "--rate", "2/s", "--output", str(topology)]
    render = ["render", "compose", str(topology), "--processes", "2", "--output", str(output)]
    for arguments in (generate, render):
        subprocess.run([sys.executable, str(PROGRAM), *arguments], check=True, capture_output=True, timeout=120)
    running = Project(engine, file)
    began = time.monotonic()
    try:
        up = ("up", "--wait", "--no-build", "--pull", "never")
        running.compose(*up, *sorted(CONTAINERS), "prometheus", "jaeger")
        logger.info("60 stages in %d containers up in %.1f s", len(CONTAINERS), time.monotonic() - began)
        yield running
    finally:
        running.compose("down", "--volumes", "--timeout", "5")


@pytest.fixture
def topology(project: Project) -> Topology:
    return read_topology(project.file.parent / "topology.yaml")


def test_every_stage_is_a_target_of_its_own(project, topology):
    """Prometheus finds each stage by its name at its port, and what it reads there is that stage's."""
    services = read_document(project.file.read_text())["services"]
    assert {name for name, options in services.items() if "healthcheck" in options} == CONTAINERS

    def all_up():
        targets = PROMETHEUS.targets()
        return targets if {target["health"] for target in targets} == {"up"} else None

    assert len(wait_for(all_up, "every target", 60)) == len(topology.stages) + 1
    found = {series["metric"]["stage"]: series["metric"]["instance"] for series in PROMETHEUS.query("simulator_info")}
    assert set(found) == set(topology.stages)
    assert all(instance.partition(":")[0] == stage for stage, instance in found.items())


def test_a_trace_is_whole_across_containers(project):
    """A message of the injector goes from container to container, and its trace has one root and no gap."""

    def whole():
        handled = [line for line in project.log("injector") if line["event"] == "message.handled"]
        for line in handled:
            spans = spans_of(JAEGER, line["trace_id"]) or []
            ids = {span["spanId"] for span in spans}
            roots = [span for span in spans if span.get("parentSpanId", "") not in ids]
            servers = {span["service"] for span in spans if span["kind"] == SERVER}
            homes = {home for home, stages in members(project).items() if stages & servers}
            if len(roots) == 1 and homes >= {"stages-1", "stages-2"}:
                return {attribute(span, "simulator.message_id") for span in spans if span["kind"] == SERVER}
        return None

    assert len(wait_for(whole, "a trace through both containers", 60)) == 1


def members(project):
    """Return the stages of each container, from its command."""
    services = read_document(project.file.read_text())["services"]
    commands = {name: services[name]["command"] for name in CONTAINERS}
    return {
        name: {stage for flag, stage in itertools.pairwise(command) if flag == "--stage"}
        for name, command in commands.items()
    }


def test_sigterm_drains_a_container_of_many(project):
    """`docker compose stop` ends each with 0; each stage's last line says that nothing is unfinished, callers first."""
    project.compose("stop")
    for container, stages in members(project).items():
        state = project.engine.inspect(project.container(container))["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), container
        stopped = [line for line in project.log(container) if line["event"] == "stage.stopped"]
        assert {line["stage"] for line in stopped} == stages and len(stopped) == len(stages)
        assert {line["unfinished"] for line in stopped} == {0}, json.dumps(stopped)
