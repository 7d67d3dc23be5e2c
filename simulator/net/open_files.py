"""How many files and connections a process can have."""

from __future__ import annotations

import resource

_MAX_FILES = 65536


def allow_many_files() -> int:
    """Raise the soft limit of open files, and return it: a message in flight needs one or two, a stage as many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(_MAX_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
