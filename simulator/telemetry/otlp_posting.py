"""One attempt to send a batch to a collector over HTTP, and its answer."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

import orjson
import requests
import urllib3

from simulator.telemetry.otlp_answers import (
    NO_CONNECTION,
    NOT_TRUSTED,
    PAUSE_SECONDS,
    no_answer,
    not_callable,
    pause_within_bounds,
    rejected_in,
    taken,
)
from simulator.telemetry.otlp_batch import CollectorAnswer, OtlpBatch
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_session import make_session
from simulator.telemetry.otlp_signal import Signal

PROTOBUF = "application/x-protobuf"
_MIN_TIMEOUT_SECONDS = 0.001
_MAX_ANSWER_BYTES = 64 * 1024
_NO_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    urllib3.exceptions.LocationParseError,
)
_GRPC = "; a gRPC port, as 4317 often is, does not accept http/protobuf"
# What OTLP lets a client retry; anything else would end the same way.
_RETRYABLE = (429, 502, 503, 504)
_REJECTED_IN_JSON = {
    Signal.TRACES: "rejectedSpans",
    Signal.LOGS: "rejectedLogRecords",
    Signal.METRICS: "rejectedDataPoints",
}
# These are about one body; the next one may succeed at once.
_ABOUT_THE_BODY = (400, 413, 415, 422)


class Poster:
    """Post batches to a collector; `headers` are sent with each, beside those of the destination."""

    def __init__(
        self,
        destination: Destination,
        headers: Mapping[str, str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._destination = destination
        self._headers_always = dict(headers or {})
        self._monotonic = monotonic
        self._session = make_session(destination)

    def __call__(self, batch: OtlpBatch, timeout_seconds: float) -> CollectorAnswer:
        """Make one attempt, for at most `timeout_seconds` without a byte from the collector."""
        end = self._monotonic() + timeout_seconds
        try:
            try:
                return self._post(batch, end)
            except requests.exceptions.ConnectionError as error:
                # A kept connection may have been closed at the moment of its use; a new one is opened at once.
                if not _was_connected(error) or self._monotonic() >= end:
                    raise
                return self._post(batch, end)
        except Exception as error:  # noqa: BLE001 - a failure costs items, which are counted, and nothing else
            problem = _explained(error, timeout_seconds)
            return CollectorAnswer(False, is_worth_retrying=True, pause_seconds=PAUSE_SECONDS, problem=problem)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _post(self, batch: OtlpBatch, end: float) -> CollectorAnswer:
        with self._session.post(
            self._destination.endpoint,
            data=batch.body,
            headers=self._headers(batch),
            timeout=max(_MIN_TIMEOUT_SECONDS, end - self._monotonic()),
            allow_redirects=False,
            stream=True,
        ) as response:
            return _answer(response, batch.signal, lambda: self._monotonic() < end)

    def _headers(self, batch: OtlpBatch) -> dict[str, str]:
        headers = {**self._destination.headers, **self._headers_always, "content-type": batch.content_type}
        if batch.via:
            headers["via"] = ", ".join(filter(None, (batch.via, headers.get("via"))))
        if batch.content_encoding != "identity":
            headers["content-encoding"] = batch.content_encoding
        return headers


def _answer(response: requests.Response, signal: Signal, in_time: Callable[[], bool]) -> CollectorAnswer:
    body = _start_of(response, in_time)
    status = response.status_code
    if 200 <= status < 300:
        rejected, reason = _partial_success(body, response.headers.get("Content-Type", ""), signal)
        return taken(rejected, reason, signal)
    problem = f"the collector answered {status} {_phrase(status)}".rstrip()
    if status in _ABOUT_THE_BODY:
        return CollectorAnswer(False, problem=problem, status=status)
    pause = _retry_after_seconds(response) if status in _RETRYABLE else PAUSE_SECONDS
    is_worth_retrying = status in _RETRYABLE
    return CollectorAnswer(False, is_worth_retrying, pause_seconds=pause, problem=problem, status=status)


def _start_of(response: requests.Response, in_time: Callable[[], bool]) -> bytes:
    """Return the body as far as it matters and comes in time; what breaks in it changes nothing about the status."""
    body = b""
    try:
        while len(body) < _MAX_ANSWER_BYTES and in_time():
            part = response.raw.read1(_MAX_ANSWER_BYTES, decode_content=True)
            if not part:
                break
            body += part
    except Exception:  # noqa: BLE001 - the answer's status has come, and it is what counts
        return b""
    return body


def _partial_success(body: bytes, content_type: str, signal: Signal) -> tuple[int, str]:
    """Return how many items were rejected, and why, as far as the answer says so readably."""
    try:
        if content_type.startswith("application/json"):
            partial = orjson.loads(body)["partialSuccess"]
            return max(0, int(partial[_REJECTED_IN_JSON[signal]])), str(partial.get("errorMessage", ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        return 0, ""
    return rejected_in(body)


def _retry_after_seconds(response: requests.Response) -> float:
    text = response.headers.get("Retry-After", "")
    if not (text.isascii() and text.isdecimal()):
        return PAUSE_SECONDS
    return pause_within_bounds(float(text))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _explained(error: Exception, timeout_seconds: float) -> str:
    """Return what happened, without the library's text, which may have the query of the URL in it."""
    if isinstance(error, requests.exceptions.SSLError):
        return NOT_TRUSTED
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names does not lead to the collector"
    if isinstance(error, requests.exceptions.Timeout):
        return no_answer(timeout_seconds)
    if isinstance(error, requests.exceptions.ConnectionError):
        return _connection_explained(error)
    if isinstance(error, _NO_URL):
        return "OTEL_EXPORTER_OTLP_ENDPOINT is not a URL that can be called; it must begin with http:// or https://"
    return not_callable(error)


def _connection_explained(error: requests.exceptions.ConnectionError) -> str:
    if not _was_connected(error):
        return NO_CONNECTION
    causes = error.args[0].args if error.args and isinstance(error.args[0], urllib3.exceptions.ProtocolError) else ()
    if any(isinstance(cause, http.client.BadStatusLine) and not isinstance(cause, ConnectionError) for cause in causes):
        return f"the answer is not HTTP{_GRPC}"
    return f"the collector closed the connection without an answer{_GRPC}"


def _was_connected(error: requests.exceptions.ConnectionError) -> bool:
    """Return whether there was a connection, which then broke."""
    return bool(error.args) and isinstance(error.args[0], urllib3.exceptions.ProtocolError)
