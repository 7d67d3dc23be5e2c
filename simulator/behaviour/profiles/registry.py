"""The load profiles by their names, and reading them."""

from __future__ import annotations

import re
from collections.abc import Callable

from simulator.behaviour.notation import Arguments, parse, read_expression
from simulator.behaviour.profiles.base import Profile
from simulator.behaviour.profiles.constant import ConstantProfile
from simulator.behaviour.profiles.ramp import Ramp
from simulator.behaviour.profiles.recording import ReadRecording, no_recording
from simulator.behaviour.profiles.replay import Replay
from simulator.behaviour.profiles.sequence import ProfileSequence
from simulator.behaviour.profiles.sine import Sine
from simulator.behaviour.profiles.steps import Spike, Steps
from simulator.nearest import unknown_name
from simulator.quoting import quoted

PROFILES: dict[str, Callable[[Arguments, ReadRecording], Profile]] = {
    ConstantProfile.name: ConstantProfile.read,
    Ramp.name: Ramp.read,
    Steps.name: Steps.read,
    Spike.name: Spike.read,
    Sine.name: Sine.read,
    Replay.name: Replay.read,
}
_EXAMPLE = "ramp(10/s, 200/s, 5m)"
_MAX_PARTS = 1000
# One in quotes separates nothing.
_PART = re.compile(r'(?:"[^"]*"|[^;"]|")+')


def parse_profile(value: object, read_recording: ReadRecording = no_recording) -> Profile:
    """Return the profile in a text, or the sequence in a list of them or in one text with semicolons.

    Raise NotationError, a ValueError that shows the place, or ValueError if there is none.
    """
    texts = [part for part in _PART.findall(value) if part.strip()] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise ValueError(f"{quoted(value)} is not a profile like {_EXAMPLE}, or a list of such")
    if len(texts) > _MAX_PARTS:
        raise ValueError(f"it has {len(texts)} parts: must be at most {_MAX_PARTS}")
    parts = [_parse_part(text, read_recording) for text in texts]
    profile = parts[0] if len(parts) == 1 else ProfileSequence(tuple(parts))
    if not profile.highest_rate_per_second:
        raise ValueError(f"{profile} has no messages: one of its rates must be more than 0")
    return profile


def _parse_part(text: object, read_recording: ReadRecording) -> Profile:
    if not isinstance(text, str) or "(" not in text:
        raise ValueError(f"{quoted(text)} is not a profile like {_EXAMPLE}")
    expression = parse(text.strip())
    reader = PROFILES.get(expression.name)
    if reader is None:
        message = f"there is no profile {expression.name!r}"
        raise expression.error(unknown_name(message, expression.name, PROFILES))
    return read_expression(expression, lambda arguments: reader(arguments, read_recording))
