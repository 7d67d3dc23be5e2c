"""Sending batches to a collector over gRPC, by grpcio, which only those who ask for it need to have installed.

grpcio waits in its own threads, not in gevent's: every call is made in a real thread, while the greenlet that waits for
its end lets the others work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from simulator.telemetry.otlp_answers import (
    NO_CONNECTION,
    NOT_TRUSTED,
    PAUSE_SECONDS,
    no_answer,
    not_callable,
    pause_within_bounds,
    printable,
    rejected_in,
    taken,
)
from simulator.telemetry.otlp_batch import CollectorAnswer, OtlpBatch
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_signal import Signal

METHODS = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_COMPRESSIONS = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
# What OTLP lets a client retry; RESOURCE_EXHAUSTED only if the collector says when.
_RETRYABLE = frozenset(
    (
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    )
)
# These are about one batch; the next one may succeed at once.
_ABOUT_THE_BATCH = frozenset((grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED))
_DETAILS = "grpc-status-details-bin"
_HTTP = "a port for OTLP over HTTP, as 4318 often is, does not accept gRPC"
_CLOSED = f"the collector closed the connection without an answer; {_HTTP}"
# What grpcio says of a connection that broke, in lower case, and what that means to the user; the first that fits.
_CONNECTION_PROBLEMS = (
    ("certificate_verify_failed", NOT_TRUSTED),
    ("handshake failed", "the collector does not speak TLS there; its URL may have to begin with http://"),
    ("failed parsing http/2", f"the answer is not gRPC; {_HTTP}"),
    ("goaway received", _CLOSED),
    ("socket closed", _CLOSED),
    ("reset by peer", _CLOSED),
    ("failed to connect", NO_CONNECTION),
    ("errors resolving", NO_CONNECTION),
)
# A collector that comes back is noticed within seconds; grpcio would wait for up to two minutes. The minimum is also
# the time limit of a connection.
_RECONNECT_MILLIS = {"initial": 1000, "min": 5000, "max": 5000}


class GrpcTransport:
    """Call the services of a collector; bodies are compressed here, as the destination says.

    `headers` are sent with each, beside those of the destination.
    """

    def __init__(
        self,
        destination: Destination,
        headers: Mapping[str, str],
        in_thread: Callable[[Callable[[], CollectorAnswer]], CollectorAnswer],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._destination = destination
        self._in_thread = in_thread
        self._monotonic = monotonic
        self._metadata = {name.lower(): value for name, value in {**destination.headers, **headers}.items()}
        self._user_agent = self._metadata.pop("user-agent", "")
        self._compression = _COMPRESSIONS.get(destination.compression)
        self._channel: Any = None
        self._calls: dict[Signal, Callable[..., bytes]] = {}

    def __call__(self, batch: OtlpBatch, timeout_seconds: float) -> CollectorAnswer:
        """Make one attempt, within `timeout_seconds`."""
        return self._in_thread(lambda: self._attempt(batch, timeout_seconds))

    def close(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            self._channel.close()

    def _attempt(self, batch: OtlpBatch, timeout_seconds: float) -> CollectorAnswer:
        end = self._monotonic() + timeout_seconds
        try:
            try:
                answer = self._export(batch, timeout_seconds)
            except grpc.RpcError as error:
                # A kept connection may have been closed at the moment of its use; a new one is opened at once.
                if not _was_closed(error) or self._monotonic() >= end:
                    raise
                answer = self._export(batch, end - self._monotonic())
        except grpc.RpcError as error:
            return _refused(error, timeout_seconds)
        except Exception as error:  # noqa: BLE001 - a failure costs items, which are counted, and nothing else
            return _unreachable(not_callable(error))
        return taken(*rejected_in(answer), batch.signal)

    def _export(self, batch: OtlpBatch, timeout_seconds: float) -> bytes:
        return self._call(batch.signal)(
            batch.body, timeout=timeout_seconds, metadata=self._metadata_of(batch), compression=self._compression
        )

    def _metadata_of(self, batch: OtlpBatch) -> list[tuple[str, str]]:
        via = ", ".join(filter(None, (batch.via, self._metadata.get("via"))))
        return list({**self._metadata, **({"via": via} if via else {})}.items())

    def _call(self, signal: Signal) -> Callable[..., bytes]:
        """Return the method of a signal's service, on the one channel, which is made with the first call."""
        if self._channel is None:
            self._channel = _channel(self._destination, self._user_agent)
        if signal not in self._calls:
            # Without serializers bodies stay as they are.
            self._calls[signal] = self._channel.unary_unary(METHODS[signal])
        return self._calls[signal]


