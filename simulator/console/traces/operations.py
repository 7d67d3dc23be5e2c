"""Which services and operations there are, for a person to choose from."""

from __future__ import annotations

from collections import OrderedDict

from simulator.console.traces.spans import kind_name

_MOST_NAME = 200


class Operations:
    """The names of services and of their operations, a bounded number of them; those met longest ago go first.

    A name over 200 characters is left out: nobody chooses it from a list, and 5,000 entries stay under 5 MB or so.
    """

    def __init__(self, most: int = 5000) -> None:
        self._most = most
        self._seen: OrderedDict[tuple[str, str, int], None] = OrderedDict()

    def take(self, service: str, name: str, kind: int) -> None:
        """Note an operation and its service."""
        key = (service, name, kind)
        if key in self._seen:
            self._seen.move_to_end(key)
        elif len(service) <= _MOST_NAME and len(name) <= _MOST_NAME:
            self._seen[key] = None
            if len(self._seen) > self._most:
                self._seen.popitem(last=False)

    def services(self) -> list[str]:
        """Give the names of the services in order."""
        return sorted({service for service, _, _ in self._seen})

    def of(self, service: str) -> list[tuple[str, str]]:
        """Give the (name, kind) of a service's operations in order."""
        return sorted({(name, kind_name(kind)) for known, name, kind in self._seen if known == service})
