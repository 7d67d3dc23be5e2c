"""Checking OpenTelemetry's variables before anything starts.

The SDK answers a wrong value with a traceback, with a warning among many, or not at all. It reads some of them when it
is imported, so this module imports none of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import entry_points
from importlib.util import find_spec
from urllib.parse import unquote

from simulator.errors import ConfigurationError, Problem
from simulator.extras import how_to_install
from simulator.telemetry.batching import LOGS_PREFIX, read_batching
from simulator.telemetry.metric_settings import read_metric_settings
from simulator.telemetry.otlp import (
    EXPORTERS,
    GRPC,
    PROTOCOLS,
    exporter_variable,
    exports,
    otlp_setting,
    otlp_variable,
    protocol_of,
    timeout_seconds,
)
from simulator.telemetry.otlp_files import file_problems
from simulator.telemetry.otlp_signal import Signal

SAMPLERS = ("always_on", "always_off", "traceidratio")
_RATIO = "traceidratio"
_COMPRESSIONS = ("none", "gzip", "deflate")
_LIMITS = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
)
# What is looked up among the installed packages: the variable, their group, and whether it names several.
_INSTALLED = (
    ("OTEL_PYTHON_CONTEXT", "opentelemetry_context", False),
    ("OTEL_PYTHON_TRACER_PROVIDER", "opentelemetry_tracer_provider", False),
    ("OTEL_PYTHON_METER_PROVIDER", "opentelemetry_meter_provider", False),
    ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "opentelemetry_resource_detector", True),
)
# How to install what is a part of the specification and no part of the SDK.
_EXTRAS = dict.fromkeys(("b3", "b3multi", "jaeger"), how_to_install("propagators"))
_EXPRESSIONS = (
    "OTEL_PYTHON_EXCLUDED_URLS",
    "OTEL_PYTHON_FLASK_EXCLUDED_URLS",
    "OTEL_PYTHON_REQUESTS_EXCLUDED_URLS",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS",
)
_MAX_SHOWN_CHARACTERS = 60
_COUNT = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[0-9]{0,20}\.?[0-9]{1,20}(?:[eE]-?[0-9]{1,3})?")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_PLAIN_HEADER_VALUE = re.compile(r"[ !#-+\--:<-\[\]-~]*")

Wrong = tuple[str, str]  # the variable, and what is wrong with it


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise ConfigurationError with every variable of OpenTelemetry that has an invalid value."""
    found = [Problem(text, f"environment {variable}") for check in _CHECKS for variable, text in check(environment)]
    if found:
        raise ConfigurationError(found)


def _propagators(environment: Mapping[str, str]) -> Iterator[Wrong]:
    text = environment.get("OTEL_PROPAGATORS", "")
    names = [name.strip() for name in text.lower().split(",")] if text else []
    if "none" in names:
        return
    yield from _not_installed("OTEL_PROPAGATORS", "opentelemetry_propagator", names, ["none"])


def _installed_parts(environment: Mapping[str, str]) -> Iterator[Wrong]:
    for variable, group, is_list in _INSTALLED:
        text = environment.get(variable, "")
        if text:
            names = [name.strip() for name in text.split(",") if name.strip() not in ("", "*")] if is_list else [text]
            yield from _not_installed(variable, group, names, [])


def _not_installed(variable: str, group: str, names: list[str], others: list[str]) -> Iterator[Wrong]:
    if not names:
        return
    installed = sorted({point.name for point in entry_points(group=group)})
    for name in dict.fromkeys(names):
        if name not in installed:
            how = f"is not installed: {_EXTRAS[name]}" if name in _EXTRAS else "is misspelled or not installed"
            yield variable, f"{_shown(name)} {how}; allowed are {_list(installed + others)}"


def _limits(environment: Mapping[str, str]) -> Iterator[Wrong]:
    for variable in _LIMITS:
        text = environment.get(variable, "").strip()
        if text and not _COUNT.fullmatch(text):
            yield variable, f"{_shown(text)} must be a whole number from 0"


def _sampler(environment: Mapping[str, str]) -> Iterator[Wrong]:
    text = environment.get("OTEL_TRACES_SAMPLER", "")
    if text and text.lower().removeprefix("parentbased_") not in SAMPLERS:
        allowed = [*SAMPLERS, *(f"parentbased_{name}" for name in SAMPLERS)]
        yield "OTEL_TRACES_SAMPLER", f"{_shown(text)} must be one of {_list(allowed)}"
    ratio = environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if samples_a_ratio(environment) and ratio and not (_NUMBER.fullmatch(ratio) and 0 <= float(ratio) <= 1):
        yield "OTEL_TRACES_SAMPLER_ARG", f"{_shown(ratio)} must be a ratio from 0 to 1, for instance 0.1"


