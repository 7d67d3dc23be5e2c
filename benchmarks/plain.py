"""The plainest program with the function of a stage: as one would write it first, from the libraries' documentation.

It takes messages, logs, measures and traces them under the same names as a stage, and forwards them. It also runs as
documented: `gunicorn --worker-class gthread --threads 32 benchmarks.plain:app`, in one process because of the metrics.
"""

from __future__ import annotations

import os
import threading
import time
import uuid

import requests
import structlog
from flask import Flask, jsonify, request
from opentelemetry import baggage, context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Counter, Histogram, make_wsgi_app
from werkzeug.middleware.dispatcher import DispatcherMiddleware

NAME = os.environ.get("STAGE_NAME", "plain")
ROLE = os.environ.get("STAGE_ROLE", "terminator")
DOWNSTREAM_URL = os.environ.get("DOWNSTREAM_URL")  # None: the last stage
DELAY_SECONDS = float(os.environ.get("DELAY_SECONDS", "0"))
DELAY_SPEC = f"constant({DELAY_SECONDS}s)"
TIMEOUT_SECONDS = 30
MIN_WAIT_SPAN_SECONDS = 0.001

provider = TracerProvider(resource=Resource.create({"service.name": NAME}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("plain")


def add_trace_ids(_logger, _method, event):
    """Add the ids of the current span, as structlog's documentation on frameworks shows."""
    span = trace.get_current_span().get_span_context()
    event["trace_id"] = format(span.trace_id, "032x")
    event["span_id"] = format(span.span_id, "016x")
    event["trace_flags"] = format(span.trace_flags, "02x")
    return event


structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        add_trace_ids,
        structlog.processors.JSONRenderer(),
    ]
)
logger = structlog.get_logger(service=NAME, stage=NAME, role=ROLE)

STAGE = {"stage": NAME, "role": ROLE}
HTTP_LABELS = ["stage", "role", "http_request_method", "http_route", "http_response_status_code"]
HTTP_DURATION = Histogram("http_server_request_duration_seconds", "Duration of HTTP server requests.", HTTP_LABELS)
MESSAGES = Counter("simulator_messages", "Messages handled.", ["stage", "role", "outcome"])
BYTES = Histogram("simulator_message_bytes", "Size of bodies.", ["stage", "role"], buckets=[64, 256, 1024, 4096, 16384])
QUEUE_WAIT = Histogram("simulator_queue_wait_seconds", "Waiting for a worker.", ["stage", "role"])
DELAY_DRAWN = Histogram("simulator_delay_drawn_seconds", "The delay that was drawn.", ["stage", "role"])
PROCESSING = Histogram("simulator_processing_seconds", "The time that processing took.", ["stage", "role"])
ATTEMPT = Histogram(
    "simulator_downstream_attempt_duration_seconds", "Each attempt.", ["stage", "role", "downstream", "code"]
)
CALL = Histogram("simulator_downstream_call_duration_seconds", "A call.", ["stage", "role", "downstream", "outcome"])

app = Flask(__name__)
FlaskInstrumentor().instrument_app(app)
RequestsInstrumentor().instrument()
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": make_wsgi_app()})
workers = threading.BoundedSemaphore(32)


@app.get("/readyz")
def readyz():
    """Answer that the program is up."""
    return "ready\n"


