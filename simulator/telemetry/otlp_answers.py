"""What a collector's answer means, whatever protocol it came by, in one set of words."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from simulator.telemetry.otlp_batch import CollectorAnswer
from simulator.telemetry.otlp_signal import Signal

PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 30.0
_MIN_PAUSE_SECONDS = 1.0
_MAX_TEXT_CHARACTERS = 200
NO_CONNECTION = "no connection to the collector"
NOT_TRUSTED = "the collector's certificate is not trusted; set OTEL_EXPORTER_OTLP_CERTIFICATE to its authority"


def taken(rejected: int, reason: str, signal: Signal) -> CollectorAnswer:
    """Return the answer of a collector that accepted a batch, but for `rejected` items."""
    problem = f"the collector rejected {rejected} {signal.words}: {printable(reason)}" if rejected else ""
    return CollectorAnswer(True, rejected=rejected, problem=problem)


def rejected_in(body: bytes) -> tuple[int, str]:
    """Return how many items were rejected, and why, as far as an answer in protobuf says so readably.

    The answers of the three services are the same in protobuf, but for the names of their fields.
    """
    try:
        success = ExportTraceServiceResponse.FromString(body).partial_success
    except (DecodeError, TypeError):
        return 0, ""
    return max(0, success.rejected_spans), success.error_message


def pause_within_bounds(seconds: float) -> float:
    """Return the pause that a collector asks for, as far as it is sensible."""
    return max(_MIN_PAUSE_SECONDS, min(seconds, MAX_PAUSE_SECONDS))


def no_answer(timeout_seconds: float) -> str:
    """Return the problem of a collector that took too long."""
    return f"the collector did not answer within {timeout_seconds:.3g} s"


def not_callable(error: Exception) -> str:
    """Return the problem of an attempt that failed in a way that nobody foresaw."""
    return f"the collector can't be called: {type(error).__name__}; see OTEL_EXPORTER_OTLP_ENDPOINT and its like"


def printable(text: str) -> str:
    """Return the beginning of a text from the collector, without control characters."""
    return "".join(character if character.isprintable() else " " for character in text[:_MAX_TEXT_CHARACTERS])
