"""What the services of a Compose project have in common, stages or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Service = dict[str, Any]


def confined() -> Service:
    """Give what every service is held to: no privilege, and a bounded log."""
    return {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    }


def mounted(config: str, target: str) -> dict[str, str]:
    """Put one of the project's configs where a service reads it."""
    return {"source": config, "target": target}


def bound(source: str, target: str) -> dict[str, Any]:
    """Put a folder or socket of this machine where a service finds it, to be read alone."""
    return {"type": "bind", "source": source, "target": target, "read_only": True}


def published(port: int, target: int) -> str:
    """Publish a service's port on this machine alone."""
    return f"127.0.0.1:{port}:{target}"


def healthy(hosts: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return what lets a service start once the services of these hosts are healthy."""
    return {host: {"condition": "service_healthy"} for host in hosts}
