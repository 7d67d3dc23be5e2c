"""`POST /v1/traces`, `/v1/logs` and `/v1/metrics`: OTLP over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import orjson
from flask import Flask, Response, request

from simulator.console.otlp.accepted import LOGS, METRICS, TRACES, AcceptedSignal
from simulator.console.otlp.application import JSON, PROTOBUF, content_type_of, encoding_of, make_otlp_application
from simulator.console.otlp.bodies import BodyReader
from simulator.console.otlp.intake import OtlpIntake, answer_of
from simulator.console.otlp.refusals import Refusals

PREFIX = "/v1"


def make_receiver(
    intake: OtlpIntake,
    max_held_bytes: int | None = None,
    time_limit: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Flask:
    """Return the application that answers everything under PREFIX.

    All bodies being read have at most `max_held_bytes`, by default four times those of one. `time_limit()` returns a
    context that raises TimeoutError in a body that takes too long, as in `lambda: gevent.Timeout(30, TimeoutError)`; by
    default only the server's limit holds.
    """
    bodies = BodyReader(intake.max_bytes, max_held_bytes or 4 * intake.max_bytes, time_limit)

    def receiver_of(signal: AcceptedSignal) -> Callable[[], Response]:
        def receive() -> Response:
            content_type, encoding = content_type_of(request), encoding_of(request)
            body = bodies.read(request)
            refusals = intake.take(signal, body, content_type, encoding, request.headers.get("Via", ""))
            return _success(signal, content_type, refusals)

        return receive

    return make_otlp_application({signal.path: receiver_of(signal) for signal in (TRACES, LOGS, METRICS)})


def _success(signal: AcceptedSignal, content_type: str, refusals: Refusals) -> Response:
    if content_type == PROTOBUF:
        return Response(answer_of(signal, refusals).SerializeToString(), content_type=PROTOBUF)
    partial = {signal.rejected_in_json: str(refusals.items), "errorMessage": refusals.reason}
    is_partial = refusals.items or refusals.reason
    return Response(orjson.dumps({"partialSuccess": partial} if is_partial else {}), content_type=JSON)
