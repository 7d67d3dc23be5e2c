"""The transport to a collector, by the protocol of the destination."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import simulator
from simulator.telemetry.otlp import GRPC
from simulator.telemetry.otlp_batch import CollectorAnswer, Transport
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_posting import Poster

InThread = Callable[[Callable[[], CollectorAnswer]], CollectorAnswer]


def transport_to(destination: Destination, headers: Mapping[str, str], in_thread: InThread) -> Transport:
    """Return the transport to a collector; `headers` are sent with each request.

    `in_thread(function)` calls a function in a real thread and returns its result, while other greenlets work: that is
    where a call of gRPC waits.
    """
    if destination.protocol != GRPC:
        return Poster(destination, headers)
    # The core of grpcio reads this when it is loaded, and would write lines of its own to standard error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from simulator.telemetry.otlp_grpc import GrpcTransport  # noqa: PLC0415 - grpcio is large, and need not be there

    return GrpcTransport(destination, headers, in_thread)


def exporter_transport(destination: Destination, in_thread: InThread) -> Transport:
    """Return the transport of a program's own telemetry, which says in its user agent whose it is."""
    return transport_to(destination, {"user-agent": f"web-service-simulator/{simulator.__version__}"}, in_thread)
