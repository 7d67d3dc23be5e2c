"""A wrong value of a variable of OpenTelemetry is named with what is allowed, in a line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from simulator.errors import ConfigurationError
from simulator.telemetry import otel_environment
from simulator.telemetry.otel_environment import check_environment
from simulator.telemetry.otel_ignored import ignored_variables
from tests.support.authority import make_authority

HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
LIMITS = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
)
NAMED = ("baggage", "tracecontext", "none")


def mistakes(**environment):
    with pytest.raises(ConfigurationError) as refusal:
        check_environment(environment)
    return [str(problem) for problem in refusal.value.problems]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_PROPAGATORS": ""},
        {"OTEL_PROPAGATORS": "baggage, TraceContext"},
        {"OTEL_PROPAGATORS": "none"},
        {"OTEL_PROPAGATORS": "None,b3"},
        *({limit: text} for limit in LIMITS for text in ("0", "128", "", " 5 ")),
        {"OTEL_TRACES_SAMPLER": "always_on"},
        {"OTEL_TRACES_SAMPLER": "ParentBased_TraceIdRatio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1e-3"},
        {"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": " otlp"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_TIMEOUT": "junk"},
        {"OTEL_LOGS_EXPORTER": "OTLP, console", "OTEL_METRICS_EXPORTER": "Prometheus"},
        {"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": " "},
        {"OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "junk"},
        {"OTEL_RESOURCE_ATTRIBUTES": "a=1,b=%2C,c="},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "10000", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "GRPC", "OTEL_EXPORTER_OTLP_INSECURE": "True"},
        {HEADERS: "Authorization=Bearer%20x, x-tenant = a b ,,api-key=abc=="},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "junk"},
        {"OTEL_BSP_MAX_QUEUE_SIZE": "2048"},
        {"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process, *"},
        {"OTEL_PYTHON_FLASK_EXCLUDED_URLS": "healthz,a.*b"},
    ],
)
def test_what_is_good_is_let_through(environment):
    """Values that the specification allows are not complained about."""
    check_environment(environment)


@pytest.mark.parametrize(
    ("text", "slip"),
    [
        ("xray", "xray"),
        ("tracecontex", "tracecontex"),
        ("tracecontext,baggage,OTTrace", "ottrace"),
        ("tracecontext,", ""),
    ],
)
def test_propagators(text, slip):
    """A propagator that is misspelled or not installed is named with those that there are."""
    (mistake,) = mistakes(OTEL_PROPAGATORS=text)
    assert mistake.startswith(f"environment OTEL_PROPAGATORS: {slip!r} is misspelled or not installed")
    assert all(name in mistake for name in NAMED)


@pytest.mark.parametrize("name", ["b3", "B3multi", "jaeger"])
def test_propagators_of_the_extra(monkeypatch, name):
    """One that is not a part of the SDK is told with how to install it, and taken if it is installed."""
    installed = {"baggage", "tracecontext"}
    monkeypatch.setattr(
        otel_environment, "entry_points", lambda group: [SimpleNamespace(name=each) for each in sorted(installed)]
    )
    (mistake,) = mistakes(OTEL_PROPAGATORS=f"tracecontext,{name}")
    assert mistake == (
        f"environment OTEL_PROPAGATORS: {name.lower()!r} is not installed: "
        "pip install 'web-service-simulator[propagators]' (in a checkout '.[propagators]'); "
        "allowed are baggage, tracecontext and none"
    )
    installed.add(name.lower())
    check_environment({"OTEL_PROPAGATORS": f"tracecontext,{name}"})


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("text", ["-1", "many", "1.5", "1_0", "9" * 5000])
def test_limits(limit, text):
    """Every limit of the SDK must be a count."""
    (mistake,) = mistakes(**{limit: text})
    assert mistake.startswith(f"environment {limit}: ")
    assert mistake.endswith("must be a whole number from 0")
    assert len(mistake) < 200


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("OTEL_TRACES_SAMPLER", "sometimes", "parentbased_always_off"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "traceidratio"),
        ("OTEL_TRACES_SAMPLER", " always_on", "always_on"),
        ("OTEL_SDK_DISABLED", "yes", "must be true or false"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "must be one of otlp"),
        ("OTEL_TRACES_EXPORTER", "otlp,jaeger", "must be one of otlp"),
        ("OTEL_LOGS_EXPORTER", "prometheus", "must be one of otlp, console and none, or several with commas"),
        ("OTEL_LOGS_EXPORTER", "otlp,none", "none can't be combined with others"),
        ("OTEL_LOGS_EXPORTER", "otlp,", "must be one of otlp"),
        ("OTEL_METRICS_EXPORTER", "statsd", "must be one of"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "60s", "must be milliseconds from 1"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "all", "must be one of trace_based, always_on, always_off"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "0", "must be a whole number from 1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "junk", "item 1, 'junk', must be NAME=VALUE"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=1,b", "item 2, 'b', must be NAME=VALUE"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=1,=2", "item 2, '=2', must be NAME=VALUE"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=1,", "item 2, '', must be NAME=VALUE"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds from 0 to 600000"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1", "milliseconds from 0 to 600000"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "none, gzip and deflate"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzp", "none, gzip and deflate"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http", "http/protobuf and grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "http/protobuf and grpc"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "yes", "true or false"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "must be a whole number from 1"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9000000", "must be a whole number from 1"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s", "must be a whole number from 1"),
        ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "k8s", "process"),
        ("OTEL_PYTHON_CONTEXT", "junk", "contextvars_context"),
        ("OTEL_PYTHON_TRACER_PROVIDER", "junk", "sdk_tracer_provider"),
        ("OTEL_PYTHON_METER_PROVIDER", "junk", "sdk_meter_provider"),
        ("OTEL_PYTHON_FLASK_EXCLUDED_URLS", "healthz,(", "regular expressions"),
        ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "[", "regular expressions"),
    ],
)
def test_values_that_are_not_allowed(variable, text, allowed):
    """A value that can't be is named with its variable and what is allowed."""
    (mistake,) = mistakes(**{variable: text})
    assert mistake.startswith(f"environment {variable}: ")
    assert allowed in mistake


