"""The client's spans of requests to databases and caches, by OpenTelemetry's conventions of database clients.

The instrumentation of requests would make them calls of HTTP, which is only how this program carries them.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from opentelemetry.instrumentation.utils import suppress_http_instrumentation
from opentelemetry.propagate import inject
from opentelemetry.trace import Span, SpanKind, StatusCode, TracerProvider

from simulator.net.status import is_success
from simulator.stage.http_wire import OutgoingRequest
from simulator.telemetry.traces import peer


class DatabaseSpans:
    """Make the spans of one stage."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("simulator")

    @contextmanager
    def around(self, request: OutgoingRequest) -> Iterator[Callable[[int], None]]:
        """Open the span of a request to a database; the function that it yields takes the status of the answer."""
        database = request.database
        if database is None:
            raise ValueError("this request does not go to a database")
        attributes = {**database.attributes, **peer(request.downstream), **_server(_origin(request.url or ""))}
        with self._tracer.start_as_current_span(
            request.span or database.span_name,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            inject(request.headers)
            try:
                with suppress_http_instrumentation():
                    yield lambda status: _answered(span, status)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(StatusCode.ERROR, str(error))
                raise


def _answered(span: Span, status: int) -> None:
    if not is_success(status):
        span.set_attributes({"db.response.status_code": str(status), "error.type": str(status)})
        span.set_status(StatusCode.ERROR)


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


@lru_cache(maxsize=1024)
def _server(origin: str) -> dict[str, str | int]:
    parts = urllib.parse.urlsplit(origin)
    host = {"server.address": parts.hostname} if parts.hostname else {}
    return {**host, **({"server.port": parts.port} if parts.port else {})}
