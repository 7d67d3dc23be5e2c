"""Which stage of a process is at work, for libraries that know only one of something: a tracer, a logger.

A context variable says it. It is set where the work of a stage starts, when a request arrives and when its load runs,
and every task that this work spawns sees it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer, TracerProvider
from structlog.typing import FilteringBoundLogger


@dataclass(frozen=True, eq=False)
class Shown:
    """The telemetry of one stage that libraries use: its tracer provider and its logger."""

    provider: TracerProvider
    logger: FilteringBoundLogger


class AtWork:
    """The stage at work, or the first one of the process if none is."""

    def __init__(self) -> None:
        self._current: contextvars.ContextVar[Shown | None] = contextvars.ContextVar("stage at work", default=None)
        self._first: Shown | None = None

    def add(self, shown: Shown) -> None:
        """Add a stage of the process."""
        self._first = self._first or shown

    def shown(self) -> Shown | None:
        """Return the telemetry of the stage at work; None before the first stage has been added."""
        return self._current.get() or self._first

    def run(self, shown: Shown, function: Callable[[], None]) -> None:
        """Call a function as the work of a stage."""
        self._current.set(shown)
        function()

    def wsgi(self, shown: Shown, application: WSGIApplication) -> WSGIApplication:
        """Return an application whose requests are the work of a stage; a connection belongs to a single stage."""

        def dispatch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            self._current.set(shown)
            return application(environ, start_response)

        return dispatch


class ProviderAtWork(TracerProvider):
    """A tracer provider for an instrumentation that is global to the process: its spans belong to the stage at work."""

    def __init__(self, at_work: AtWork) -> None:
        self._at_work = at_work

    def get_tracer(self, *name: Any, **options: Any) -> Tracer:
        """Return a tracer that looks up the stage for each span."""
        return _TracerAtWork(self._at_work, name, options)


class _TracerAtWork(Tracer):
    def __init__(self, at_work: AtWork, name: tuple[Any, ...], options: dict[str, Any]) -> None:
        self._at_work = at_work
        self._name = name
        self._options = options
        self._tracers: dict[Shown, Tracer] = {}

    def start_span(self, name: str, context: Context | None = None, *more: Any, **options: Any) -> Span:
        return self.at_work().start_span(name, context, *more, **options)

    @contextmanager
    def start_as_current_span(  # type: ignore[override] # the SDK's is also a decorator, which is not needed here
        self, name: str, context: Context | None = None, *more: Any, **options: Any
    ) -> Iterator[Span]:
        with self.at_work().start_as_current_span(name, context, *more, **options) as span:
            yield span

    def at_work(self) -> Tracer:
        shown = self._at_work.shown()
        if shown is None:
            return trace.NoOpTracer()
        tracer = self._tracers.get(shown)
        if tracer is None:
            tracer = self._tracers[shown] = shown.provider.get_tracer(*self._name, **self._options)
        return tracer


class LoggerAtWork:
    """A logger for libraries, which writes in the log of the stage at work."""

    def __init__(self, at_work: AtWork) -> None:
        self._at_work = at_work

    def warning(self, event: str, **keys: Any) -> None:
        """Log a warning."""
        if (shown := self._at_work.shown()) is not None:
            shown.logger.warning(event, **keys)

    def error(self, event: str, **keys: Any) -> None:
        """Log an error."""
        if (shown := self._at_work.shown()) is not None:
            shown.logger.error(event, **keys)
