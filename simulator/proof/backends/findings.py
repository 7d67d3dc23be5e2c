"""What is wrong with what a backend holds, as records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MAX_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class BackendFinding:
    """Something that is wrong: `count` of `total` things, what that means, and examples.

    `name` is one of a closed set, for programs that read it. `total` of 0 means that there is no whole.
    """

    name: str
    count: int
    total: int = 0
    meaning: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BackendCheck:
    """One promise about a backend: kept, with what was compared in `kept`, unless there are findings."""

    name: str
    kept: str
    findings: tuple[BackendFinding, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.findings


@dataclass(frozen=True, kw_only=True)
class BackendVerdict:
    """The verdict on one backend: its checks, and remarks that are no findings, such as on data of other runs."""

    backend: str
    checks: tuple[BackendCheck, ...]
    remarks: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Return whether every check found nothing."""
        return all(check.is_kept for check in self.checks)


def some(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the first different texts, as examples."""
    found: dict[str, None] = {}
    for text in texts:
        found[text] = None
        if len(found) == _MAX_EXAMPLES:
            break
    return tuple(found)


def share(count: int, total: int) -> str:
    """Return `12 of 1,000 (1.2%)`."""
    return f"{count:,} of {total:,} ({count / total:.1%})" if total else f"{count:,}"


def of_each(counts: Sequence[tuple[str, int]], limit: int = 6) -> str:
    """Return `page 12, start 3`, the largest first, and how many more there are."""
    ordered = sorted(counts, key=lambda pair: (-pair[1], pair[0]))
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return ", ".join(f"{name} {count:,}" for name, count in ordered[:limit]) + more
