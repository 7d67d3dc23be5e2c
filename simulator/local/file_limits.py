"""How large the files of a run may get."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_LOG_LIMIT_BYTES = DEFAULT_TRUTH_LIMIT_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class FileLimits:
    """The bounds of all logs together, and of the rows of the truth; None means that there is no truth."""

    log_limit_bytes: int = DEFAULT_LOG_LIMIT_BYTES
    truth_limit_bytes: int | None = DEFAULT_TRUTH_LIMIT_BYTES

    def shared_by(self, stages: int) -> FileLimits:
        """Return the bounds of each of so many stages."""
        truth = self.truth_limit_bytes
        return FileLimits(self.log_limit_bytes // stages, None if truth is None else truth // stages)
