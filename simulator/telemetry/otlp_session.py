"""The HTTP session to a collector."""

from __future__ import annotations

import requests

from simulator.telemetry.otlp_destination import Destination


def make_session(destination: Destination) -> requests.Session:
    """Return a session that reads nothing from the environment by itself.

    A session that trusts the environment sends requests to loopback addresses through a proxy, and replaces the given
    headers by the password that ~/.netrc has for the host.
    """
    session = requests.Session()
    session.trust_env = False
    session.proxies = dict(destination.proxies)
    session.verify = destination.certificate or True
    if destination.client_certificate:
        both = (destination.client_certificate, destination.client_key)
        session.cert = both if destination.client_key else destination.client_certificate
    return session
