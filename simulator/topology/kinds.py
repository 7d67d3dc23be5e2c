"""What a stage is seen as: a service, or a database, a cache or an external service that its callers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What the callers of a stage see in it."""

    SERVICE = "service"
    DATABASE = "database"
    CACHE = "cache"
    EXTERNAL = "external"

    @property
    def is_database(self) -> bool:
        """Return whether calls to it are operations of a database; for OpenTelemetry a cache is one too."""
        return self in (Kind.DATABASE, Kind.CACHE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOperation:
    """One operation of a database as its client sees it, by OpenTelemetry's conventions; "" is what is unknown."""

    system: str
    operation: str = ""
    namespace: str = ""
    collection: str = ""

    @property
    def span_name(self) -> str:
        """Return the name of the client's span: what is done, and to what of what is known the smallest."""
        target = self.collection or self.namespace
        return " ".join(filter(None, (self.operation, target))) or self.system

    @property
    def attributes(self) -> Mapping[str, str]:
        """Return the attributes of the client's span that are known."""
        values = {
            "db.system.name": self.system,
            "db.operation.name": self.operation,
            "db.namespace": self.namespace,
            "db.collection.name": self.collection,
        }
        return {name: value for name, value in values.items() if value}
