"""Which proxy of the environment is used for a collector: never one for this machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxies_for(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies of the environment, by scheme, to use for a URL.

    This machine is never reached through one. For any other host HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY apply,
    and their lower-case forms, which take precedence.
    """
    named = _proxy_variables(environment)
    if not named:
        return {}
    try:
        host = urlsplit(url).hostname or ""
        if is_this_machine(host) or _is_excepted(url, named.pop("no", "")):
            return {}
    except ValueError:  # not a URL: nothing can be sent there anyway
        return {}
    return named


def is_this_machine(host: str) -> bool:
    """Return whether the host of a URL is a loopback address or a name for one."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(name))  # 127.1 is an address too
        except (OSError, ValueError):
            return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    # To connect to 0.0.0.0 or :: is to connect to this machine.
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _proxy_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the values of *_PROXY by the part before it, in lower case."""
    upper = {name.lower(): text for name, text in environment.items() if name.lower().endswith("_proxy")}
    lower = {name: text for name, text in environment.items() if name.endswith("_proxy")}
    return {name.removesuffix("_proxy"): text for name, text in {**upper, **lower}.items() if text}


def _is_excepted(url: str, no_proxy: str) -> bool:
    """Return whether NO_PROXY names the host of a URL, by the rules of requests, which accept networks too."""
    from requests.utils import should_bypass_proxies  # noqa: PLC0415 - a run without a proxy starts without requests

    return bool(should_bypass_proxies(url, no_proxy=no_proxy))
