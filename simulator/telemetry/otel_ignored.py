"""Variables of OpenTelemetry that are set and have no effect here, which are reported to the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.telemetry.otel_environment import samples_a_ratio
from simulator.telemetry.otlp import PROTOCOLS, exports_spans, otlp_setting, otlp_variable

_CREDENTIAL_PROVIDERS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER",
)


def ignored_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Return (variable, why it has no effect) for each."""
    if environment.get("OTEL_TRACES_SAMPLER_ARG") and not samples_a_ratio(environment):
        yield "OTEL_TRACES_SAMPLER_ARG", "only traceidratio and parentbased_traceidratio of OTEL_TRACES_SAMPLER use it"
    if not exports_spans(environment):
        return
    protocol = otlp_setting(environment, "PROTOCOL").strip().lower()
    if protocol and protocol != PROTOCOLS[0]:
        hint = f"spans are sent as http/protobuf, not as {protocol}; the endpoint must be the port for it, usually 4318"
        yield otlp_variable(environment, "PROTOCOL"), hint
    if environment.get("OTEL_BSP_EXPORT_TIMEOUT"):
        yield "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT bounds how long a batch may take"
    if otlp_setting(environment, "CLIENT_KEY") and not otlp_setting(environment, "CLIENT_CERTIFICATE"):
        yield otlp_variable(environment, "CLIENT_KEY"), "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is not set"
    for variable in _CREDENTIAL_PROVIDERS:
        if environment.get(variable):
            yield variable, "credentials go in OTEL_EXPORTER_OTLP_HEADERS"
