"""What claims to follow OpenTelemetry's semantic conventions has their names, their types and their units."""

from __future__ import annotations

import importlib
import pkgutil

import opentelemetry.semconv._incubating.attributes as experimental_attributes
import opentelemetry.semconv._incubating.metrics as experimental_metrics
import opentelemetry.semconv.attributes as stable_attributes
import opentelemetry.semconv.metrics as stable_metrics
import pytest

from simulator.telemetry.catalogue.attributes import ATTRIBUTES
from simulator.telemetry.catalogue.convention import Convention
from simulator.telemetry.catalogue.metrics import DATABASE_DURATION, HTTP_DURATION, METRICS
from simulator.telemetry.catalogue.span_records import SpanKind
from simulator.telemetry.catalogue.spans import CLIENT, DATABASE_CLIENT, SERVER, SPANS

# The types of the registry, github.com/open-telemetry/semantic-conventions, in model/*/registry.yaml; an enumeration of
# texts is a string.
TYPES = {
    "client/registry.yaml": {"client.address": "string", "client.port": "int"},
    "db/registry.yaml": {
        "db.collection.name": "string",
        "db.namespace": "string",
        "db.operation.name": "string",
        "db.query.summary": "string",
        "db.response.status_code": "string",
        "db.system.name": "string",
    },
    "deployment/registry.yaml": {"deployment.environment.name": "string"},
    "error/registry.yaml": {"error.type": "string"},
    "exceptions/registry.yaml": {
        "exception.message": "string",
        "exception.stacktrace": "string",
        "exception.type": "string",
    },
    "http/registry.yaml": {
        "http.request.body.size": "int",
        "http.request.method": "string",
        "http.request.method_original": "string",
        "http.request.resend_count": "int",
        "http.response.body.size": "int",
        "http.response.status_code": "int",
        "http.route": "string",
    },
    "network/registry.yaml": {
        "network.peer.address": "string",
        "network.peer.port": "int",
        "network.protocol.name": "string",
        "network.protocol.version": "string",
    },
    "peer/deprecated/registry-deprecated.yaml": {"peer.service": "string"},
    "server/registry.yaml": {"server.address": "string", "server.port": "int"},
    "service/registry.yaml": {
        "service.instance.id": "string",
        "service.name": "string",
        "service.namespace": "string",
        "service.peer.name": "string",
        "service.version": "string",
    },
    "telemetry/registry.yaml": {
        "telemetry.distro.name": "string",
        "telemetry.distro.version": "string",
        "telemetry.sdk.language": "string",
        "telemetry.sdk.name": "string",
        "telemetry.sdk.version": "string",
    },
    "url/registry.yaml": {
        "url.full": "string",
        "url.path": "string",
        "url.query": "string",
        "url.scheme": "string",
        "url.template": "string",
    },
    "user-agent/registry.yaml": {"user_agent.original": "string"},
}
# What OpenTelemetry's own SDK sends although the registry has it no more, and had it as a boolean.
OF_THE_SDK = {"exception.escaped"}
# The metrics of model/http/metrics.yaml and model/db/metrics.yaml, with their units, which Prometheus writes out at the
# end of a name.
METRIC_UNITS = {
    "db.client.operation.duration": "s",
    "http.client.request.duration": "s",
    "http.server.request.duration": "s",
}
PROMETHEUS_UNITS = {"s": "seconds"}


def constants(package):
    """Return the texts that the modules of a package of the conventions define."""
    return {
        value
        for module in pkgutil.iter_modules(package.__path__)
        for name, value in vars(importlib.import_module(f"{package.__name__}.{module.name}")).items()
        if name.isupper() and isinstance(value, str)
    }


NAMES = constants(stable_attributes) | constants(experimental_attributes)
NAMESPACES = {name.partition(".")[0] for name in NAMES}
OWN = [attribute for attribute in ATTRIBUTES if attribute.convention is Convention.OWN]
CONVENTIONAL = [attribute for attribute in ATTRIBUTES if attribute.convention is Convention.OPENTELEMETRY]


@pytest.mark.parametrize("attribute", CONVENTIONAL, ids=lambda attribute: attribute.name)
def test_a_conventional_attribute_is_in_the_conventions(attribute):
    """The installed package of the conventions has its name, and the registry its type."""
    assert attribute.name in NAMES
    if attribute.name not in OF_THE_SDK:
        (wanted,) = [types[attribute.name] for types in TYPES.values() if attribute.name in types]
        assert attribute.type == wanted


def test_the_table_of_types_names_what_there_is():
    """No name in the table of this test is misspelt."""
    assert {name for types in TYPES.values() for name in types} <= NAMES


@pytest.mark.parametrize("attribute", OWN, ids=lambda attribute: attribute.name)
def test_an_attribute_of_our_own_is_in_our_namespace(attribute):
    """It can't be taken for one of the conventions, now or later."""
    assert attribute.name.startswith("simulator.")
    assert "simulator" not in NAMESPACES


def test_a_conventional_metric_is_in_the_conventions():
    """Its name and unit are theirs in Prometheus' spelling, and its labels are attributes of theirs."""
    names = constants(stable_metrics) | constants(experimental_metrics)
    spelt = {
        f"{name.replace('.', '_')}_{PROMETHEUS_UNITS[unit]}": PROMETHEUS_UNITS[unit]
        for name, unit in METRIC_UNITS.items()
        if name in names
    }
    labels = {attribute.name.replace(".", "_") for attribute in CONVENTIONAL}
    conventional = [metric for metric in METRICS if metric.convention is Convention.OPENTELEMETRY]
    assert {metric.name for metric in conventional} == set(spelt)
    for metric in conventional:
        assert spelt[metric.name] == metric.unit
        assert set(metric.labels) <= labels


def test_a_metric_of_our_own_is_in_our_namespace():
    """It begins with simulator_."""
    own = [metric for metric in METRICS if metric.convention is Convention.OWN]
    assert all(metric.name.startswith("simulator_") for metric in own)


def test_the_required_attributes_of_spans_are_there():
    """Those that model/http/spans.yaml and model/db/spans.yaml require of every server's and every client's span."""
    required = {
        SERVER: {"http.request.method", "url.path", "url.scheme"},
        CLIENT: {"http.request.method", "server.address", "server.port", "url.full"},
        DATABASE_CLIENT: {"db.system.name", "db.namespace", "db.operation.name", "db.collection.name", "error.type"},
    }
    assert {span for span in SPANS if span.kind is not SpanKind.INTERNAL} == set(required)
    for span, names in required.items():
        assert names <= {attribute.name for attribute in span.attributes}, span.name


def test_the_buckets_of_conventional_metrics_are_the_advised_ones():
    """Those of docs/http/http-metrics.md and docs/db/database-metrics.md."""
    http = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    assert HTTP_DURATION.buckets == http
    assert DATABASE_DURATION.buckets == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
