"""What the answers of Jaeger's APIs have in common."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException

from simulator.console.traces.api_parameters import BadParameter
from simulator.console.traces.store import TraceSize

JSON = "application/json"
# Of traces as they are stored. In JSON they are about twice as long.
MAX_ANSWER_SPANS, MAX_ANSWER_BYTES = 20_000, 8 * 2**20


def json_answer(body: object, status: int = 200) -> Response:
    """Return an answer in JSON."""
    return Response(orjson.dumps(body), status=status, mimetype=JSON)


def check_size(size: TraceSize, what: str, advice: str) -> None:
    """Raise BadParameter if an answer would have more than MAX_ANSWER_SPANS or MAX_ANSWER_BYTES."""
    if size.spans > MAX_ANSWER_SPANS or size.bytes > MAX_ANSWER_BYTES:
        raise BadParameter(
            f"{what} with {size.spans:,} spans in {size.bytes:,} bytes: an answer has at most"
            f" {MAX_ANSWER_SPANS:,} spans in {MAX_ANSWER_BYTES:,} bytes; {advice}"
        )


def allow_headers(error: HTTPException) -> Iterator[tuple[str, str]]:
    """Yield the header that names the allowed methods, if the error is about another one."""
    return ((name, value) for name, value in error.get_headers() if name == "Allow")
