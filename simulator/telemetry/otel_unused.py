"""Variables of OpenTelemetry that are set and mean nothing here, because they are not used, or misspelt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.nearest import nearest
from simulator.telemetry.otlp import exporter_variable, exports, makes_spans, otlp_prefix
from simulator.telemetry.otlp_signal import Signal

_PREFIX = "OTEL_"
SEMCONV_VARIABLE, SEMCONV_CATEGORIES = "OTEL_SEMCONV_STABILITY_OPT_IN", ("http", "http/dup")
# What the stages of a run find, and so most stages: the catalogue, which takes memory, says nothing about them.
USUAL = frozenset(
    {
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS",
        "OTEL_LOGS_EXPORTER",
        "OTEL_METRICS_EXPORTER",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_SDK_DISABLED",
        "OTEL_SERVICE_NAME",
        "OTEL_TRACES_EXPORTER",
        SEMCONV_VARIABLE,
    }
)
# What else is for one signal alone, beside the settings of its exporter.
_OF_ONE_SIGNAL = {Signal.LOGS: ("OTEL_BLRP_",), Signal.METRICS: ("OTEL_METRIC_", "OTEL_METRICS_EXEMPLAR_")}


def unused_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (variable, why it has no effect) for each."""
    given = [name for name in sorted(environment) if name.startswith(_PREFIX) and environment[name]]
    if not given:
        return
    told = {} if USUAL.issuperset(given) else dict(_unknown(given))
    yield from told.items()
    yield from _categories(environment)
    yield from ((name, why) for name, why in _signals_that_stay(environment, given) if name not in told)


def _unknown(given: list[str]) -> Iterator[tuple[str, str]]:
    from simulator.telemetry.catalogue.unused_variables import UNUSED  # noqa: PLC0415 - most stages have no use for it
    from simulator.telemetry.catalogue.variables import VARIABLES  # noqa: PLC0415 - the same

    known = {name for variable in VARIABLES for name in variable.names}
    for name in given:
        if name in UNUSED:
            yield name, UNUSED[name]
        elif name not in known and (hint := _hint(name, known)):
            yield name, hint


def _hint(name: str, known: set[str]) -> str:
    """Return which variable was probably meant by an unknown one, "" if none was.

    OpenTelemetry's operator for Kubernetes sets some that continue a name, as OTEL_RESOURCE_ATTRIBUTES_POD_NAME does.
    """
    meant = nearest(name, known)
    return f"there is no such variable; did you mean {meant}?" if meant and not name.startswith(f"{meant}_") else ""


def _categories(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    names = [name.strip() for name in environment.get(SEMCONV_VARIABLE, "").split(",")]
    if unknown := [name for name in names if name and name not in SEMCONV_CATEGORIES]:
        yield SEMCONV_VARIABLE, f"{', '.join(unknown)[:60]} has no effect here, only http and http/dup have"


def _signals_that_stay(environment: Mapping[str, str], given: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the settings of a signal that is not exported although nothing says that it must not be.

    OpenTelemetry's default for logs and metrics is to export them, and the default here is not.
    """
    for signal, others in _OF_ONE_SIGNAL.items():
        exporter = exporter_variable(signal)
        if makes_spans(environment) and not exports(environment, signal) and not environment.get(exporter):
            for name in given:
                if name.startswith((otlp_prefix(signal), *others)):
                    yield name, f"{signal.words} are exported only with {exporter}=otlp"