@pytest.mark.parametrize("text", ["2", "-0.1", "nan", "inf", "half", "1_0", "9" * 5000])
@pytest.mark.parametrize("sampler", ["traceidratio", "parentbased_traceidratio"])
def test_ratios(sampler, text):
    """A ratio of traces must be one."""
    (mistake,) = mistakes(OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=text)
    assert mistake.startswith("environment OTEL_TRACES_SAMPLER_ARG: ")
    assert "from 0 to 1" in mistake


@pytest.mark.parametrize(
    "text", ["s3cret", "a=1,s3cret", "=s3cret", "na me=s3cret", "x=s3cret;y", "x=s3cret%0a", "x=s3crét"]
)
@pytest.mark.parametrize("variable", [HEADERS, "OTEL_EXPORTER_OTLP_TRACES_HEADERS"])
def test_headers_are_complained_about_without_being_shown(variable, text):
    """A header that is malformed is named by its number, never by its text."""
    (mistake,) = mistakes(**{variable: text})
    assert mistake.startswith(f"environment {variable}: ")
    assert "item 2" in mistake if "," in text else "item 1" in mistake
    assert "s3cr" not in mistake


def test_all_mistakes_are_told_at_once():
    """Who has made three learns of three."""
    assert len(mistakes(OTEL_PROPAGATORS="b33", OTEL_SDK_DISABLED="yes", OTEL_EXPORTER_OTLP_TIMEOUT="x")) == 3


def test_files_for_tls(tmp_path):
    """Files that are missing, or are no certificates, are named before anything starts."""
    junk, missing = tmp_path / "junk.pem", tmp_path / "missing.pem"
    junk.write_text("junk")
    for variable in ("CERTIFICATE", "CLIENT_CERTIFICATE"):
        for path in (junk, missing):
            (mistake,) = mistakes(**{f"OTEL_EXPORTER_OTLP_{variable}": str(path)})
            assert mistake.startswith(f"environment OTEL_EXPORTER_OTLP_{variable}: ")
            assert str(path) in mistake
    (mistake,) = mistakes(OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=str(junk), OTEL_EXPORTER_OTLP_CLIENT_KEY=str(missing))
    assert mistake.startswith("environment OTEL_EXPORTER_OTLP_CLIENT_KEY: ")


@pytest.mark.processes
def test_good_files_for_tls(tmp_path):
    """A certificate and its key are let through."""
    authority = make_authority(tmp_path)
    check_environment({"OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority.certificate)})


@pytest.mark.parametrize(
    ("environment", "variables"),
    [
        ({}, []),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, []),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, []),
        ({"OTEL_TRACES_SAMPLER_ARG": "0.1"}, ["OTEL_TRACES_SAMPLER_ARG"]),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}, []),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "30000"}, ["OTEL_BSP_EXPORT_TIMEOUT"]),
        ({"OTEL_EXPORTER_OTLP_CLIENT_KEY": "k"}, ["OTEL_EXPORTER_OTLP_CLIENT_KEY"]),
    ],
)
def test_what_has_no_effect_is_told(environment, variables):
    """A variable that is set in vain is named with why."""
    found = list(ignored_variables(environment))
    assert [variable for variable, _ in found] == variables
    assert all(why for _, why in found)


def test_each_signal_has_settings_of_its_own():
    """A setting for log records is checked where they are exported, and a general one that several share told once."""
    logs = {"OTEL_LOGS_EXPORTER": "otlp"}
    (mistake,) = mistakes(**logs, OTEL_EXPORTER_OTLP_LOGS_COMPRESSION="zip")
    assert mistake.startswith("environment OTEL_EXPORTER_OTLP_LOGS_COMPRESSION: 'zip' must be one of")
    (mistake,) = mistakes(**logs, OTEL_EXPORTER_OTLP_TIMEOUT="soon")
    assert mistake.startswith("environment OTEL_EXPORTER_OTLP_TIMEOUT: 'soon'")
    (mistake,) = mistakes(**logs, OTEL_EXPORTER_OTLP_LOGS_PROTOCOL="http/json")
    assert mistake.startswith("environment OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/json' must be one of")
    assert [name for name, _ in ignored_variables({**logs, "OTEL_BLRP_EXPORT_TIMEOUT": "1"})] == [
        "OTEL_BLRP_EXPORT_TIMEOUT"
    ]


def test_grpc_without_its_library_says_how_to_install_it(monkeypatch):
    """One line that names the variable, before anything starts."""
    monkeypatch.setattr("simulator.telemetry.otel_environment.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError) as caught:
        check_environment({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"})
    assert [str(problem) for problem in caught.value.problems] == [
        "environment OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc' needs grpcio, which is not installed; "
        "pip install 'web-service-simulator[grpc]' (in a checkout '.[grpc]')"
    ]
