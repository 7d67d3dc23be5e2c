"""Mappings of names to values: decisions, the attributes of messages and those of a service, and labels of metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from simulator.behaviour.attributes import constant_text, parse_attribute
from simulator.behaviour.conditions import DECISION_NAME
from simulator.behaviour.labels import label_name
from simulator.behaviour.values import Rule, Value, parse_rule
from simulator.quoting import quoted
from simulator.topology.quantities import Attributes, Labels, ResourceAttributes

Read = TypeVar("Read")
_MAX_NAMES = 64
_NO_DECISIONS = frozenset({"and", "or", "not", "true", "false"})  # words of conditions
_RESOURCE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,199}")
_OWN_PREFIX = "simulator."
# What the span of a message has already: the catalogue of signals says of each what it is.
TAKEN = frozenset(
    {
        *("client.address", "client.port", "error.type", "http.request.method", "http.request.method_original"),
        *("http.response.status_code", "http.route", "network.protocol.version", "server.address", "server.port"),
        *("url.path", "url.query", "url.scheme", "user_agent.original"),
    }
)
# By these a stage is found in traces, metrics and logs.
_OF_THE_STAGE = frozenset({"service.name", "service.instance.id"})
_OF_THE_PROGRAM = "telemetry."
# What the metrics that get labels have already, what Prometheus adds, and what a histogram has.
TAKEN_LABELS = frozenset(
    {
        *("stage", "role", "operation", "outcome", "http_request_method", "http_route", "http_response_status_code"),
        *("job", "instance", "le", "quantile"),
    }
)


def read_decisions(value: Any) -> dict[str, Rule]:
    """Return the decisions in a mapping. Raise ValueError for what can't be read."""
    return _read(value, "{hit: 90%, items: uniform(1, 8)}", _check_decision, parse_rule)


def read_attributes(value: Any) -> Attributes:
    """Return the attributes in a mapping. Raise ValueError for what can't be read, and for names that are taken."""
    return Attributes(_read(value, "{app.user: pick(10000)}", _check_attribute, parse_attribute))


def plain_rules(rules: Mapping[str, Any]) -> dict[str, object]:
    """Return the plain mapping of decisions or attributes."""
    return {name: rule.plain() for name, rule in rules.items()}


def read_resource(value: Any) -> ResourceAttributes:
    """Return the attributes of a service in a mapping. Raise ValueError for what can't be read, and for taken names."""
    return ResourceAttributes(_read(value, "{service.version: v2, cloud.region: eu}", _check_resource, _constants))


def plain_resource(resource: ResourceAttributes) -> dict[str, object]:
    """Return the plain mapping of a service's attributes."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in resource.items()}


def read_labels(value: Any) -> Labels:
    """Return the labels in a list. Raise ValueError for one that a metric can't have."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"must be a list of decisions and attributes, as in [tenant], not {quoted(value)}")
    seen: dict[str, str] = {}
    for name in value:
        label = label_name(name)
        if not DECISION_NAME.fullmatch(name):
            raise ValueError(f"{quoted(name)} can't be the name of a decision or attribute")
        if label in TAKEN_LABELS:
            raise ValueError(f"{quoted(name)} can't be a label: the metrics have one of this name already")
        if label in seen:
            raise ValueError(f"{quoted(name)} can't be a label: {quoted(seen[label])} is one already, as {label}")
        seen[label] = name
    return Labels(tuple(value))


def _read(
    value: Any, example: str, check: Callable[[object], None], read: Callable[[Any], Read], most: int = _MAX_NAMES
) -> dict[str, Read]:
    if not isinstance(value, dict):
        raise ValueError(f"must be a mapping of names to values, as in {example}, not {quoted(value)}")
    if len(value) > most:
        raise ValueError(f"there are {len(value)} names, and at most {most} are allowed")
    found = {}
    for name, inner in value.items():
        check(name)
        try:
            found[name] = read(inner)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return found


def _check_decision(name: object) -> None:
    if not isinstance(name, str) or not DECISION_NAME.fullmatch(name) or name in _NO_DECISIONS:
        raise ValueError(f"{quoted(name)} can't be the name of a decision: write letters, digits, -, _ and .")


def _check_attribute(name: object) -> None:
    if not isinstance(name, str) or not DECISION_NAME.fullmatch(name):
        rule = "write letters, digits, -, _ and ., beginning with a letter, at most 63"
        raise ValueError(f"{quoted(name)} can't be the name of an attribute: {rule}")
    if name in TAKEN or name.startswith(_OWN_PREFIX):
        raise ValueError(f"{quoted(name)} can't be the name of an attribute: every span of a message has it already")


def _check_resource(name: object) -> None:
    if not isinstance(name, str) or not _RESOURCE_NAME.fullmatch(name):
        rule = "write letters, digits, -, _, . and /, beginning with a letter, at most 200"
        raise ValueError(f"{quoted(name)} can't be the name of an attribute: {rule}")
    if name in _OF_THE_STAGE or name.startswith((_OF_THE_PROGRAM, _OWN_PREFIX)):
        raise ValueError(f"{quoted(name)} is set by the program: a stage is a service under its own name")


def _constants(value: Any) -> Value | tuple[Value, ...]:
    if isinstance(value, list):
        if not value:
            raise ValueError("a list has a value for each instance, and this one is empty")
        return tuple(map(_constant, value))
    return _constant(value)


def _constant(value: Any) -> Value:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        raise ValueError(f"{value} has a fraction: write it in quotes, as text, for 1.10 is read as 1.1")
    if not isinstance(value, str):
        raise ValueError(f"{quoted(value)} must be a text, a whole number, true or false")
    return constant_text(value)
