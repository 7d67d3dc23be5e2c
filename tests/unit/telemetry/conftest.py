"""What the tests of telemetry share."""

from __future__ import annotations

import opentelemetry.sdk.trace as sdk
import pytest

from simulator.telemetry.light_tracer import use_light_tracers


@pytest.fixture
def light(monkeypatch):
    """Return a function that lets tracers start light spans from now on, until the test ends."""
    monkeypatch.setattr(sdk.Tracer, "start_span", getattr(sdk.Tracer.start_span, "__wrapped__", sdk.Tracer.start_span))
    return use_light_tracers
