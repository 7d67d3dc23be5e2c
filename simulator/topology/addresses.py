"""Where a stage listens and where its callers find it."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, replace

from simulator.topology.model import Host, Port, Stage, Topology

DEFAULT_PORT = 8080
DEFAULT_DOWNSTREAM_NAME = "downstream"


_HOST = re.compile(r"[a-z0-9._:%-]+", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """A named URL to POST messages to."""

    name: str
    url: str


def url_of(host: str, port: int, path: str) -> str:
    """Write a URL; an IPv6 address gets its brackets."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def stage_urls(topology: Topology, name: str) -> tuple[str, ...]:
    """Give the URLs at which callers find the instances of a stage.

    With a port of its own the instances listen on that one and the next ones; without, the stage's name and 8080 stand
    for all of them, as in a container.
    """
    stage = topology.stages[name]
    host, first = stage.host or name, stage.port
    if not first:
        return (url_of(host, DEFAULT_PORT, stage.path),)
    return tuple(url_of(host, port, stage.path) for port in range(first, first + stage.instances))


def with_address(stage: Stage, host: str, port: int) -> Stage:
    """Give the stage with the address that it was assigned."""
    return replace(stage, host=Host(host), port=Port(port))


def parse_address(text: str, default_name: str) -> Address:
    """Read "URL" or "name=URL". Raise ValueError where it is neither."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a URL like http://127.0.0.1:8081/messages, or name=URL")
    name, separator, url = text.partition("=")
    if not separator or "/" in name:
        name, url = default_name, text
    try:
        parts = urllib.parse.urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValueError(f"{text!r} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.hostname or "") or not port_fits:
        raise ValueError(f"{text!r} is not a URL like http://127.0.0.1:8081/messages, or name=URL")
    return Address(name, url)