def samples_a_ratio(environment: Mapping[str, str]) -> bool:
    """Return whether OTEL_TRACES_SAMPLER is one of those that use OTEL_TRACES_SAMPLER_ARG."""
    return environment.get("OTEL_TRACES_SAMPLER", "").lower().removeprefix("parentbased_") == _RATIO


def _switches(environment: Mapping[str, str]) -> Iterator[Wrong]:
    disabled = environment.get("OTEL_SDK_DISABLED", "")
    if disabled.strip().lower() not in ("", "true", "false"):
        yield "OTEL_SDK_DISABLED", f"{_shown(disabled)} must be true or false"
    for signal, allowed in EXPORTERS.items():
        variable = exporter_variable(signal)
        text = environment.get(variable, "")
        names = [name.strip() for name in text.lower().split(",")] if text.strip() else []
        if not set(names) <= set(allowed):
            yield variable, f"{_shown(text)} must be one of {_list(allowed)}, or several with commas between them"
        elif "none" in names and len(set(names)) > 1:
            yield variable, f"{_shown(text)}: none can't be combined with others"


def _resource_attributes(environment: Mapping[str, str]) -> Iterator[Wrong]:
    items = environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
    for number, item in enumerate(items if items != [""] else (), start=1):
        name, separator, _ = item.partition("=")
        if not separator or not name.strip():
            text = f"item {number}, {_shown(item)}, must be NAME=VALUE; commas separate items"
            yield "OTEL_RESOURCE_ATTRIBUTES", text
            return


def _batches(environment: Mapping[str, str]) -> Iterator[Wrong]:
    for read in (
        read_batching,
        partial(read_batching, prefix=LOGS_PREFIX),
        read_metric_settings,
    ):
        try:
            read(environment)
        except ValueError as error:
            variable, _, text = str(error).partition("=")
            yield variable, text


def _exporter(environment: Mapping[str, str]) -> Iterator[Wrong]:
    """Check the settings of the signals that go to collectors; a general one that several share is told once."""
    yield from dict.fromkeys(
        wrong for signal in Signal if exports(environment, signal) for wrong in _settings(environment, signal)
    )


def _settings(environment: Mapping[str, str], signal: Signal) -> Iterator[Wrong]:
    def variable(name: str) -> str:
        return otlp_variable(environment, name, signal)

    try:
        timeout_seconds(environment, signal)
    except ValueError as error:
        yield variable("TIMEOUT"), f"{_shown(otlp_setting(environment, 'TIMEOUT', signal))} {error}"
    for name, allowed in (("COMPRESSION", _COMPRESSIONS), ("PROTOCOL", PROTOCOLS)):
        text = otlp_setting(environment, name, signal)
        if text and text.strip().lower() not in allowed:
            yield variable(name), f"{_shown(text)} must be one of {_list(allowed)}"
    if protocol_of(environment, signal) == GRPC and find_spec("grpc") is None:
        yield variable("PROTOCOL"), f"'grpc' needs grpcio, which is not installed; {how_to_install('grpc')}"
    insecure = otlp_setting(environment, "INSECURE", signal)
    if insecure.strip().lower() not in ("", "true", "false"):
        yield variable("INSECURE"), f"{_shown(insecure)} must be true or false"
    yield from _headers(environment, variable("HEADERS"))
    yield from file_problems(environment, signal)


def _headers(environment: Mapping[str, str], variable: str) -> Iterator[Wrong]:
    """Check the headers; their values are secret, so that no part of them is shown."""
    for number, item in enumerate(environment.get(variable, "").split(","), start=1):
        name, separator, value = item.strip().partition("=")
        if not item.strip():
            continue
        if not separator or not _HEADER_NAME.fullmatch(unquote(name.strip())):
            yield variable, f"item {number} must be NAME=VALUE; commas separate items, and a comma in a value is %2C"
        elif not _PLAIN_HEADER_VALUE.fullmatch(value) or not _HEADER_VALUE.fullmatch(unquote(value)):
            yield (
                variable,
                f"the value of item {number} has characters that must be percent-encoded or left out",
            )


def _expressions(environment: Mapping[str, str]) -> Iterator[Wrong]:
    for variable in _EXPRESSIONS:
        text = environment.get(variable, "")
        try:
            re.compile("|".join(part.strip() for part in text.split(",")))
        except (re.error, OverflowError, RecursionError) as error:
            yield variable, f"{_shown(text)} must be regular expressions, separated by commas: {error}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN_CHARACTERS else text[:_MAX_SHOWN_CHARACTERS] + "...")


def _list(names: list[str] | tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


_CHECKS: tuple[Callable[[Mapping[str, str]], Iterator[Wrong]], ...] = (
    _propagators,
    _installed_parts,
    _limits,
    _sampler,
    _switches,
    _resource_attributes,
    _batches,
    _exporter,
    _expressions,
)
