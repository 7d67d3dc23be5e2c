"""Variables of OpenTelemetry that are set and have no effect here, which are reported to the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.telemetry.otel_environment import samples_a_ratio
from simulator.telemetry.otlp import exports, otlp_setting, otlp_variable
from simulator.telemetry.otlp_signal import Signal

_CREDENTIAL_PROVIDERS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER",
)
_BATCH_TIMEOUTS = {Signal.TRACES: "OTEL_BSP_EXPORT_TIMEOUT", Signal.LOGS: "OTEL_BLRP_EXPORT_TIMEOUT"}


def ignored_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Return (variable, why it has no effect) for each."""
    if environment.get("OTEL_TRACES_SAMPLER_ARG") and not samples_a_ratio(environment):
        yield "OTEL_TRACES_SAMPLER_ARG", "only traceidratio and parentbased_traceidratio of OTEL_TRACES_SAMPLER use it"
    exported = [signal for signal in Signal if exports(environment, signal)]
    # A general variable is told once, with the first signal that it is for.
    told: dict[str, str] = {}
    for signal in exported:
        for variable, hint in _ignored_settings(environment, signal):
            told.setdefault(variable, hint)
    yield from told.items()
    for signal, variable in _BATCH_TIMEOUTS.items():
        if signal in exported and environment.get(variable):
            yield variable, "OTEL_EXPORTER_OTLP_TIMEOUT bounds how long a batch may take"
    for variable in _CREDENTIAL_PROVIDERS if exported else ():
        if environment.get(variable):
            yield variable, "credentials go in OTEL_EXPORTER_OTLP_HEADERS"


def _ignored_settings(environment: Mapping[str, str], signal: Signal) -> Iterator[tuple[str, str]]:
    if otlp_setting(environment, "CLIENT_KEY", signal) and not otlp_setting(environment, "CLIENT_CERTIFICATE", signal):
        yield otlp_variable(environment, "CLIENT_KEY", signal), "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is not set"
