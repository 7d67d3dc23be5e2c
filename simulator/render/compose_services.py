"""The common parts of all services of a Compose project."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Service = dict[str, Any]


def confined() -> Service:
    """Return the limits of every service: no privileges, and a bounded log."""
    return {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    }


def mounted(config: str, target: str) -> dict[str, str]:
    """Return the mount of one of the project's configs at the path where a service reads it."""
    return {"source": config, "target": target}


def bound(source: str, target: str) -> dict[str, Any]:
    """Return the read-only mount of a folder or socket of this machine."""
    return {"type": "bind", "source": source, "target": target, "read_only": True}


def published(port: int, target: int) -> str:
    """Return the publication of a service's port, on this machine only."""
    return f"127.0.0.1:{port}:{target}"


def healthy(hosts: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the condition that a service starts only when the services of these hosts are healthy."""
    return {host: {"condition": "service_healthy"} for host in hosts}
