"""Checking the files for TLS that OTEL_EXPORTER_OTLP_* name."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from simulator.telemetry.otlp import endpoint_of, otlp_setting, otlp_variable
from simulator.telemetry.otlp_signal import Signal

# A file or folder of authorities to trust, by the variables that other programs read, the first that is set;
# OTEL_EXPORTER_OTLP_CERTIFICATE takes precedence.
AUTHORITY_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def common_authorities(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the first of AUTHORITY_VARIABLES that is set, and its file or folder; "" and "" if none is."""
    variable = next((name for name in AUTHORITY_VARIABLES if environment.get(name)), "")
    # SSL_CERT_DIR may name several folders; requests knows one.
    return variable, environment[variable].partition(os.pathsep)[0] if variable else ""


def file_problems(environment: Mapping[str, str], signal: Signal = Signal.TRACES) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the files for a signal, as (variable, text)."""
    if authorities := otlp_setting(environment, "CERTIFICATE", signal):
        variable = otlp_variable(environment, "CERTIFICATE", signal)
    else:
        variable, authorities = common_authorities(environment)
    # Those of other programs may be anywhere, as long as nothing here needs them.
    is_used = variable not in AUTHORITY_VARIABLES or endpoint_of(environment, signal).lower().startswith("https:")
    if authorities and is_used and (problem := _authorities_problem(authorities)):
        yield variable, problem
    certificate, key = (otlp_setting(environment, name, signal) for name in ("CLIENT_CERTIFICATE", "CLIENT_KEY"))
    if not certificate:
        return
    unreadable = [
        (name, text)
        for name, path in (("CLIENT_CERTIFICATE", certificate), ("CLIENT_KEY", key))
        if path and (text := _unreadable(path))
    ]
    for name, text in unreadable:
        yield otlp_variable(environment, name, signal), text
    if not unreadable and (problem := _pair_problem(certificate, key)):
        yield otlp_variable(environment, "CLIENT_CERTIFICATE", signal), problem


def _authorities_problem(path: str) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if Path(path).is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return f"there is no certificate in {path!r}; it must be a file in PEM format"
    except (OSError, ValueError):
        return _unreadable(path) or f"{path!r} can't be read"
    return ""


def _pair_problem(certificate: str, key: str) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # A key with a password would otherwise ask for it on the terminal.
        context.load_cert_chain(certificate, key or None, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError):
        where = f"in {key!r}" if key else "in the same file, or named by OTEL_EXPORTER_OTLP_CLIENT_KEY"
        return f"{certificate!r} must be a certificate in PEM format with its key, without a password, {where}"
    return ""


def _unreadable(path: str) -> str:
    try:
        with Path(path).open("rb"):
            return ""
    except OSError as error:
        return f"{path!r} can't be read: {error.strerror}"
    except ValueError:  # a NUL
        return f"{path!r} is not a path"
