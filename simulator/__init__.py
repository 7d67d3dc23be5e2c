"""An observability-first simulator of web services."""

__version__ = "0.1.0"
