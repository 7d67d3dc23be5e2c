"""Which addresses something listens at, in the network of this thread, as the kernel says."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path

_LISTENING = "0A"


def listening() -> set[tuple[str, int]]:
    """Return every address that a TCP connection would be accepted at, as (host, port)."""
    return set(_read("tcp", 4)) | set(_read("tcp6", 16))


def _read(family: str, size: int) -> list[tuple[str, int]]:
    lines = Path(f"/proc/thread-self/net/{family}").read_text().splitlines()[1:]
    places = [fields[1] for fields in map(str.split, lines) if fields[3] == _LISTENING]
    return [(_host(place.split(":")[0], size), int(place.split(":")[1], 16)) for place in places]


def _host(text: str, size: int) -> str:
    """Return an address that the kernel prints as 32-bit words in this machine's order of bytes."""
    words = struct.unpack(f">{size // 4}I", bytes.fromhex(text))
    return str(ipaddress.ip_address(struct.pack(f"={size // 4}I", *words)))
