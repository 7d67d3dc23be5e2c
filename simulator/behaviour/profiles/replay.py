"""The profile `replay(arrivals.csv)`: messages are due when those of a recording were."""

from __future__ import annotations

import bisect
import functools
import re
from dataclasses import dataclass, field
from typing import ClassVar

from simulator.behaviour.notation import Arguments
from simulator.behaviour.profiles.base import Profile
from simulator.behaviour.profiles.recording import ReadRecording, Recording
from simulator.units import format_number


@dataclass(frozen=True)
class Replay(Profile):
    """Recorded arrivals, `speed` times as fast.

    A row of one message is due at its seconds; the messages of a row that stands for several are spread evenly over the
    time since the row before it.
    """

    name: ClassVar[str] = "replay"
    path: str
    recording: Recording = field(hash=False, repr=False)
    speed: float = 1.0

    @classmethod
    def read(cls, arguments: Arguments, read_recording: ReadRecording) -> Replay:
        """Read the file that the path names, and how much faster it is replayed."""
        path = arguments.text("FILE")
        speed = arguments.number("speed") if arguments.has("speed") else 1.0
        try:
            whole_path, recording = read_recording(path)
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else error
            raise arguments.expression.error(f"replay({path}) can't be used: {said}") from None
        return cls(whole_path, recording, speed)

    def __post_init__(self) -> None:
        if not 1e-3 <= self.speed <= 1e6:
            raise ValueError(f"speed must be between 0.001 and 1000000, not {self.speed:g}")

    @property
    def duration_seconds(self) -> float:
        """Return the seconds of the last row."""
        return self.recording.seconds[-1] / self.speed

    @property
    def messages(self) -> float:
        """Return how many messages all rows stand for."""
        return self.recording.messages[-1]

    @property
    def highest_rate_per_second(self) -> float:
        """Return the most messages that are expected in a second that ends with a row."""
        return self._highest_rate

    @functools.cached_property
    def _highest_rate(self) -> float:
        highest, begin = 0.0, 0
        seconds, messages = self.recording.seconds, self.recording.messages
        for end, at in enumerate(seconds):
            while seconds[begin] <= at - self.speed:
                begin += 1
            highest = max(highest, messages[end] - self._until(at - self.speed, begin))
        return highest

    @property
    def is_recorded(self) -> bool:
        """Return true."""
        return True

    def expected(self, seconds: float) -> float:
        """Return the messages of the rows until then, and of the next row the share of its time that has passed."""
        recorded = seconds * self.speed
        return self._until(recorded, bisect.bisect_right(self.recording.seconds, recorded))

    def time_of(self, expected: float) -> float:
        """Return the time of the row, or between two rows, up to which there are so many; exact for every row."""
        index = min(bisect.bisect_left(self.recording.messages, expected), len(self.recording.messages) - 1)
        (begin, before), (end, after) = self._point(index - 1), self._point(index)
        share = 1.0 if expected >= after else (expected - before) / (after - before)
        return (end if share == 1 else begin + share * (end - begin)) / self.speed

    def _until(self, recorded: float, index: int) -> float:
        """Return the messages until a time that lies before row `index`, and not before the one before it."""
        if recorded <= 0 and index == 0:
            return 0.0
        if index == len(self.recording.seconds):
            return self.messages
        (begin, before), (end, after) = self._point(index - 1), self._point(index)
        return before + (recorded - begin) / (end - begin) * (after - before)

    def _point(self, index: int) -> tuple[float, float]:
        return (self.recording.seconds[index], self.recording.messages[index]) if index >= 0 else (0.0, 0.0)

    def __str__(self) -> str:
        path = f'"{self.path}"' if re.search(r"[,()=:]", self.path) else self.path
        speed = "" if self.speed == 1 else f", speed={format_number(self.speed)}"
        return f"{self.name}({path}{speed})"
