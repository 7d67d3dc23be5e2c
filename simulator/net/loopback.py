"""Whether a name or address is this machine itself."""

from __future__ import annotations

import ipaddress
import re

# As in RFC 3986, 3.2.2 and 3.2.3, without user information, which a Host header never has, and an empty port.
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._~%!$&'()*+,;=-]+))(?::([0-9]{1,5}))?")
_MAX_PORT = 65535


def host_of(header: str) -> str:
    """Return the name or address in a Host header, without port and brackets; "" if the header is malformed."""
    parsed = _HOST.fullmatch(header)
    if parsed is None or int(parsed[3] or 0) > _MAX_PORT:
        return ""
    return parsed[1] or parsed[2]


def is_loopback(host: str) -> bool:
    """Return whether a name or address can only be this machine."""
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
