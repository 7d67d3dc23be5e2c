"""Every error that this project raises itself.

SimulatorError
├── ConfigurationError          the configuration can't work; exit code 2
├── StartError                  it could work, but not here and now (a port in use, a file that can't be written)
│   └── TruthError              the truth of a run is not there, or can't be read
└── MessageError                how one message's handling ended; its `status` is the HTTP answer
    ├── InvalidMessage          400, 411, 413, 415: the client's mistake
    ├── Rejected                503: no room, or the stage is shutting down
    │   ├── ShuttingDown        503: another instance, or the next process of this one, may take it
    │   ├── RateLimited         429: more messages than the stage's limit
    │   └── DeadlinePassed      504: its deadline passed before the work began
    ├── InjectedFault           as the configured fault says; never a genuine failure
    ├── DownstreamFailed        502
    ├── DownstreamTooSlow       504
    ├── OutputFailed            500: a terminator could not write the message to its output
    ├── Unforeseen              500: a mistake of this program
    └── BrokenOff               503: the stage was stopped before the message was handled
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.quoting import printable, shortened

_MAX_PROBLEMS_SHOWN = 50
_MAX_CHARACTERS = 4000


class SimulatorError(Exception):
    """Base class of every error that this project raises itself."""


@dataclass(frozen=True)
class Problem:
    """One mistake in something a user wrote.

    `source` is a file, `environment` or `flag`; `line` and `column` count from 1, 0 means unknown.
    """

    message: str
    source: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = printable(self.source)
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        message = printable(shortened(self.message, _MAX_CHARACTERS), keep="\n")
        return f"{place}: {message}" if place else message


class ConfigurationError(SimulatorError):
    """Raised with every problem of a configuration together, in the order of its lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.source, problem.line, problem.column)))
        super().__init__("\n".join(self.shown()))

    def shown(self) -> list[str]:
        """Return a text for each problem; of more than fifty only the first, and how many more there are."""
        texts = [str(problem) for problem in self.problems[:_MAX_PROBLEMS_SHOWN]]
        more = len(self.problems) - len(texts)
        return [*texts, f"and {more} more"] if more else texts

    @classmethod
    def of(cls, message: str, source: str = "") -> ConfigurationError:
        """Return the error for a single problem."""
        return cls([Problem(message, source)])


class StartError(SimulatorError):
    """Raised with one line that says why something with a valid configuration could not be started."""


class TruthError(StartError):
    """Raised with one line that says why the truth of a run can't be read."""


class MessageError(SimulatorError):
    """Base class of the errors that end one message's handling, each with the HTTP status of the answer.

    `injected` is True if the cause is a configured fault, here or further down. `body_bytes` is how much of a body of
    unknown length had arrived, None if only its declared length is known.
    `retry_after_seconds` of `None` means that no Retry-After is sent.
    """

    status = 500
    title = "Internal error"
    injected = False
    retry_after_seconds: int | None = None
    body_bytes: int | None = None


class InvalidMessage(MessageError):
    """Raised when the message itself is the client's mistake."""

    def __init__(
        self, detail: str, status: int = 400, title: str = "Invalid message", body_bytes: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.body_bytes = body_bytes


class Rejected(MessageError):
    """Raised when there is no room for a message. One second is the least that Retry-After can say."""

    status = 503
    title = "No room"
    retry_after_seconds: int | None = 1


class ShuttingDown(Rejected):
    """Raised when a message arrives while the stage is stopping."""

    title = "Shutting down"

    def __init__(self) -> None:
        super().__init__("the stage is shutting down")


class RateLimited(Rejected):
    """Raised when a message exceeds the stage's rate limit."""

    status = 429
    title = "Too many messages"

    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class DeadlinePassed(Rejected):
    """Raised when the sender of a message no longer waits for the answer."""

    status = 504
    title = "Deadline passed"
    retry_after_seconds = None


class InjectedFault(MessageError):
    """Raised when an injected fault fails a message: with a status or, if `no_answer`, by ending the connection.

    What it says is the fault's own `message`, or that it was injected, and why.
    """

    injected = True

    def __init__(self, fault: str, status: int | None, reason: str = "", message: str = "") -> None:
        super().__init__(message or f"the fault {fault} was injected here{reason and f': {reason}'}")
        self.no_answer = status is None
        self.status = status or 500
        self.title = "Injected fault"


class DownstreamFailed(MessageError):
    """Raised when a downstream stage failed; `injected` is True if an injected fault made it fail."""

    status = 502
    title = "Downstream failed"

    def __init__(self, detail: str, injected: bool = False) -> None:
        super().__init__(detail)
        self.injected = injected


class DownstreamTooSlow(MessageError):
    """Raised when a downstream stage did not answer in time."""

    status = 504
    title = "Downstream too slow"

    def __init__(self, detail: str, injected: bool = False) -> None:
        super().__init__(detail)
        self.injected = injected


class BrokenOff(MessageError):
    """Raised when a stage had to stop before a message was handled; `injected` if a fault was holding the message."""

    status = 503
    title = "Broken off"

    def __init__(self, injected: bool = False) -> None:
        super().__init__("the stage was stopped before this message was done")
        self.injected = injected


class OutputFailed(MessageError):
    """Raised when a terminator could not write a message to its output."""

    title = "Message not kept"


class Unforeseen(MessageError):
    """Answer for a mistake of this program."""

    title = "Internal Server Error"

    def __init__(self) -> None:
        super().__init__("an unforeseen error; the log has it under this message id")
