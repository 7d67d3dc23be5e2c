"""Where a stage listens and where its callers find it."""

from __future__ import annotations

import base64
import re
import urllib.parse
from dataclasses import dataclass, field, replace

from simulator.behaviour.values import Fixed
from simulator.topology.kinds import DatabaseOperation
from simulator.topology.model import DEFAULT_PATH, Method, Stage, Topology
from simulator.topology.names import host_name
from simulator.topology.paths import parameters
from simulator.topology.quantities import Host, Port
from simulator.urls import redacted

DEFAULT_PORT = 8080
DEFAULT_DOWNSTREAM_NAME = "downstream"


_HOST = re.compile(r"[a-z0-9._:%-]+", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """A named URL to POST messages to, without the user and password that it was given with.

    `authorization` is the header made of these two, "" if there are none.
    """

    name: str
    url: str
    authorization: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """How an operation is asked for: its method, and what follows the address of its stage, with {names} to fill in.

    `span` is the name of its spans, "" for method and path; `database` is what its callers see if it is a database's.
    """

    method: Method = Method.POST
    path: str = ""
    span: str = ""
    database: DatabaseOperation | None = None


def routes_of(stage: Stage) -> dict[str, Route]:
    """Return the route of each of a stage's operations, by name."""
    return {
        name: Route(
            operation.method,
            "" if base_path(stage) else operation.path,
            operation.span or "",
            database_operation(stage, name),
        )
        for name, operation in stage.all_operations.items()
    }


def database_operation(stage: Stage, operation: str) -> DatabaseOperation | None:
    """Return what the callers of an operation see, None unless the stage is a database or a cache.

    Its constant attributes by the conventions' names beat what follows from its names.
    """
    if not stage.kind.is_database or stage.system is None:
        return None
    known = {"db.operation.name": operation, "db.namespace": stage.namespace or ""}
    for name, attribute in stage.all_operations[operation].attributes.items():
        if isinstance(attribute, Fixed):
            known[name] = str(attribute.fixed)
    return DatabaseOperation(
        system=stage.system,
        operation=known["db.operation.name"],
        namespace=known["db.namespace"],
        collection=known.get("db.collection.name", ""),
    )


def base_path(stage: Stage) -> str:
    """Return the path that is part of a stage's address: its own, or "" if its operations or messages have several."""
    return "" if stage.operations or parameters(stage.path) else stage.path


def url_of(host: str, port: int, path: str) -> str:
    """Return a URL; an IPv6 address gets its brackets."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def stage_urls(topology: Topology, name: str) -> tuple[str, ...]:
    """Return the URLs at which callers find the instances of a stage.

    If the stage has a port, the instances listen on that one and the next ones; without one, the stage's host name and
    8080 stand for all of them, as in a container.
    """
    stage = topology.stages[name]
    if stage.url is not None:
        return (external_address(stage, name).url,)
    host, first, path = stage.host or host_name(name), stage.port, base_path(stage)
    if not first:
        return (url_of(host, DEFAULT_PORT, path),)
    return tuple(url_of(host, port, path) for port in range(first, first + stage.instances))


def external_address(stage: Stage, name: str) -> Address:
    """Return where an external service with a URL is; its path, if it has one, follows its URL's."""
    found = parse_address(f"{name}={stage.url}", name)
    path = base_path(stage)
    if path in ("", DEFAULT_PATH):
        return found
    return replace(found, url=f"{found.url.rstrip('/')}{path}")


def port_of_url(url: str) -> int:
    """Return the port of a valid URL."""
    parts = urllib.parse.urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def with_address(stage: Stage, host: str, port: int) -> Stage:
    """Return the stage with an address assigned to it."""
    return replace(stage, host=Host(host), port=Port(port))


def parse_address(text: str, default_name: str) -> Address:
    """Return the address in "URL" or "name=URL". Raise ValueError, which never shows user and password."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a URL like http://127.0.0.1:8081/messages, or name=URL")
    name, separator, url = text.partition("=")
    if not separator or "/" in name:
        name, url = default_name, text
    try:
        parts = urllib.parse.urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError as error:
        # Text that can't be read as a port may be part of a password.
        reason = "" if "@" in text else f": {error}"
        raise ValueError(f"{redacted(text)!r} is not a URL{reason}") from None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.hostname or "") or not port_fits:
        raise ValueError(f"{redacted(text)!r} is not a URL like http://127.0.0.1:8081/messages, or name=URL")
    if "@" not in parts.netloc:
        return Address(name, url)
    return Address(name, parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), _basic(parts, text))


def _basic(parts: urllib.parse.SplitResult, text: str) -> str:
    """Return the header for a URL's user and password, which may be escaped in it."""
    user, password = urllib.parse.unquote(parts.username or ""), urllib.parse.unquote(parts.password or "")
    if ":" in user:
        raise ValueError(f"{redacted(text)!r} has a colon in its user, which a server would take for the user's end")
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