@app.post("/messages")
def take_message():
    """Take a message, process it and forward it."""
    begin = time.perf_counter()
    body = request.get_data()
    if request.is_json:
        request.get_json()  # answers 400 if it is not JSON
    message_id = request.headers.get("X-Message-Id") or str(uuid.uuid4())
    log = logger.bind(message_id=message_id)
    caller = request.headers.get("X-Simulator-Caller", "outside")
    log.info("message.received", caller=caller, via="http", content_type=request.content_type, body_bytes=len(body))
    begin_wait, begin_wait_unix_ns = time.perf_counter(), time.time_ns()
    workers.acquire()
    queue_wait_seconds = time.perf_counter() - begin_wait
    if queue_wait_seconds >= MIN_WAIT_SPAN_SECONDS:
        tracer.start_span("queue.wait", start_time=begin_wait_unix_ns).end()
    try:
        processing_seconds = process()
        outcome, code, downstream_seconds = forward(body, message_id, log) if DOWNSTREAM_URL else ("delivered", 200, 0)
    finally:
        workers.release()
    duration_seconds = time.perf_counter() - begin
    span = trace.get_current_span()
    span.set_attribute("simulator.stage", NAME)
    span.set_attribute("simulator.role", ROLE)
    span.set_attribute("simulator.message_id", message_id)
    span.set_attribute("simulator.outcome", outcome)
    span.set_attribute("simulator.queue_wait_seconds", queue_wait_seconds)
    span.set_attribute("simulator.delay.drawn_seconds", DELAY_SECONDS)
    span.set_attribute("simulator.delay.spec", DELAY_SPEC)
    span.set_attribute("simulator.processing_seconds", processing_seconds)
    MESSAGES.labels(**STAGE, outcome=outcome).inc()
    BYTES.labels(**STAGE).observe(len(body))
    QUEUE_WAIT.labels(**STAGE).observe(queue_wait_seconds)
    DELAY_DRAWN.labels(**STAGE).observe(DELAY_SECONDS, exemplar())
    PROCESSING.labels(**STAGE).observe(processing_seconds, exemplar())
    HTTP_DURATION.labels(
        **STAGE, http_request_method="POST", http_route="/messages", http_response_status_code=str(code)
    ).observe(duration_seconds, exemplar())
    log.info(
        "message.handled",
        outcome=outcome,
        code=code,
        queue_wait_seconds=queue_wait_seconds,
        delay_drawn_seconds=DELAY_SECONDS,
        processing_seconds=processing_seconds,
        downstream_seconds=downstream_seconds,
        duration_seconds=duration_seconds,
        body_bytes=len(body),
    )
    receipt = jsonify(message_id=message_id, stage=NAME, outcome=outcome, duration_seconds=duration_seconds)
    receipt.headers["X-Message-Id"] = message_id
    return receipt, code


def process() -> float:
    """Return how many seconds the delay took."""
    begin = time.perf_counter()
    if DELAY_SECONDS > 0:
        with tracer.start_as_current_span("process") as span:
            span.set_attribute("simulator.delay.drawn_seconds", DELAY_SECONDS)
            span.set_attribute("simulator.delay.spec", DELAY_SPEC)
            time.sleep(DELAY_SECONDS)
    return time.perf_counter() - begin


def forward(body, message_id, log):
    """Send the message downstream; return the outcome, the code to answer with and the seconds that the call took."""
    begin = time.perf_counter()
    headers = {"Content-Type": request.content_type, "X-Message-Id": message_id, "X-Simulator-Caller": NAME}
    token = context.attach(baggage.set_baggage("simulator.message_id", message_id))
    try:
        response = requests.post(DOWNSTREAM_URL, data=body, headers=headers, timeout=TIMEOUT_SECONDS)
        code, call_outcome = response.status_code, "ok" if response.ok else "error_status"
    except requests.RequestException:
        code, call_outcome = None, "broken"
    finally:
        context.detach(token)
    seconds = time.perf_counter() - begin
    ATTEMPT.labels(**STAGE, downstream="downstream", code=str(code)).observe(seconds, exemplar())
    CALL.labels(**STAGE, downstream="downstream", outcome=call_outcome).observe(seconds)
    log.info(
        "message.sent",
        downstream="downstream",
        outcome=call_outcome,
        code=code,
        attempts=1,
        duration_seconds=seconds,
    )
    return ("forwarded", 200, seconds) if call_outcome == "ok" else ("failed", 502, seconds)


def exemplar() -> dict[str, str]:
    """Return the labels that link a metric to the current trace."""
    span = trace.get_current_span().get_span_context()
    return {"trace_id": format(span.trace_id, "032x"), "span_id": format(span.span_id, "016x")}