def _channel(destination: Destination, user_agent: str) -> Any:
    parts = urlsplit(destination.endpoint)
    is_secure = parts.scheme.lower() == "https"
    target = f"{_bracketed(parts.hostname or '')}:{parts.port or (443 if is_secure else 80)}"
    proxy = destination.proxies.get(parts.scheme.lower()) or destination.proxies.get("all", "")
    options: list[tuple[str, Any]] = [
        ("grpc.primary_user_agent", user_agent),
        # grpcio would try a connection that ends at once again and again, and say at last that there was no answer.
        ("grpc.enable_retries", 0),
        # grpcio would read proxies from the environment by its own rules.
        ("grpc.enable_http_proxy", 1 if proxy else 0),
        *([("grpc.http_proxy", proxy)] if proxy else []),
        *((f"grpc.{which}_reconnect_backoff_ms", millis) for which, millis in _RECONNECT_MILLIS.items()),
    ]
    if not is_secure:
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, _credentials(destination), options)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _credentials(destination: Destination) -> grpc.ChannelCredentials:
    chain = destination.client_certificate
    key = destination.client_key or chain
    return grpc.ssl_channel_credentials(
        root_certificates=_authorities(destination.certificate or certifi.where()),
        private_key=Path(key).read_bytes() if chain else None,
        certificate_chain=Path(chain).read_bytes() if chain else None,
    )


def _authorities(path: str) -> bytes:
    """Return the certificates of a file, or of all files in a folder."""
    place = Path(path)
    files = sorted(file for file in place.iterdir() if file.is_file()) if place.is_dir() else [place]
    return b"\n".join(file.read_bytes() for file in files)


def _refused(error: Any, timeout_seconds: float) -> CollectorAnswer:
    code, details = error.code(), str(error.details() or "")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return _unreachable(no_answer(timeout_seconds))
    if code is grpc.StatusCode.UNAVAILABLE and (problem := _connection_problem(details)):
        return _unreachable(problem)
    pause_seconds = _retry_after_seconds(error.trailing_metadata() or ())
    problem = f"the collector answered {code.name}: {printable(details)}".rstrip(": ")
    status = int(code.value[0])
    if code in _RETRYABLE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and pause_seconds is not None):
        pause = PAUSE_SECONDS if pause_seconds is None else pause_within_bounds(pause_seconds)
        return CollectorAnswer(False, is_worth_retrying=True, pause_seconds=pause, problem=problem, status=status)
    pause = 0.0 if code in _ABOUT_THE_BATCH else PAUSE_SECONDS
    return CollectorAnswer(False, pause_seconds=pause, problem=problem, status=status)


def _unreachable(problem: str) -> CollectorAnswer:
    return CollectorAnswer(False, is_worth_retrying=True, pause_seconds=PAUSE_SECONDS, problem=problem)


def _was_closed(error: Any) -> bool:
    return error.code() is grpc.StatusCode.UNAVAILABLE and _connection_problem(str(error.details())) == _CLOSED


def _connection_problem(details: str) -> str:
    """Return what is wrong with the connection, "" if an answer came from a server of gRPC."""
    words = details.lower()
    return next((problem for said, problem in _CONNECTION_PROBLEMS if said in words), "")


def _retry_after_seconds(metadata: Any) -> float | None:
    """Return when the collector wants the next attempt, None if it does not say so."""
    found: Mapping[str, Any] = dict(metadata)
    try:
        for detail in Status.FromString(found.get(_DETAILS, b"")).details:
            info = RetryInfo()
            if detail.Unpack(info):
                return float(info.retry_delay.seconds) + float(info.retry_delay.nanos) / 1e9
    except (DecodeError, TypeError):
        return None
    return None
