"""Comparing what a backend holds with what it must hold; what differs are findings."""
