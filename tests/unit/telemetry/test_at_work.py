"""Which stage is at work: what a library makes and says belongs to that one."""

from __future__ import annotations

import contextvars
import json

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from simulator.telemetry.at_work import AtWork, LoggerAtWork, ProviderAtWork, Shown
from simulator.telemetry.logs import make_logger


class Stage:
    """One of several in a process, with its spans and its log."""

    def __init__(self, name):
        self.name = name
        self.exporter = InMemorySpanExporter()
        self.lines = []
        provider = TracerProvider(resource=Resource({"service.name": name}), sampler=ALWAYS_ON, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.shown = Shown(provider, make_logger(self.lines.append, "info", stage=name))

    @property
    def spans(self):
        return [(span.resource.attributes["service.name"], span.name) for span in self.exporter.get_finished_spans()]


@pytest.fixture
def stages():
    return [Stage("parse"), Stage("enrich")]


@pytest.fixture
def at_work(stages):
    found = AtWork()
    for stage in stages:
        found.add(stage.shown)
    return found


def in_context(function, *arguments):
    """Call a function as a task of its own does: what it sets is gone afterwards."""
    return contextvars.Context().run(function, *arguments)


def test_a_span_is_of_the_stage_at_work(at_work, stages):
    """A tracer that a library got once makes its spans with the provider of whichever stage is at work."""
    tracer = ProviderAtWork(at_work).get_tracer("requests", "1.0", schema_url="https://schema")

    def work(text):
        with tracer.start_as_current_span(text):
            tracer.start_span(f"{text}, inside").end()

    for stage in (*reversed(stages), *stages):
        in_context(at_work.run, stage.shown, lambda: work("work"))
    for stage in stages:
        assert stage.spans == [(stage.name, "work, inside"), (stage.name, "work")] * 2
        (scope,) = {span.instrumentation_scope for span in stage.exporter.get_finished_spans()}
        assert (scope.name, scope.version, scope.schema_url) == ("requests", "1.0", "https://schema")


def test_a_request_is_work_of_the_stage_that_it_came_to(at_work, stages):
    """Each application of several in a process is seen as its own stage, request by request."""
    tracer = ProviderAtWork(at_work).get_tracer("flask")

    def application(environ, start_response):
        tracer.start_span(environ["PATH_INFO"]).end()
        return [b"done"]

    parse, enrich = (at_work.wsgi(stage.shown, application) for stage in stages)
    for path, wrapped in (("/1", parse), ("/2", enrich), ("/3", parse)):
        assert in_context(wrapped, {"PATH_INFO": path}, None) == [b"done"]
    assert stages[0].spans == [("parse", "/1"), ("parse", "/3")]
    assert stages[1].spans == [("enrich", "/2")]


def test_what_a_library_says_is_in_the_log_of_the_stage_at_work(at_work, stages):
    """Outside of any stage's work it is in the first one's."""
    logger = LoggerAtWork(at_work)
    in_context(at_work.run, stages[1].shown, lambda: logger.warning("library.message", detail="slow"))
    in_context(logger.error, "library.message")
    said = [[json.loads(line) for line in stage.lines] for stage in stages]
    assert [[(line["level"], line["stage"]) for line in lines] for lines in said] == [
        [("error", "parse")],
        [("warning", "enrich")],
    ]


def test_without_any_stage_nothing_is_made_or_said():
    """Before the first stage is there, a library's spans are none and its words are lost."""
    at_work = AtWork()
    tracer = ProviderAtWork(at_work).get_tracer("requests")
    assert tracer.start_span("early").is_recording() is False
    LoggerAtWork(at_work).warning("library.message")
    LoggerAtWork(at_work).error("library.message")
