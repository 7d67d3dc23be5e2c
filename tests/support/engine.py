"""A real container engine for tests: Docker in namespaces of its own, with no way out, that ends with its tests.

The engine, its images and its cache lie outside of the checkout, where `.ci/engines` makes them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulator.render.containers import IMAGE, JAEGER_IMAGE, K6_IMAGE, LOCUST_IMAGE, PROMETHEUS_IMAGE
from tests.support.backends import find
from tests.support.namespaces import child_of, network_of, obstacle, start_within
from tests.support.owned import alone, emptied, without_cgroups
from tests.support.processes import ROOT, clean_environment, wait_for

REQUIRED = "REQUIRE_ENGINES"
logger = logging.getLogger("engine")
PAUSE_IMAGE = "pause:local"
PYTHON_IMAGE = "python:3.13.15-slim"
# In the order in which they are made, {target of images/Dockerfile: name}.
_STAND_INS = {
    "python": PYTHON_IMAGE,
    "prometheus": PROMETHEUS_IMAGE,
    "jaeger": JAEGER_IMAGE,
    "k6": K6_IMAGE,
    "locust": LOCUST_IMAGE,
}
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_CGROUP = "web-service-simulator-engine"
_STOP_SECONDS = 60.0
_BUILDER = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")


@dataclass(frozen=True)
class Engine:
    """A Docker daemon that runs, and the client that it is talked to with."""

    work: Path
    client: Path
    process: subprocess.Popen[bytes]

    def docker(self, *arguments: str, check: bool = True, timeout_seconds: float = 300, **given: str) -> str:
        """Run a command of the client and return what it printed; `given` are variables for it."""
        done = self.run(*arguments, timeout_seconds=timeout_seconds, environment=given)
        if check and done.returncode != 0:
            printed = f"{done.stdout}{done.stderr}"[-3000:]
            raise AssertionError(f"docker {' '.join(arguments)} ended with {done.returncode}:\n{printed}")
        return done.stdout

    def run(
        self, *arguments: str, timeout_seconds: float = 300, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the client, however it ends."""
        variables = {
            **clean_environment(),
            "DOCKER_HOST": f"unix://{self.work / 'docker.sock'}",
            "DOCKER_CONFIG": str(self.work / "client"),
            **(environment or {}),
        }
        return subprocess.run(
            [str(self.client), *arguments],
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def inspect(self, container: str) -> dict[str, Any]:
        """Return all that the daemon knows of a container."""
        return dict(json.loads(self.docker("inspect", container))[0])


def find_cache() -> Path:
    """Return where the engine lies; skip the test by name where there is none.

    Where engines are required, one that could be had is a failure, and only a machine that can't run any is a skip.
    """
    reason = obstacle()
    if reason is not None:
        pytest.skip(f"no container engine can run here: {reason}")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = caches / "web-service-simulator-engines"
    if not (cache / "stamp").exists():
        message = "the container engine is not made: run .ci/engines"
        if os.environ.get(REQUIRED):
            pytest.fail(f"{message}, and {REQUIRED} is set")
        pytest.skip(message)
    return cache


@contextlib.contextmanager
def running_engine() -> Iterator[Engine]:
    """Build every image, then run an engine in a network of its own, which no traffic leaves.

    Images are built with this machine's network, where package indexes are; no container runs in it.
    """
    cache = find_cache()
    jaeger = find("jaeger")
    with alone(cache / "docker.lock"), emptied(cache / "work") as work:
        with _builder(cache, work) as builder:
            _build_images(builder, cache, jaeger, _STAND_INS)
        with _daemon(cache, work, online=False) as engine, network_of(engine.process):
            yield engine


def save_images(file: Path, programs: Path) -> None:
    """Build what a cluster runs, whose pause container is in the folder of its programs, and save it to an archive."""
    cache = find_cache()
    jaeger = find("jaeger")
    targets = ("python", "prometheus", "jaeger")
    with alone(cache / "docker.lock"), emptied(cache / "work") as work, _builder(cache, work) as builder:
        _build_images(builder, cache, jaeger, targets)
        with tarfile.open(work / "pause.tar", "w") as archive:
            archive.add(programs / "pause", "pause")
        builder.docker("import", "--change", 'ENTRYPOINT ["/pause"]', str(work / "pause.tar"), PAUSE_IMAGE)
        images = (IMAGE, PROMETHEUS_IMAGE, JAEGER_IMAGE, PAUSE_IMAGE)
        builder.docker("save", "--output", str(file), *images)


@contextlib.contextmanager
def _builder(cache: Path, work: Path) -> Iterator[Engine]:
    """Run an engine with this machine's network, which nothing but the building of images has."""
    shutil.copytree(cache / "root/usr/libexec/docker/cli-plugins", work / "client/cli-plugins")
    with _daemon(cache, work, online=True) as builder:
        _remove_everything(builder)
        yield builder


@contextlib.contextmanager
def _daemon(cache: Path, work: Path, *, online: bool) -> Iterator[Engine]:
    data, scratch, log = cache / "docker", work / "scratch", work / "daemon.log"
    for path in (data, scratch):
        path.mkdir(exist_ok=True)
    within = work / "daemon"
    command = ["dockerd", "--data-root", str(data), "--exec-root", str(within), "--pidfile", str(work / "pid")]
    command += ["--host", f"unix://{work / 'docker.sock'}", "--storage-driver", "overlay2"]
    command += ["--cgroup-parent", f"/{_CGROUP}"]
    command += _BUILDER if online else ()
    with without_cgroups(_CGROUP):
        process = start_within(cache / "root", [work, data, ROOT], scratch, command, log, online=online)
        try:
            engine = Engine(work, cache / "root/usr/bin/docker", process)
            wait_for(lambda: _answers(engine, log), "the Docker daemon", 60)
            yield engine
        finally:
            _end(process)


def _answers(engine: Engine, log: Path) -> bool:
    assert engine.process.poll() is None, log.read_text(errors="replace")[-2000:]
    return engine.run("version", timeout_seconds=30).returncode == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the daemon to end, which ends its containers; kill all of it where it does not."""
    daemon = child_of(process)
    if daemon is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(daemon, signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _remove_everything(engine: Engine) -> None:
    """Remove what a daemon left that was killed: containers, networks and volumes, not images."""
    containers = engine.docker("ps", "--all", "--quiet").split()
    if containers:
        engine.docker("rm", "--force", *containers)
    engine.docker("network", "prune", "--force")
    engine.docker("volume", "prune", "--all", "--force")


def _build_images(engine: Engine, cache: Path, jaeger: str, targets: Iterable[str]) -> None:
    if not engine.docker("images", "--quiet", "debian-python:local"):
        engine.docker("import", str(cache / "python.tar"), "debian-python:local")
    context = engine.work / "context"
    context.mkdir()
    sources = (ROOT / "tests/engines/images/Dockerfile", ROOT / "tests/load-requirements.txt", _AUTHORITIES)
    for source in (*sources, Path(jaeger)):
        shutil.copy(source, context / source.name)
    for target in targets:
        build(engine, str(context), "--target", target, "--tag", _STAND_INS[target])
    build(engine, str(ROOT), "--file", str(ROOT / "deploy/Dockerfile"), "--tag", IMAGE)
    shutil.rmtree(context)


def build(engine: Engine, context: str, *arguments: str) -> None:
    """Build an image, with this machine's network."""
    logger.info("building %s", arguments[-1])
    engine.docker("build", "--quiet", "--network", "host", *arguments, context, timeout_seconds=600)


@dataclass(frozen=True)
class Project:
    """A Compose project on an engine."""

    engine: Engine
    file: Path

    def compose(self, *arguments: str, timeout_seconds: float = 300, **given: str) -> str:
        """Run a command of Compose and return what it printed; `given` are variables for it."""
        return self.engine.docker(*self._command(arguments), timeout_seconds=timeout_seconds, **given)

    def run(self, *arguments: str, timeout_seconds: float = 300, **given: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Compose, however it ends."""
        return self.engine.run(*self._command(arguments), timeout_seconds=timeout_seconds, environment=given)

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return ["compose", "--progress", "plain", "--file", str(self.file), "--profile", "load", *arguments]

    def container(self, service: str) -> str:
        """Return the id of the container of a service."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def log(self, service: str) -> list[dict[str, Any]]:
        """Return what a stage has logged."""
        lines = self.engine.docker("logs", self.container(service)).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]
