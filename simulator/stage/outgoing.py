"""The outgoing side of a stage, assembled: connections, trust, and what is logged and counted of them."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable, Mapping

from gevent import monkey
from opentelemetry import trace

from simulator.engine.runtime import Runtime
from simulator.engine.sender import Sender
from simulator.stage.connection import connect
from simulator.stage.http_wire import DatabaseSpan, HttpWire, OnRequest, OutgoingRequest, addresses_of, resending
from simulator.stage.lookups import Lookups
from simulator.stage.signals import Signals
from simulator.stage.transport import LeanAdapter
from simulator.stage.travel import RunIdentity
from simulator.stage.trust import make_tls
from simulator.telemetry.logs import trace_keys
from simulator.telemetry.metrics import Metrics
from simulator.telemetry.traces import current_trace
from simulator.topology.model import Stage
from simulator.topology.settings import Downstream, StageSettings
from simulator.urls import redacted

_MAX_CONNECTIONS = 4096


def tls_for(downstreams: tuple[Downstream, ...], environment: Mapping[str, str]) -> ssl.SSLContext | None:
    """Return the context for https://, None if no call uses it. Raise StartError for an invalid variable."""
    calls_https = any(url.lower().startswith("https:") for downstream in downstreams for url in downstream.urls)
    return make_tls(environment) if calls_https else None


def make_sender(
    settings: StageSettings,
    signals: Signals,
    runtime: Runtime,
    tls: ssl.SSLContext | None,
    variables: Mapping[str, str],
    identity: RunIdentity,
) -> Sender:
    """Return the sender of a stage, which logs and counts ejections and resends.

    `variables` are the values of the environment variables that headers name.
    """
    adapter = LeanAdapter(
        min(_MAX_CONNECTIONS, settings.stage.workers),
        monkey.get_original("select", "poll"),
        functools.partial(connect, look_up=Lookups(runtime)),
        may_resend=resending(_on_resend(signals)),
        tls=tls,
        time_limit=runtime.time_limit,
        is_bounded=True,
    )
    wire = HttpWire(
        settings.name,
        settings.downstreams,
        adapter,
        runtime.now,
        runtime.time_limit,
        variables,
        identity,
        _database_span(settings, signals.provider),
        _in_baggage(settings.stage),
        _on_request(signals.metrics),
    )
    return Sender(addresses_of(settings.downstreams), wire, runtime.now, _on_ejection(signals))


def _database_span(settings: StageSettings, provider: trace.TracerProvider) -> DatabaseSpan | None:
    """Return what opens the spans of requests to databases, None if the stage calls none."""
    routes = (route for downstream in settings.downstreams for route in downstream.routes.values())
    if all(route.database is None for route in routes):
        return None
    from simulator.stage.database_spans import DatabaseSpans  # noqa: PLC0415 - few stages call one, and it takes memory

    return DatabaseSpans(provider).around


def _in_baggage(stage: Stage) -> frozenset[str]:
    """Return the names of the decisions that the stage draws, if they travel in baggage."""
    operations = stage.all_operations.values() if stage.baggage else ()
    return frozenset(name for operation in operations for name in operation.decide)


def _on_ejection(signals: Signals) -> Callable[[str, str, bool], None]:
    def tell(downstream: str, url: str, ejected: bool) -> None:
        if ejected:
            signals.metrics.record_ejection(downstream)
            signals.logger.warning("instance.ejected", downstream=downstream, url=redacted(url))
        else:
            signals.logger.info("instance.restored", downstream=downstream, url=redacted(url))

    return tell


def _on_request(metrics: Metrics) -> OnRequest:
    def record(request: OutgoingRequest, address: str, error: str, seconds: float) -> None:
        metrics.record_request(request.method or "", address, request.status, error, seconds)

    return record


def _on_resend(signals: Signals) -> Callable[[OutgoingRequest], None]:
    def tell(request: OutgoingRequest) -> None:
        signals.metrics.record_resend(request.downstream)
        trace.get_current_span().set_attribute("http.request.resend_count", request.attempt)
        signals.logger.info(
            "attempt.resent",
            **trace_keys(current_trace()),
            message_id=request.message_id,
            downstream=request.downstream,
            attempt=request.attempt,
            reason="the idle connection had been closed by the other side",
        )

    return tell
