"""Every attribute of a stage's resource, its spans and their events."""

from __future__ import annotations

from functools import partial

from simulator.telemetry.catalogue.convention import Convention
from simulator.telemetry.catalogue.span_records import Attribute, AttributeType

_own_text = partial(Attribute, type=AttributeType.STRING)
_own_seconds = partial(Attribute, type=AttributeType.DOUBLE)
_text = partial(Attribute, type=AttributeType.STRING, convention=Convention.OPENTELEMETRY)
_number = partial(Attribute, type=AttributeType.INT, convention=Convention.OPENTELEMETRY)

SERVICE_NAME = _text(name="service.name", help="The stage, unless the environment names the service")
SERVICE_NAMESPACE = _text(name="service.namespace", help="The topology")
SERVICE_INSTANCE_ID = _text(name="service.instance.id", help="The instance: its number, or a random id")
SERVICE_VERSION = _text(name="service.version", help="The version of the user's service, if it is given")
SDK_LANGUAGE = _text(name="telemetry.sdk.language", help="python")
SDK_NAME = _text(name="telemetry.sdk.name", help="opentelemetry")
SDK_VERSION = _text(name="telemetry.sdk.version", help="The version of OpenTelemetry's SDK")
DISTRO_NAME = _text(name="telemetry.distro.name", help="web-service-simulator")
DISTRO_VERSION = _text(name="telemetry.distro.version", help="The simulator's own version")

STAGE = _own_text(name="simulator.stage", help="The stage")
ROLE = _own_text(name="simulator.role", help="Its role")
MESSAGE_ID = _own_text(name="simulator.message_id", help="The message")
OPERATION = _own_text(name="simulator.operation", help="The stage's operation, if it has several")
DECISION = Attribute(
    name="simulator.decision.{name}", type=AttributeType.ANY, help="What was decided for the message, if anything was"
)
OUTCOME = _own_text(name="simulator.outcome", help="How its handling ended")
OVERHEAD_SECONDS = _own_seconds(
    name="simulator.overhead_seconds", help="The part of the stage's own time that did not fit into the delay"
)
READING_SECONDS = _own_seconds(
    name="simulator.reading_seconds", help="Waiting for the client's bytes, if there was any"
)
QUEUE_WAIT_SECONDS = _own_seconds(
    name="simulator.queue_wait_seconds", help="Waiting for a worker, if one was reached; 0 if one was free"
)
FAULT = _own_text(name="simulator.fault", help="The injected faults, if there are any")
INJECTOR_LAG_SECONDS = _own_seconds(name="simulator.injector.lag_seconds", help="How late the message started")
DELAY_DRAWN_SECONDS = _own_seconds(name="simulator.delay.drawn_seconds", help="The delay drawn from the distribution")
DELAY_SPEC = _own_text(name="simulator.delay.spec", help="The distribution")
PROCESSING_SECONDS = _own_seconds(
    name="simulator.processing_seconds", help="The stage's own time, including the overhead"
)
DOWNSTREAM_OPERATION = _own_text(
    name="simulator.downstream.operation", help="The operation that is called, if the called stage has several"
)
CALL_OUTCOME = _own_text(name="simulator.call.outcome", help="How the call ended")
CALL_ATTEMPTS = Attribute(
    name="simulator.call.attempts", type=AttributeType.INT, help="How many attempts it took; 0 if there was none"
)

CLIENT_ADDRESS = _text(name="client.address", help="The client's address")
CLIENT_PORT = _number(name="client.port", help="The client's port")
DB_SYSTEM_NAME = _text(name="db.system.name", help="The product that the called database or cache is")
DB_NAMESPACE = _text(name="db.namespace", help="The database in it, if its name is given")
DB_OPERATION_NAME = _text(name="db.operation.name", help="The operation of the database, if it has several")
DB_COLLECTION_NAME = _text(name="db.collection.name", help="The table or collection, if it is given")
DB_RESPONSE_STATUS_CODE = _text(name="db.response.status_code", help="The status that a failed operation answered")
ERROR_TYPE = _text(name="error.type", help="The status of a failed request, or the name of the error, if there is one")
HTTP_REQUEST_METHOD = _text(name="http.request.method", help="The method")
HTTP_REQUEST_METHOD_ORIGINAL = _text(name="http.request.method_original", help="The method, if it is an unknown one")
HTTP_REQUEST_RESEND_COUNT = _number(name="http.request.resend_count", help="How many attempts were made before it")
HTTP_RESPONSE_STATUS_CODE = _number(name="http.response.status_code", help="The status, if there was an answer")
HTTP_ROUTE = _text(name="http.route", help="The path of the operation with its {names}, unless the request has another")
NETWORK_PEER_ADDRESS = _text(name="network.peer.address", help="The address that is called")
NETWORK_PEER_PORT = _number(name="network.peer.port", help="The port that is called")
NETWORK_PROTOCOL_VERSION = _text(name="network.protocol.version", help="1.1 or 1.0")
PEER_SERVICE = _text(name="peer.service", help="The same under its former name, which many viewers read")
SERVICE_PEER_NAME = _text(name="service.peer.name", help="The called stage or external service")
SERVER_ADDRESS = _text(name="server.address", help="The host of the URL")
SERVER_PORT = _number(name="server.port", help="The port of the URL")
URL_FULL = _text(name="url.full", help="The URL, without user and password")
URL_PATH = _text(name="url.path", help="The path")
URL_QUERY = _text(name="url.query", help="The query, if there is one")
URL_TEMPLATE = _text(name="url.template", help="The path with its {names}, if the called stage has operations")
URL_SCHEME = _text(name="url.scheme", help="http")
USER_AGENT_ORIGINAL = _text(name="user_agent.original", help="The client's program")
EXCEPTION_TYPE = _text(name="exception.type", help="The class of the error")
EXCEPTION_MESSAGE = _text(name="exception.message", help="Its message")
EXCEPTION_STACKTRACE = _text(name="exception.stacktrace", help="Where it was raised")
EXCEPTION_ESCAPED = _text(name="exception.escaped", help="Whether it left the span, as a text")

# Every attribute above.
ATTRIBUTES = tuple(attribute for attribute in list(vars().values()) if isinstance(attribute, Attribute))
