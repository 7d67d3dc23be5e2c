"""What is installed only where it is asked for: the extras of pyproject.toml."""

from __future__ import annotations


def how_to_install(extra: str) -> str:
    """Return the command that adds an extra; in a checkout, where the package is not installed, it is another."""
    return f"pip install 'web-service-simulator[{extra}]' (in a checkout '.[{extra}]')"
