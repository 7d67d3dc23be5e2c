"""The three services of OTLP over gRPC, by grpcio, which only those who ask for it need to have installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.experimental.gevent

from simulator.console.otlp.accepted import LOGS, METRICS, TRACES, AcceptedSignal
from simulator.console.otlp.application import PROTOBUF
from simulator.console.otlp.bodies import Refused
from simulator.console.otlp.intake import OtlpIntake, answer_of
from simulator.errors import StartError
from simulator.telemetry.otlp_grpc import METHODS
from simulator.telemetry.otlp_signal import Signal

_SIGNALS: Mapping[str, AcceptedSignal] = {
    METHODS[Signal.TRACES]: TRACES,
    METHODS[Signal.LOGS]: LOGS,
    METHODS[Signal.METRICS]: METRICS,
}
# The statuses of OTLP over HTTP, in the words of gRPC. What is too large stays so, and is not to be retried.
_CODES = {400: grpc.StatusCode.INVALID_ARGUMENT, 413: grpc.StatusCode.RESOURCE_EXHAUSTED}
_CONCURRENCY = 8


def let_greenlets_serve() -> None:
    """Make grpcio wait as gevent does, in the whole process; to be called before it is used."""
    grpc.experimental.gevent.init_gevent()


def start_grpc_receiver(intake: OtlpIntake, address: str) -> grpc.Server:
    """Take requests at an address, as in `127.0.0.1:4317`. Raise StartError if it can't be used."""
    options = [
        ("grpc.max_receive_message_length", intake.max_bytes),
        ("grpc.so_reuseport", 0),  # a port that is taken is a mistake, and not shared
    ]
    server = grpc.server(ThreadPoolExecutor(_CONCURRENCY), options=options, maximum_concurrent_rpcs=4 * _CONCURRENCY)
    server.add_generic_rpc_handlers((_Services(intake),))
    try:
        server.add_insecure_port(address)
    except RuntimeError:
        raise StartError(f"the console can't take OTLP over gRPC: {address} is not free") from None
    server.start()
    return server


class _Services(grpc.GenericRpcHandler):
    def __init__(self, intake: OtlpIntake) -> None:
        self._intake = intake

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        signal = _SIGNALS.get(details.method)
        if signal is None:
            return None
        via = dict(details.invocation_metadata).get("via", "")
        return grpc.unary_unary_rpc_method_handler(self._export_of(signal, str(via)))

    def _export_of(self, signal: AcceptedSignal, via: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                refusals = self._intake.take(signal, body, PROTOBUF, "identity", via)
            except Refused as refused:
                context.abort(_CODES[refused.status], str(refused))
            answer: Any = answer_of(signal, refusals)
            return bytes(answer.SerializeToString())

        return export
