"""Every span of a stage, and the attributes of the resource that it belongs to."""

from __future__ import annotations

from functools import partial

from simulator.telemetry.catalogue import attributes as of
from simulator.telemetry.catalogue.convention import Convention
from simulator.telemetry.catalogue.span_records import Span, SpanEvent, SpanKind
from simulator.telemetry.record import MIN_WAIT_SPAN_SECONDS
from simulator.units import format_duration

RESOURCE = (
    of.SERVICE_NAME,
    of.SERVICE_NAMESPACE,
    of.SERVICE_INSTANCE_ID,
    of.SERVICE_VERSION,
    of.DISTRO_NAME,
    of.DISTRO_VERSION,
    of.SDK_NAME,
    of.SDK_VERSION,
    of.SDK_LANGUAGE,
)
EXCEPTION = SpanEvent(
    name="exception",
    help="The request failed without an answer",
    attributes=(of.EXCEPTION_TYPE, of.EXCEPTION_MESSAGE, of.EXCEPTION_STACKTRACE, of.EXCEPTION_ESCAPED),
    convention=Convention.OPENTELEMETRY,
)
_OF_A_MESSAGE = (
    of.STAGE,
    of.ROLE,
    of.OPERATION,
    of.MESSAGE_ID,
    of.DECISION,
    of.OUTCOME,
    of.FAULT,
    of.READING_SECONDS,
    of.QUEUE_WAIT_SECONDS,
    of.DELAY_DRAWN_SECONDS,
    of.DELAY_SPEC,
    of.PROCESSING_SECONDS,
    of.OVERHEAD_SECONDS,
)
_PEER = (of.SERVICE_PEER_NAME, of.PEER_SERVICE)
_OF_A_DATABASE = (of.DB_SYSTEM_NAME, of.DB_NAMESPACE, of.DB_OPERATION_NAME, of.DB_COLLECTION_NAME)
_inner = partial(Span, kind=SpanKind.INTERNAL, emitted="simulator.telemetry.traces")

SERVER = Span(
    name="{method} {path}",
    kind=SpanKind.SERVER,
    help="A request, from its first byte until the answer has left",
    attributes=(
        *_OF_A_MESSAGE,
        of.HTTP_REQUEST_METHOD,
        of.HTTP_REQUEST_METHOD_ORIGINAL,
        of.HTTP_ROUTE,
        of.HTTP_RESPONSE_STATUS_CODE,
        of.ERROR_TYPE,
        of.URL_SCHEME,
        of.URL_PATH,
        of.URL_QUERY,
        of.SERVER_ADDRESS,
        of.SERVER_PORT,
        of.CLIENT_ADDRESS,
        of.CLIENT_PORT,
        of.NETWORK_PROTOCOL_VERSION,
        of.USER_AGENT_ORIGINAL,
    ),
    emitted="simulator.stage.signals",
)
INJECT = _inner(
    name="inject",
    help="A message that an injector makes, from when it was due",
    attributes=(*_OF_A_MESSAGE, of.INJECTOR_LAG_SECONDS),
)
ACCEPTED = _inner(
    name="accepted",
    help="The processing of a message that was answered before (`forward: accept`)",
    attributes=_OF_A_MESSAGE,
)
QUEUE_WAIT = _inner(
    name="queue.wait",
    help=f"Waiting for a worker, if it took {format_duration(MIN_WAIT_SPAN_SECONDS)} or more",
)
PROCESS = _inner(
    name="process",
    help="The stage's own time until the delay is over, if there is a delay or work",
    attributes=(of.DELAY_DRAWN_SECONDS, of.DELAY_SPEC),
)
FAULT = _inner(name="fault.{name}", help="The time that an injected fault takes", attributes=(of.FAULT,))
DELAY = _inner(name="delay", help="A delay between calls", attributes=(of.DELAY_DRAWN_SECONDS, of.DELAY_SPEC))
CALL = _inner(
    name="call {stage}",
    help="A call with its attempts, if it has retries or the like",
    attributes=(*_PEER, of.DOWNSTREAM_OPERATION, *_OF_A_DATABASE, of.CALL_OUTCOME, of.CALL_ATTEMPTS),
)
CLIENT = Span(
    name="{method} {path}",
    kind=SpanKind.CLIENT,
    help="An attempt at a call; its name has the path only if the called stage has operations",
    attributes=(
        *_PEER,
        of.HTTP_REQUEST_METHOD,
        of.HTTP_REQUEST_RESEND_COUNT,
        of.HTTP_RESPONSE_STATUS_CODE,
        of.ERROR_TYPE,
        of.URL_FULL,
        of.URL_TEMPLATE,
        of.SERVER_ADDRESS,
        of.SERVER_PORT,
        of.NETWORK_PEER_ADDRESS,
        of.NETWORK_PEER_PORT,
        of.NETWORK_PROTOCOL_VERSION,
        of.USER_AGENT_ORIGINAL,
    ),
    events=(EXCEPTION,),
    emitted="simulator.stage.shared",
)

DATABASE_CLIENT = Span(
    name="{operation} {target}",
    kind=SpanKind.CLIENT,
    help="An attempt at an operation of a database or cache, with what is known of them in its name",
    attributes=(
        *_PEER,
        *_OF_A_DATABASE,
        of.DB_RESPONSE_STATUS_CODE,
        of.ERROR_TYPE,
        of.SERVER_ADDRESS,
        of.SERVER_PORT,
    ),
    emitted="simulator.stage.database_spans",
)

# Every span above.
SPANS = tuple(span for span in list(vars().values()) if isinstance(span, Span))
