"""External services at a URL: whether they are there when a run starts."""

from __future__ import annotations

import socket
import urllib.parse
from collections.abc import Callable, Iterator

from simulator.topology.addresses import port_of_url
from simulator.topology.model import Topology
from simulator.urls import redacted

Connect = Callable[[tuple[str, int], float], socket.socket]
_CONNECT_SECONDS = 2.0


def absent_services(topology: Topology, connect: Connect = socket.create_connection) -> Iterator[str]:
    """Yield a warning for each external service to which no connection can be made now."""
    for name, stage in topology.stages.items():
        if stage.url is None:
            continue
        parts = urllib.parse.urlsplit(stage.url)
        try:
            connect((parts.hostname or "", port_of_url(stage.url)), _CONNECT_SECONDS).close()
        except OSError as error:
            why = error.strerror or str(error)
            yield f"{name}: nothing answers at {redacted(stage.url)} ({why}): calls are unreachable until it does"


def modelled_services(topology: Topology) -> Iterator[str]:
    """Yield a note for each external service, for virtual time, which calls nothing."""
    for name, stage in topology.stages.items():
        if stage.url is not None:
            yield f"{name}: in virtual time its own delay and faults stand for the service at {redacted(stage.url)}"
