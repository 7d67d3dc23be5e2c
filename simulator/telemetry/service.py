"""The service that a stage is to the outside world: OpenTelemetry's resource attributes service.*."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

import simulator
from simulator.behaviour.values import Value, shown

# The name under which the simulator's own version is in every resource.
DISTRIBUTION = "web-service-simulator"
VERSION, NAMESPACE = "service.version", "service.namespace"
NAME_VARIABLE = "OTEL_SERVICE_NAME"
ATTRIBUTES_VARIABLE = "OTEL_RESOURCE_ATTRIBUTES"
# What can't be the same for several stages.
_OF_ONE_STAGE = ("service.name", "service.instance.id")


@dataclass(frozen=True, kw_only=True)
class Service:
    """The four attributes by which OpenTelemetry identifies a service, and `more` that its topology gives it.

    `version` is that of the user's service, "" for none; the simulator's own is telemetry.distro.version.
    """

    name: str
    namespace: str
    instance_id: str
    version: str = ""
    more: Mapping[str, Value] = field(default_factory=dict)

    def attributes(self) -> dict[str, Value]:
        """Return the resource attributes."""
        return {
            **self.more,
            "service.name": self.name,
            "service.namespace": self.namespace,
            "service.instance.id": self.instance_id,
            **({"service.version": self.version} if self.version else {}),
            "telemetry.distro.name": DISTRIBUTION,
            "telemetry.distro.version": simulator.__version__,
        }


def described(service: Service, resource: Mapping[str, Value]) -> Service:
    """Return the service with the attributes that its topology gives it."""
    more = {name: value for name, value in resource.items() if name not in (VERSION, NAMESPACE)}
    version, namespace = resource.get(VERSION, service.version), resource.get(NAMESPACE, service.namespace)
    return replace(service, version=shown(version), namespace=shown(namespace), more=more)


def as_the_environment_says(service: Service, environment: Mapping[str, str]) -> Service:
    """Return the service with the name and attributes that the environment gives it.

    OTEL_SERVICE_NAME takes precedence over service.name of OTEL_RESOURCE_ATTRIBUTES.
    """
    said = {name: unquote(value) for name, value in _items(environment) if value}
    return Service(
        name=environment.get(NAME_VARIABLE) or said.get("service.name", service.name),
        namespace=said.get(NAMESPACE, service.namespace),
        instance_id=said.get("service.instance.id", service.instance_id),
        version=said.get(VERSION, service.version),
        # The SDK itself adds what the environment says.
        more={name: value for name, value in service.more.items() if name not in said},
    )


def for_named_stages(
    environment: Mapping[str, str], *, are_several: bool = True
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the environment for stages that a topology names, and (variable, why) for what was left out of it.

    If there are several, an instance's id is left out, too.
    """
    kept, ignored = dict(environment), []
    if kept.pop(NAME_VARIABLE, ""):
        ignored.append((NAME_VARIABLE, "every stage of a topology is a service under its own name"))
    items = _items(environment)
    unusable = _OF_ONE_STAGE if are_several else _OF_ONE_STAGE[:1]
    dropped = [name for name, _ in items if name in unusable]
    if dropped:
        kept[ATTRIBUTES_VARIABLE] = ",".join(f"{name}={value}" for name, value in items if name not in unusable)
        names = " and ".join(dict.fromkeys(dropped))
        why = f"{names} can't be the same for every stage of a topology; the rest is used"
        ignored.append((ATTRIBUTES_VARIABLE, why))
    return kept, ignored


def _items(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    pairs = (item.partition("=") for item in environment.get(ATTRIBUTES_VARIABLE, "").split(","))
    return [(name.strip(), value.strip()) for name, separator, value in pairs if separator and name.strip()]
