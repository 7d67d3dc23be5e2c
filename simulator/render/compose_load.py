"""What puts a Compose project under load when it is asked to: k6, and Locust with its workers."""

from __future__ import annotations

from simulator.render.compose_services import Service, bound, confined, published
from simulator.render.containers import K6_IMAGE, LOCUST_IMAGE

LOAD_GENERATORS = ("k6", "locust", "locust-worker")
LOCUST_PORT = 8089


def load_generators(host: str, url: str, repository: str) -> dict[str, Service]:
    """Give the services, {name: service}, that send to the URL of a stage once its host is ready.

    `repository` is where the project's folder lies as seen from their file.
    """
    made = (_k6(host, url, repository), _locust(host, url, repository), _locust_worker(host, url, repository))
    return dict(zip(LOAD_GENERATORS, made, strict=True))


def _k6(host: str, url: str, repository: str) -> Service:
    pace = {"RATE": "${RATE:-20}", "DURATION": "${DURATION:-1m}"}
    return {
        "image": K6_IMAGE,
        "command": ["run", "--no-usage-report", "/load/k6.js"],
        **_load(host, url, repository, pace),
        "read_only": True,
    }


def _locust(host: str, url: str, repository: str) -> Service:
    return {
        "image": LOCUST_IMAGE,
        "command": ["--locustfile", "/load/locustfile.py", "--master"],
        **_load(host, url, repository, {}),
        "ports": [published(LOCUST_PORT, LOCUST_PORT)],
    }


def _locust_worker(host: str, url: str, repository: str) -> Service:
    return {
        "image": LOCUST_IMAGE,
        "command": ["--locustfile", "/load/locustfile.py", "--worker", "--master-host", "locust"],
        **_load(host, url, repository, {}),
        "depends_on": ["locust"],
    }


def _load(host: str, url: str, repository: str, pace: dict[str, str]) -> Service:
    """Give what every load generator has."""
    return {
        "profiles": ["load"],
        "environment": {"TARGET": url, **pace},
        "volumes": [bound(f"{repository}/deploy/load", "/load")],
        **confined(),
        "depends_on": {host: {"condition": "service_healthy"}},
    }
