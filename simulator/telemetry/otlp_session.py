"""The one place that decides how a collector is connected to."""

from __future__ import annotations

import requests

from simulator.telemetry.otlp_destination import Destination


def make_session(destination: Destination) -> requests.Session:
    """Return a session that reads nothing from the environment by itself.

    A session that trusts the environment hands loopback addresses to a proxy, and sends the password that ~/.netrc has
    for the host in place of the headers that were asked for.
    """
    session = requests.Session()
    session.trust_env = False
    session.proxies = dict(destination.proxies)
    session.verify = destination.certificate or True
    if destination.client_certificate:
        both = (destination.client_certificate, destination.client_key)
        session.cert = both if destination.client_key else destination.client_certificate
    return session
