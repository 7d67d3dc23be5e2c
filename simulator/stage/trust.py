"""The authorities that a stage trusts when it calls https://, by the variables that other HTTP clients read too."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import certifi

from simulator.errors import StartError

_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def make_tls(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Return the context for https:// with all the authorities that the environment names, or else the public ones.

    Each variable names a file or a folder, SSL_CERT_DIR several folders. Raise StartError if one can't be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    named = [(variable, environment[variable]) for variable in _VARIABLES if environment.get(variable)]
    for variable, value in named:
        for path in value.split(os.pathsep) if variable == "SSL_CERT_DIR" else [value]:
            (_trust_folder if Path(path).is_dir() else _trust_file)(context, variable, path)
    if not named:
        context.load_verify_locations(certifi.where())
    return context


def _trust_file(context: ssl.SSLContext, variable: str, path: str) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise StartError(f"{variable}: there is no certificate in {path}; it must be a file in PEM format") from None
    except OSError as error:
        raise StartError(f"{variable}: {path} can't be read: {error.strerror}") from None


def _trust_folder(context: ssl.SSLContext, variable: str, path: str) -> None:
    try:
        context.load_verify_locations(capath=path)
    except OSError as error:
        raise StartError(f"{variable}: {path} can't be read: {error.strerror}") from None
