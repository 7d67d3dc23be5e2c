"""How many files and connections a process can have."""

from __future__ import annotations

import resource

_MAX_FILES = 65536


def allow_many_files() -> None:
    """Raise the soft limit of open files: a message in flight takes one or two, a stage of a run as many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(_MAX_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
