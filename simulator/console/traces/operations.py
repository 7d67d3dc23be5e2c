"""The known services and operations, to choose from."""

from __future__ import annotations

from collections import OrderedDict

from simulator.console.traces.spans import kind_name

_MAX_NAME_CHARACTERS = 200


class Operations:
    """The names of services and their operations, at most `max_entries`; the least recently seen are dropped first.

    A name over 200 characters is left out: nobody chooses it from a list, and 5,000 entries stay below about 5 MB.
    """

    def __init__(self, max_entries: int = 5000) -> None:
        self._max_entries = max_entries
        self._seen: OrderedDict[tuple[str, str, int], None] = OrderedDict()

    def take(self, service: str, name: str, kind: int) -> None:
        """Record an operation and its service."""
        key = (service, name, kind)
        if key in self._seen:
            self._seen.move_to_end(key)
        elif len(service) <= _MAX_NAME_CHARACTERS and len(name) <= _MAX_NAME_CHARACTERS:
            self._seen[key] = None
            if len(self._seen) > self._max_entries:
                self._seen.popitem(last=False)

    def services(self) -> list[str]:
        """Return the names of the services, sorted."""
        return sorted({service for service, _, _ in self._seen})

    def of(self, service: str) -> list[tuple[str, str]]:
        """Return the (name, kind) of a service's operations, sorted."""
        return sorted({(name, kind_name(kind)) for known, name, kind in self._seen if known == service})
