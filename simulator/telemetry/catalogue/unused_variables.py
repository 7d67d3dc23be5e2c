"""The variables of OpenTelemetry that have no effect here, and why: a user who sets one is told.

Nothing of OpenTelemetry is imported for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_BY_VARIABLES = "telemetry is configured by OTEL_* variables, each by itself"
_OWN_PROVIDERS = "each stage makes its own providers"
_CREDENTIALS = "credentials go in OTEL_EXPORTER_OTLP_HEADERS"
_ON_METRICS_PATH = "the metrics are at /metrics of the stage's own port"
_ZIPKIN = "spans go to a collector by OTLP"
_ONLY_OTLP = "spans go by OTLP, which Jaeger takes as well: OTEL_EXPORTER_OTLP_ENDPOINT"
_NO_AGENT = "the stage instruments itself, without opentelemetry-instrument"
_TIMEOUT = "OTEL_EXPORTER_OTLP_TIMEOUT bounds how long a batch may take"
_LOG_LINES = "a log record has what its line has, at most 4096 characters"

UNUSED: Mapping[str, str] = MappingProxyType(
    {
        "OTEL_CONFIG_FILE": _BY_VARIABLES,
        "OTEL_EXPERIMENTAL_CONFIG_FILE": _BY_VARIABLES,
        "OTEL_LOG_LEVEL": "SIMULATOR_LOG_LEVEL sets the level of the log",
        "OTEL_BSP_EXPORT_TIMEOUT": _TIMEOUT,
        "OTEL_BLRP_EXPORT_TIMEOUT": _TIMEOUT,
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": _LOG_LINES,
        "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT": _LOG_LINES,
        "OTEL_EXPORTER_PROMETHEUS_HOST": _ON_METRICS_PATH,
        "OTEL_EXPORTER_PROMETHEUS_PORT": _ON_METRICS_PATH,
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": _ZIPKIN,
        "OTEL_EXPORTER_ZIPKIN_TIMEOUT": _ZIPKIN,
        "OTEL_EXPORTER_JAEGER_ENDPOINT": _ONLY_OTLP,
        "OTEL_EXPORTER_JAEGER_AGENT_HOST": _ONLY_OTLP,
        "OTEL_EXPORTER_JAEGER_AGENT_PORT": _ONLY_OTLP,
        "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": "OpenTelemetry's instrumentations for Python do not read it",
        "OTEL_PYTHON_FLASK_TRACED_REQUEST_ATTRS": "attributes of a message go in `attributes` of the stage",
        "OTEL_PYTHON_ID_GENERATOR": "the ids are random",
        "OTEL_PYTHON_LOGGER_PROVIDER": _OWN_PROVIDERS,
        "OTEL_PYTHON_TRACER_CONFIGURATOR": _OWN_PROVIDERS,
        "OTEL_PYTHON_METER_CONFIGURATOR": _OWN_PROVIDERS,
        "OTEL_PYTHON_LOGGER_CONFIGURATOR": _OWN_PROVIDERS,
        "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": "simulator_spans_dropped_total and the like count what is lost",
        "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": _NO_AGENT,
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": _NO_AGENT,
        "OTEL_PYTHON_DISTRO": _NO_AGENT,
        "OTEL_PYTHON_CONFIGURATOR": _NO_AGENT,
        "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH": _NO_AGENT,
        **{
            f"OTEL_PYTHON_EXPORTER_OTLP_{protocol}_{signal}CREDENTIAL_PROVIDER": _CREDENTIALS
            for protocol in ("HTTP", "GRPC")
            for signal in ("", "TRACES_", "LOGS_", "METRICS_")
        },
        "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES": "the specification says which are sent again",
    }
)
