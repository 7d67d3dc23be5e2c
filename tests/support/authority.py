"""A certificate of one's own for 127.0.0.1, and servers that show it."""

from __future__ import annotations

import functools
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Authority:
    """A self-signed certificate and its key, as files in PEM format."""

    certificate: Path
    key: Path

    @functools.cached_property
    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def secured(self, behave):
        """Let a server that behaves so speak TLS."""

        def behave_secured(connection):
            with self.context.wrap_socket(connection, server_side=True) as secure:
                behave(secure)

        return behave_secured


def make_authority(folder):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here to make a certificate with")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", key, "-out", certificate, "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, capture_output=True, check=True)
    return Authority(certificate, key)
