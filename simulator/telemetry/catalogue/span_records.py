"""What the catalogue says of a span and of the attributes of resources, spans and their events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simulator.telemetry.catalogue.convention import Convention


class AttributeType(StrEnum):
    """The type of an attribute's value, as the semantic conventions name it; `any` is a text, a number or a boolean."""

    STRING = "string"
    INT = "int"
    DOUBLE = "double"
    ANY = "any"


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """An attribute of a resource, a span or a span's event; what stands in braces in its name differs.

    `help` is a sentence without its full stop.
    """

    name: str
    type: AttributeType
    help: str
    convention: Convention = Convention.OWN


class SpanKind(StrEnum):
    """The kind of a span, as OpenTelemetry names it."""

    SERVER = "server"
    CLIENT = "client"
    INTERNAL = "internal"


@dataclass(frozen=True, kw_only=True)
class Span:
    """A span; what stands in braces in its name differs from span to span.

    `help` says around what it is, and `attributes` are those that it may have. `emitted` is the module that makes or
    describes it.
    """

    name: str
    kind: SpanKind
    help: str
    attributes: tuple[Attribute, ...] = ()
    events: tuple[SpanEvent, ...] = ()
    emitted: str


@dataclass(frozen=True, kw_only=True)
class SpanEvent:
    """An event of a span."""

    name: str
    help: str
    attributes: tuple[Attribute, ...]
    convention: Convention = Convention.OWN
