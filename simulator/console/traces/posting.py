"""One try to hand spans to a collector, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import orjson
import requests
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from simulator.console.traces.destination import Destination

PAUSE_SECONDS = 5.0
MOST_PAUSE_SECONDS = 30.0
_LEAST_PAUSE_SECONDS = 1.0
_MOST_ANSWER_BYTES = 64 * 1024
_MOST_TEXT = 200
# What OTLP lets a client try again; all else would end the same way.
_RETRYABLE = (429, 502, 503, 504)
# These are about one body; the next one may do better at once.
_ABOUT_THE_BODY = (400, 413, 415, 422)


@dataclass(frozen=True)
class Parcel:
    """A request as it came: its body, still packed, and what has to be said with it.

    `spans` is how many are in it, `via` the header of that name: who has passed it on before.
    """

    body: bytes
    content_type: str
    content_encoding: str
    spans: int
    via: str = ""


@dataclass(frozen=True)
class Answer:
    """What came of a try.

    `pause_seconds` is how long the collector is to be left in peace; `problem` is in words, "" for none.
    """

    is_taken: bool
    is_worth_retrying: bool = False
    pause_seconds: float = 0.0
    spans_rejected: int = 0
    problem: str = ""


class Poster:
    """Post parcels to a collector. `name` goes along in the Via header, by which one's own come back are known."""

    def __init__(self, destination: Destination, name: str) -> None:
        self._destination = destination
        self._name = name
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = destination.certificate or True
        if destination.client_certificate:
            both = (destination.client_certificate, destination.client_key)
            self._session.cert = both if destination.client_key else destination.client_certificate

    def __call__(self, parcel: Parcel, timeout_seconds: float) -> Answer:
        """Try once, for no longer than `timeout_seconds` without a sign from the collector."""
        try:
            with self._session.post(
                self._destination.endpoint,
                data=parcel.body,
                headers=self._headers(parcel),
                timeout=timeout_seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                return _answer(response)
        except Exception as error:  # noqa: BLE001 - whatever breaks costs spans, counted ones, and nothing else
            problem = _in_words(error, timeout_seconds)
            return Answer(False, is_worth_retrying=True, pause_seconds=PAUSE_SECONDS, problem=problem)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _headers(self, parcel: Parcel) -> dict[str, str]:
        via = f"1.1 {self._name}"
        headers = {
            **self._destination.headers,
            "content-type": parcel.content_type,
            "via": f"{parcel.via}, {via}" if parcel.via else via,
        }
        if parcel.content_encoding != "identity":
            headers["content-encoding"] = parcel.content_encoding
        return headers


def _answer(response: requests.Response) -> Answer:
    body = _start_of(response)
    status = response.status_code
    if 200 <= status < 300:
        rejected, reason = _partial_success(body, response.headers.get("Content-Type", ""))
        problem = f"the collector rejected {rejected} spans: {reason[:_MOST_TEXT]}" if rejected else ""
        return Answer(True, spans_rejected=rejected, problem=problem)
    problem = f"the collector answered {status} {_phrase(status)}".rstrip()
    if status in _ABOUT_THE_BODY:
        return Answer(False, problem=problem)
    pause = _retry_after_seconds(response) if status in _RETRYABLE else PAUSE_SECONDS
    return Answer(False, is_worth_retrying=status in _RETRYABLE, pause_seconds=pause, problem=problem)


def _start_of(response: requests.Response) -> bytes:
    """Give the body as far as it matters; what breaks in it changes nothing about the status."""
    try:
        return bytes(response.raw.read(_MOST_ANSWER_BYTES, decode_content=True))
    except Exception:  # noqa: BLE001 - the answer's status has come, and it is what counts
        return b""


def _partial_success(body: bytes, content_type: str) -> tuple[int, str]:
    """Give how many spans were rejected, and why, as far as the answer says so in a way that can be read."""
    try:
        if content_type.startswith("application/json"):
            partial = orjson.loads(body)["partialSuccess"]
            return max(0, int(partial["rejectedSpans"])), str(partial.get("errorMessage", ""))
        success = ExportTraceServiceResponse.FromString(body).partial_success
    except (DecodeError, ValueError, LookupError, TypeError, AttributeError):
        return 0, ""
    return max(0, success.rejected_spans), success.error_message


def _retry_after_seconds(response: requests.Response) -> float:
    text = response.headers.get("Retry-After", "")
    if not (text.isascii() and text.isdecimal()):
        return PAUSE_SECONDS
    return max(_LEAST_PAUSE_SECONDS, min(float(text), MOST_PAUSE_SECONDS))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _in_words(error: Exception, timeout_seconds: float) -> str:
    """Say what happened without the library's text, which may have the query of the URL in it."""
    if isinstance(error, requests.exceptions.SSLError):
        return "the collector's certificate is not trusted; OTEL_EXPORTER_OTLP_CERTIFICATE names whom to trust"
    if isinstance(error, requests.exceptions.Timeout):
        return f"the collector did not answer within {timeout_seconds:g} s"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection to the collector"
    return f"the collector can't be called: {type(error).__name__}; see OTEL_EXPORTER_OTLP_ENDPOINT and its like"
