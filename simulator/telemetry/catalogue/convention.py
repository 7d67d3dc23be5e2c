"""Whose name a signal has."""

from __future__ import annotations

from enum import StrEnum


class Convention(StrEnum):
    """Whose name it is."""

    OWN = "own"
    OPENTELEMETRY = "OpenTelemetry semantic conventions"
