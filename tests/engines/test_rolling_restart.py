"""Rolling restarts of real containers: each is stopped and started again under load, and nothing is lost or fails.

A stage that others call has two instances, so that there is another one while one restarts. ENGINE_ROUNDS says how
often each container is restarted.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.engine import Engine, Project
from tests.support.processes import PROGRAM, wait_for

ROUNDS = int(os.environ.get("ENGINE_ROUNDS", "2"))
ROUND_SECONDS = 300
TOPOLOGY = """
name: rolling
stages:
  clients: {role: injector, load: {rate: 20/s}, calls: [front]}
  front: {instances: 2, delay: "uniform(1ms, 20ms)", calls: [last]}
  last: {instances: 2, delay: "uniform(1ms, 60ms)", role: terminator}
"""
CONTAINERS = {"clients": ["clients"], "front": ["front-1", "front-2"], "last": ["last-1", "last-2"]}
GOOD = {"clients": "forwarded", "front": "forwarded", "last": "delivered"}
logger = logging.getLogger("engine")


@dataclass
class Rolling:
    """A project under load, and what the containers of each stage had logged when they stopped."""

    project: Project
    lines: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {stage: [] for stage in CONTAINERS})

    @property
    def engine(self) -> Engine:
        return self.project.engine

    def stop(self, stage: str, service: str) -> None:
        """Stop a container as its user does, within the time that it was rendered with."""
        container = self.project.container(service)
        began = self.engine.inspect(container)["State"]["StartedAt"]
        self.engine.docker("stop", container)
        state = self.engine.inspect(container)["State"]
        # Since its latest start, and read by now: the engine bounds what it keeps of a log.
        text = self.engine.docker("logs", "--since", began, container)
        lines = [json.loads(line) for line in text.splitlines()]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), service
        assert (lines[0]["event"], lines[-1]["event"]) == ("stage.started", "stage.stopped"), service
        assert (lines[-1]["unfinished"], lines[-1]["log_lines_dropped"]) == (0, 0), service
        self.lines[stage] += lines

    def start(self, service: str) -> None:
        """Start a container again; return once it takes messages."""
        container = self.project.container(service)
        self.engine.docker("start", container)
        wait_for(
            lambda: self.engine.inspect(container)["State"]["Health"]["Status"] == "healthy",
            f"the start of {service}",
            ROUND_SECONDS,
        )

    def of(self, stage: str, event: str) -> list[dict[str, Any]]:
        """Return the lines of an event in the logs of a stage."""
        return [line for line in self.lines[stage] if line["event"] == event]


@pytest.fixture
def rolling(engine: Engine):
    """Render the topology as its user does, bring its stages up, and down again."""
    output = engine.work / "rolling"
    output.mkdir()
    topology = output / "rolling.yaml"
    topology.write_text(TOPOLOGY)
    command = [sys.executable, str(PROGRAM), "render", "compose", str(topology), "--output", str(output)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    project = Project(engine, output / "compose.yaml")
    services = [service for several in CONTAINERS.values() for service in several]
    try:
        project.compose("up", "--wait", "--no-build", "--pull", "never", *services)
        yield Rolling(project)
    finally:
        project.compose("down", "--volumes", "--timeout", "5")


@pytest.mark.timeout(300 + ROUNDS * ROUND_SECONDS)
def test_rolling_restarts_lose_nothing(rolling):
    """SIGTERM on each container in turn, under 20/s: all that was sent is delivered exactly once, and nothing fails."""
    everyone = [(stage, service) for stage, services in CONTAINERS.items() for service in services]
    for number in range(1, ROUNDS + 1):
        for stage, service in everyone:
            rolling.stop(stage, service)
            rolling.start(service)
        logger.info("rolling: round %d of %d is over", number, ROUNDS)
    for stage, service in everyone:
        rolling.stop(stage, service)
    handled = {stage: rolling.of(stage, "message.handled") for stage in CONTAINERS}
    failed = Counter(line["error"] for stage in CONTAINERS for line in rolling.of(stage, "attempt.failed"))
    longest = max(line["duration_seconds"] for line in handled["clients"])
    logger.info("rolling: %d messages, the longest took %.1f s", len(handled["clients"]), longest)
    logger.info("rolling: attempts that another instance made up for: %s", dict(failed))
    sent = sorted(line["message_id"] for line in handled["clients"])
    for stage, lines in handled.items():
        # What a stopping stage turns away, on a machine so slow that it could not do it in time, another one has done.
        assert {line["outcome"] for line in lines} <= {GOOD[stage], "rejected"}, Counter(
            line["outcome"] for line in lines
        )
        assert sorted(line["message_id"] for line in lines if line["outcome"] == GOOD[stage]) == sent, stage
