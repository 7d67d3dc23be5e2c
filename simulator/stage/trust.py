"""Whom a stage believes when it calls https://, by the variables that other HTTP clients read too."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import certifi

from simulator.errors import StartError

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_FILE, _FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"


def make_tls(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Return the context for https:// with the authorities that the environment names, or those that requests brings.

    REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE name a file or a folder and win over OpenSSL's own SSL_CERT_FILE and
    SSL_CERT_DIR. Raise StartError where what is named can't be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bundle = next((variable for variable in _BUNDLES if environment.get(variable)), None)
    if bundle is not None:
        is_folder = Path(environment[bundle]).is_dir()
        (_trust_folder if is_folder else _trust_file)(context, bundle, environment[bundle])
        return context
    if environment.get(_FILE):
        _trust_file(context, _FILE, environment[_FILE])
    else:
        context.load_verify_locations(certifi.where())
    if environment.get(_FOLDER):
        for folder in environment[_FOLDER].split(os.pathsep):
            _trust_folder(context, _FOLDER, folder)
    return context


def _trust_file(context: ssl.SSLContext, variable: str, path: str) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise StartError(f"{variable}: there is no certificate in {path}; it must be a file in PEM format") from None
    except OSError as error:
        raise StartError(f"{variable}: {path} can't be read: {error.strerror}") from None


def _trust_folder(context: ssl.SSLContext, variable: str, path: str) -> None:
    if not Path(path).is_dir():
        raise StartError(f"{variable}: there is no folder {path}")
    context.load_verify_locations(capath=path)
