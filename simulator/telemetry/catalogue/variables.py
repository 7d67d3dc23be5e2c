"""Every variable of the environment, beside SIMULATOR_*, that has an effect here.

The keys of a stage, SIMULATOR_<KEY>, are in the catalogue of keys; those of the commands are in `commands.variables`.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial

from simulator.telemetry.batching import LOGS_PREFIX, MAX_DELAY_MILLIS, MAX_ITEMS, SPANS_PREFIX, Batching
from simulator.telemetry.catalogue.variable_records import Reader, Variable, WrongValue
from simulator.telemetry.metric_settings import (
    MAX_MILLIS,
    ExemplarFilter,
    HistogramAggregation,
    MetricSettings,
    Temporality,
)
from simulator.telemetry.otlp import DEFAULT_ENDPOINT, DEFAULT_GRPC_ENDPOINT, EXPORTERS, MAX_TIMEOUT_MILLIS, PROTOCOLS
from simulator.telemetry.otlp_signal import Signal

_USUAL, _USUAL_METRICS = Batching(), MetricSettings()
_EXPORTING = (Reader.STAGE, Reader.CONSOLE)
_any_text = partial(Variable, wrong=WrongValue.IMPOSSIBLE)
_otlp = partial(Variable, signals=("TRACES", "LOGS", "METRICS"), readers=_EXPORTING)
_count = partial(Variable, allowed="a whole number from 0", example="64")
_items = partial(Variable, allowed=f"1 to {MAX_ITEMS:,}", example="256")
_millis = partial(Variable, example="1000")
_expressions = partial(Variable, allowed="regular expressions with commas between them", example="x-tenant,x-.*")
_authorities = partial(
    Variable, allowed="a file in PEM format, or a folder", example="/etc/ssl/certs", readers=_EXPORTING
)


def _choice(*, name: str, help: str, of: type[StrEnum]) -> Variable:  # noqa: A002 - as in every other entry
    first, *others = map(str, of)
    return Variable(name=name, help=help, default=first, allowed=", ".join((first, *others)), example=first)


_WHO = (
    Variable(
        name="OTEL_SDK_DISABLED",
        help="No spans, and no ids of traces: in logs, answers, receipts and exemplars there are none",
        default="false",
        allowed="true, false",
        example="true",
    ),
    _any_text(
        name="OTEL_SERVICE_NAME",
        help="The name of a stage by itself; where a topology names the stages, it has no effect and is told",
        default="the stage's name",
        example="shop-cart",
        readers=(Reader.STAGE, Reader.RUN),
    ),
    Variable(
        name="OTEL_RESOURCE_ATTRIBUTES",
        help="Attributes of the resource; `service.name` and `service.instance.id` as for OTEL_SERVICE_NAME",
        allowed="NAME=VALUE with commas between them, percent-encoded",
        example="deployment.environment.name=test",
        readers=(Reader.STAGE, Reader.RUN),
    ),
    Variable(
        name="OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
        help="What else finds attributes of the resource",
        default="otel",
        allowed="names of installed detectors, *",
        example="process",
    ),
    Variable(
        name="OTEL_PROPAGATORS",
        help="How trace context travels; b3, b3multi and jaeger with the extra `propagators`",
        default="tracecontext,baggage",
        allowed="names of installed propagators, none",
        example="tracecontext",
    ),
    Variable(
        name="OTEL_SEMCONV_STABILITY_OPT_IN",
        help="Whether spans have the attributes of HTTP under their former names as well",
        default="http",
        allowed="http, http/dup",
        example="http/dup",
        wrong=WrongValue.TOLD,
    ),
)

_SAMPLING = (
    Variable(
        name="OTEL_TRACES_SAMPLER",
        help="Which traces are recorded",
        default="parentbased_always_on",
        allowed="always_on, always_off, traceidratio, and each of them after parentbased_",
        example="always_off",
    ),
    Variable(
        name="OTEL_TRACES_SAMPLER_ARG",
        help="The share of traces that traceidratio records",
        default="1",
        allowed="0 to 1",
        example="0.1",
    ),
)

_LIMITS = (
    _count(name="OTEL_ATTRIBUTE_COUNT_LIMIT", help="Attributes of a span, a link or an event", default="128"),
    _count(
        name="OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        help="Characters of a text in an attribute",
        default="4096",
    ),
    _count(name="OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", help="Attributes of a span", default="128"),
    _count(
        name="OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        help="Characters of a text in an attribute of a span",
        default="as for any attribute",
    ),
    _count(name="OTEL_SPAN_EVENT_COUNT_LIMIT", help="Events of a span", default="128"),
    _count(name="OTEL_SPAN_LINK_COUNT_LIMIT", help="Links of a span", default="128"),
    _count(name="OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", help="Attributes of an event", default="128"),
    _count(name="OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", help="Attributes of a link", default="128"),
)

_EXPORT = (
    *(
        Variable(
            name=f"OTEL_{signal.upper()}_EXPORTER",
            help=f"Where {signal.words} go",
            default=default,
            allowed=f"{', '.join(EXPORTERS[signal])}, or several with commas between them",
            example=default,
        )
        for signal, default in ((Signal.TRACES, "otlp"), (Signal.LOGS, "none"), (Signal.METRICS, "none"))
    ),
    _otlp(
        name="OTEL_EXPORTER_OTLP_ENDPOINT",
        help="The collector; the one for a signal is the whole URL, the general one its beginning",
        default=f"{DEFAULT_ENDPOINT}, over gRPC {DEFAULT_GRPC_ENDPOINT}",
        allowed="a URL that begins with http:// or https://",
        example="http://127.0.0.1:4318",
        wrong=WrongValue.TOLD,
    ),
    _otlp(
        name="OTEL_EXPORTER_OTLP_HEADERS",
        help="Headers of each request; shown nowhere",
        allowed="NAME=VALUE with commas between them, percent-encoded",
        example="x-tenant=gold",
    ),
    _otlp(
        name="OTEL_EXPORTER_OTLP_TIMEOUT",
        help="How long a request may take, in milliseconds; 0 is the longest allowed",
        default="10000",
        allowed=f"0 to {MAX_TIMEOUT_MILLIS:,}",
        example="5000",
    ),
    _otlp(
        name="OTEL_EXPORTER_OTLP_COMPRESSION",
        help="How requests are compressed",
        default="none",
        allowed="none, gzip, deflate",
        example="gzip",
    ),
    _otlp(
        name="OTEL_EXPORTER_OTLP_PROTOCOL",
        help="By which protocol requests are sent; grpc with the extra `grpc`",
        default=PROTOCOLS[0],
        allowed=", ".join(PROTOCOLS),
        example=PROTOCOLS[0],
    ),
    _otlp(
        name="OTEL_EXPORTER_OTLP_INSECURE",
        help="Over gRPC, whether an endpoint without a scheme is one with http://",
        default="false",
        allowed="true, false",
        example="true",
    ),
    _otlp(
        name="OTEL_EXPORTER_OTLP_CERTIFICATE",
        help="The authorities that the collector's certificate is checked against",
        default="as for calls",
        allowed="a file in PEM format, or a folder",
        example="ca.pem",
    ),
    _otlp(
        name="OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        help="The certificate that is shown to the collector",
        allowed="a file in PEM format",
        example="client.pem",
    ),
    _otlp(
        name="OTEL_EXPORTER_OTLP_CLIENT_KEY",
        help="Its key, if that is in a file of its own",
        allowed="a file in PEM format",
        example="client.key",
    ),
)

_BATCHES = tuple(
    variable
    for prefix, what in ((SPANS_PREFIX, "Spans"), (LOGS_PREFIX, "Log records"))
    for variable in (
        _items(
            name=f"{prefix}MAX_QUEUE_SIZE",
            help=f"{what} that may wait to be sent; any more are dropped and counted",
            default=f"{_USUAL.queue_items}",
        ),
        _items(
            name=f"{prefix}MAX_EXPORT_BATCH_SIZE",
            help=f"{what} in a request",
            default=f"{_USUAL.batch_items}",
        ),
        _millis(
            name=f"{prefix}SCHEDULE_DELAY",
            help="After how long fewer are sent, in milliseconds",
            default=f"{_USUAL.every_millis}",
            allowed=f"1 to {MAX_DELAY_MILLIS:,}",
        ),
    )
)

_METRICS = (
    _millis(
        name="OTEL_METRIC_EXPORT_INTERVAL",
        help="How often metrics are exported, in milliseconds",
        default=f"{_USUAL_METRICS.interval_seconds * 1000:.0f}",
        allowed=f"1 to {MAX_MILLIS:,}",
    ),
    _millis(
        name="OTEL_METRIC_EXPORT_TIMEOUT",
        help="How long an export of metrics may take, in milliseconds",
        default=f"{_USUAL_METRICS.timeout_seconds * 1000:.0f}",
        allowed=f"1 to {MAX_MILLIS:,}",
    ),
    _choice(name="OTEL_METRICS_EXEMPLAR_FILTER", help="Which measurements may be exemplars", of=ExemplarFilter),
    _choice(
        name="OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        help="Whether counts are those since the start, or since the last export",
        of=Temporality,
    ),
    _choice(
        name="OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        help="The buckets of histograms: those of the catalogue, or exponential ones",
        of=HistogramAggregation,
    ),
)

_INSTRUMENTATIONS = (
    _expressions(name="OTEL_PYTHON_EXCLUDED_URLS", help="Requests without a span"),
    _expressions(name="OTEL_PYTHON_FLASK_EXCLUDED_URLS", help="Requests to the stage without a span"),
    _expressions(name="OTEL_PYTHON_REQUESTS_EXCLUDED_URLS", help="Requests of the stage without a span"),
    *(
        _expressions(
            name=f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_{side}_{what}",
            help=f"Headers of a {what.lower()} that its {side.lower()} span has",
        )
        for side in ("SERVER", "CLIENT")
        for what in ("REQUEST", "RESPONSE")
    ),
    _expressions(
        name="OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS",
        help="Headers whose values no span shows",
        default="x-simulator-secret, in any case",
    ),
    _any_text(
        name="OTEL_PYTHON_INSTRUMENTATION_HTTP_CAPTURE_ALL_METHODS",
        help="If it is set to anything, an unknown method is named in spans",
        default="it is called _OTHER",
        example="true",
    ),
    Variable(
        name="OTEL_PYTHON_CONTEXT",
        help="What carries the context through the program",
        default="contextvars_context",
        allowed="names of installed ones",
        example="contextvars_context",
    ),
    Variable(
        name="OTEL_PYTHON_TRACER_PROVIDER",
        help="The provider of what asks for no particular one; the stages have providers of their own",
        allowed="names of installed ones",
        example="sdk_tracer_provider",
    ),
    Variable(
        name="OTEL_PYTHON_METER_PROVIDER",
        help="As above, for metrics",
        allowed="names of installed ones",
        example="sdk_meter_provider",
    ),
)

_NETWORK = (
    *(
        _any_text(
            name=f"{scheme.upper()}_PROXY",
            help=f"The proxy by which collectors on other machines are reached, {how}; in small letters as well",
            allowed="a URL",
            example="http://proxy.example:3128",
            readers=_EXPORTING,
        )
        for scheme, how in (("http", "at http://"), ("https", "at https://"), ("all", "at either"))
    ),
    _any_text(
        name="NO_PROXY",
        help="Hosts and networks that are reached without one; this machine always is",
        allowed="names and networks with commas between them",
        example="collector.example,10.0.0.0/8",
        readers=_EXPORTING,
    ),
    _authorities(
        name="REQUESTS_CA_BUNDLE",
        help="Authorities that https:// is checked against: all of these four in calls, the first one set by exporters",
        default="the public ones",
    ),
    _authorities(name="CURL_CA_BUNDLE", help="The same"),
    _authorities(name="SSL_CERT_FILE", help="The same"),
    _authorities(name="SSL_CERT_DIR", help="The same", allowed="folders with : between them"),
)

# Every variable that has an effect; those without one are in `unused_variables`.
VARIABLES = (*_WHO, *_SAMPLING, *_LIMITS, *_EXPORT, *_BATCHES, *_METRICS, *_INSTRUMENTATIONS, *_NETWORK)
