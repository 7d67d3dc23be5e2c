"""How a stage reaches those that it calls, put together: connections, trust, and who is told of what goes on there."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import gevent
from gevent import monkey
from opentelemetry import trace

from simulator.stage.connection import connect
from simulator.stage.downstream import Sender, Try, is_on_purpose, resending
from simulator.stage.greenlets import Greenlets
from simulator.stage.injections import Ask, Injections
from simulator.stage.lookups import Lookups
from simulator.stage.message import MESSAGE_ID
from simulator.stage.signals import Signals
from simulator.stage.time_limit import TooSlow
from simulator.stage.transport import LeanAdapter
from simulator.stage.travel import RunIdentity
from simulator.stage.trust import make_tls
from simulator.telemetry.logs import trace_keys
from simulator.telemetry.record import Clock
from simulator.telemetry.traces import current_trace
from simulator.topology.settings import Downstream, StageSettings
from simulator.urls import redacted

_MAX_CONNECTIONS = 4096


def tls_for(downstreams: tuple[Downstream, ...], environment: Mapping[str, str]) -> ssl.SSLContext | None:
    """Return the context for https://, None where nothing is called by it. Raise StartError for a wrong variable."""
    calls_https = any(url.lower().startswith("https:") for downstream in downstreams for url in downstream.urls)
    return make_tls(environment) if calls_https else None


def asking(tls: ssl.SSLContext | None, secret: str) -> Ask:
    """Return what asks a called stage whether it kept an answer back on purpose."""
    return functools.partial(is_on_purpose, tls=tls, secret=secret)


def make_sender(
    settings: StageSettings,
    signals: Signals,
    injections: Injections,
    clock: Clock,
    tls: ssl.SSLContext | None,
    variables: Mapping[str, str],
    identity: RunIdentity,
) -> Sender:
    """Make the sender of a stage, which logs and counts what becomes of instances and connections.

    `variables` are the values of the environment's variables that headers name.
    """
    connections = min(_MAX_CONNECTIONS, settings.stage.workers)
    adapter = LeanAdapter(
        connections,
        monkey.get_original("select", "poll"),
        functools.partial(connect, look_up=Lookups(Greenlets())),
        may_resend=resending(_on_resend(signals)),
        tls=tls,
        time_limit=_time_limit,
    )
    return Sender(
        settings.name,
        settings.downstreams,
        connections,
        clock.monotonic,
        _time_limit,
        adapter,
        injections,
        _on_ejection(signals),
        asking(tls, identity.secret),
        variables,
        identity,
    )


def _on_ejection(signals: Signals) -> Callable[[str, str, bool], None]:
    def tell(downstream: str, url: str, ejected: bool) -> None:
        if ejected:
            signals.metrics.record_ejection(downstream)
            signals.logger.warning("instance.ejected", downstream=downstream, url=redacted(url))
        else:
            signals.logger.info("instance.restored", downstream=downstream, url=redacted(url))

    return tell


def _on_resend(signals: Signals) -> Callable[[Try], None]:
    def tell(request: Try) -> None:
        signals.metrics.record_resend(request.downstream)
        trace.get_current_span().set_attribute("http.request.resend_count", request.attempt)
        signals.logger.info(
            "attempt.resent",
            **trace_keys(current_trace()),
            message_id=request.headers[MESSAGE_ID],
            downstream=request.downstream,
            attempt=request.attempt,
            reason="the idle connection had been closed by the other side",
        )

    return tell


def _time_limit(seconds: float) -> AbstractContextManager[object]:
    return gevent.Timeout(seconds, TooSlow)  # type: ignore[no-any-return]
