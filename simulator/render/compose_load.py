"""The load generators of a Compose project, started on demand: k6, and Locust with its workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.render.compose_services import Service, bound, confined, healthy, published
from simulator.render.containers import K6_IMAGE, LOCUST_IMAGE
from simulator.topology.model import Method

LOAD_GENERATORS = ("k6", "locust", "locust-worker")
LOCUST_PORT = 8089


@dataclass(frozen=True)
class Target:
    """Where load generators send messages: the method, and a URL that may have {names} to fill in."""

    method: Method
    url: str


def load_generators(target: Target, needed: Sequence[str], repository: str) -> dict[str, Service]:
    """Return the services, {name: service}, that send to the target as soon as the `needed` hosts are ready.

    `repository` is the relative path from their file to the project's folder.
    """
    made = (
        _k6(target, needed, repository),
        _locust(target, needed, repository),
        _locust_worker(target, needed, repository),
    )
    return dict(zip(LOAD_GENERATORS, made, strict=True))


def _k6(target: Target, needed: Sequence[str], repository: str) -> Service:
    pace = {"RATE": "${RATE:-20}", "DURATION": "${DURATION:-1m}"}
    return {
        "image": K6_IMAGE,
        "command": ["run", "--no-usage-report", "/load/k6.js"],
        **_load(target, needed, repository, pace),
        "read_only": True,
    }


def _locust(target: Target, needed: Sequence[str], repository: str) -> Service:
    return {
        "image": LOCUST_IMAGE,
        "command": ["--locustfile", "/load/locustfile.py", "--master"],
        **_load(target, needed, repository, {}),
        "ports": [published(LOCUST_PORT, LOCUST_PORT)],
    }


def _locust_worker(target: Target, needed: Sequence[str], repository: str) -> Service:
    return {
        "image": LOCUST_IMAGE,
        "command": ["--locustfile", "/load/locustfile.py", "--worker", "--master-host", "locust"],
        **_load(target, needed, repository, {}),
        "depends_on": ["locust"],
    }


def _load(target: Target, needed: Sequence[str], repository: str, pace: dict[str, str]) -> Service:
    """Return the parts that all load generators have in common."""
    return {
        "profiles": ["load"],
        "environment": {"METHOD": str(target.method), "TARGET": target.url, **pace},
        "volumes": [bound(f"{repository}/deploy/load", "/load")],
        **confined(),
        "depends_on": healthy(needed),
    }
