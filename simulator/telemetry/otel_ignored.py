"""Variables of OpenTelemetry that are set and have no effect here, which are reported to the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.telemetry.otel_environment import samples_a_ratio
from simulator.telemetry.otel_unused import unused_variables
from simulator.telemetry.otlp import exports, otlp_setting, otlp_variable
from simulator.telemetry.otlp_signal import Signal


def ignored_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Return (variable, why it has no effect) for each."""
    return iter({**dict(unused_variables(environment)), **dict(_in_vain(environment))}.items())


def _in_vain(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield those that have no effect because of others."""
    if environment.get("OTEL_TRACES_SAMPLER_ARG") and not samples_a_ratio(environment):
        yield "OTEL_TRACES_SAMPLER_ARG", "only traceidratio and parentbased_traceidratio of OTEL_TRACES_SAMPLER use it"
    # A general variable is told once, with the first signal that it is for.
    told: dict[str, str] = {}
    for signal in Signal:
        if exports(environment, signal):
            for variable, hint in _ignored_settings(environment, signal):
                told.setdefault(variable, hint)
    yield from told.items()


def _ignored_settings(environment: Mapping[str, str], signal: Signal) -> Iterator[tuple[str, str]]:
    if otlp_setting(environment, "CLIENT_KEY", signal) and not otlp_setting(environment, "CLIENT_CERTIFICATE", signal):
        yield otlp_variable(environment, "CLIENT_KEY", signal), "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is not set"
