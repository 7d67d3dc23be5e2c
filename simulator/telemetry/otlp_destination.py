"""The collector that a signal goes to, read from the environment once: its URL, headers, proxies and authorities."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from opentelemetry.util.re import parse_env_headers

from simulator.telemetry.otlp import GRPC, HTTP_PROTOBUF, endpoint_of, otlp_setting, protocol_of, timeout_seconds
from simulator.telemetry.otlp_files import common_authorities
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.proxies import proxies_for
from simulator.urls import redacted

DEFAULT_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A collector: its URL without a user, what is sent with each request, how it is reached and trusted.

    `protocol` is http/protobuf or grpc; with the latter the URL has no path. `proxies` are by scheme, as requests has
    them; `compression` is gzip, deflate or none. `certificate` is a file of the authorities to trust, "" for the usual
    ones; `client_certificate` and `client_key` are files too, "" for none.
    """

    endpoint: str
    protocol: str = HTTP_PROTOBUF
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # where the secrets are
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    compression: str = "none"
    certificate: str = ""
    client_certificate: str = ""
    client_key: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def body_compression(self) -> str:
        """Return how a body is compressed before it is handed to the transport: gRPC compresses by itself."""
        return "none" if self.protocol == GRPC else self.compression

    @property
    def shown_endpoint(self) -> str:
        """Return the URL without what may be secret in it."""
        return redacted(self.endpoint)


def read_destination(environment: Mapping[str, str], signal: Signal = Signal.TRACES) -> Destination:
    """Return the collector by OTEL_EXPORTER_OTLP_* and their forms for the signal, which take precedence."""

    def setting(name: str) -> str:
        return otlp_setting(environment, name, signal)

    endpoint, authorization = _without_user(endpoint_of(environment, signal))
    headers = dict(parse_env_headers(setting("HEADERS"), liberal=True))
    if authorization:
        headers.setdefault("authorization", authorization)
    return Destination(
        endpoint=endpoint,
        protocol=protocol_of(environment, signal),
        headers=headers,
        timeout_seconds=timeout_seconds(environment, signal) or DEFAULT_TIMEOUT_SECONDS,
        compression=setting("COMPRESSION").strip().lower() or "none",
        certificate=setting("CERTIFICATE") or common_authorities(environment)[1],
        client_certificate=setting("CLIENT_CERTIFICATE"),
        client_key=setting("CLIENT_KEY"),
        proxies=proxies_for(endpoint, environment),
    )


def _without_user(url: str) -> tuple[str, str]:
    """Return a URL without its user and password, and them as a header of Basic authentication, "" for none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, ""
    user, separator, host = parts.netloc.rpartition("@")
    if not separator or not parts.scheme:
        return url, ""
    name, _, password = user.partition(":")
    credentials = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return parts._replace(netloc=host).geturl(), f"Basic {credentials}"
