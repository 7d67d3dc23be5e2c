"""Where spans are passed on to, by OpenTelemetry's own variables of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opentelemetry.util.re import parse_env_headers

from simulator.telemetry.otlp import ENDPOINT_VARIABLES, exports_spans, traces_endpoint
from simulator.urls import redacted

_MOST_TIMEOUT_SECONDS = 10.0
_PREFIX, _TRACES_PREFIX = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"


@dataclass(frozen=True)
class Destination:
    """A collector: its URL, what is sent along, and how it is known and trusted.

    `certificate` is a file of the authorities to trust, "" for the usual ones; `client_certificate` and `client_key`
    are files too, "" for none.
    """

    endpoint: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # where the secrets are
    timeout_seconds: float = _MOST_TIMEOUT_SECONDS
    certificate: str = ""
    client_certificate: str = ""
    client_key: str = ""

    @property
    def shown_endpoint(self) -> str:
        """Return the URL without what may be secret in it."""
        return redacted(self.endpoint)


def wants_passing(environment: Mapping[str, str]) -> str | None:
    """Give the URL that the user wants spans sent to; None where the environment names none, or wants none sent."""
    named = any(environment.get(variable) for variable in ENDPOINT_VARIABLES)
    return traces_endpoint(environment) if named and exports_spans(environment) else None


def destination_from(environment: Mapping[str, str]) -> Destination | None:
    """Read OTEL_EXPORTER_OTLP_* and their _TRACES_ forms, which go first. None where `wants_passing` gives None."""
    endpoint = wants_passing(environment)
    if endpoint is None:
        return None
    return Destination(
        endpoint=endpoint,
        headers=parse_env_headers(_setting(environment, "HEADERS"), liberal=True),
        timeout_seconds=_timeout_seconds(_setting(environment, "TIMEOUT")),
        certificate=_setting(environment, "CERTIFICATE"),
        client_certificate=_setting(environment, "CLIENT_CERTIFICATE"),
        client_key=_setting(environment, "CLIENT_KEY"),
    )


def _setting(environment: Mapping[str, str], name: str) -> str:
    return environment.get(_TRACES_PREFIX + name) or environment.get(_PREFIX + name) or ""


def _timeout_seconds(text: str) -> float:
    """Read a time as the Python SDK does, in seconds, though the specification has milliseconds.

    The bound makes the two agree on the usual value, 10 seconds or 10,000 milliseconds.
    """
    try:
        seconds = float(text)
    except ValueError:
        return _MOST_TIMEOUT_SECONDS
    return min(seconds, _MOST_TIMEOUT_SECONDS) if seconds > 0 else _MOST_TIMEOUT_SECONDS
