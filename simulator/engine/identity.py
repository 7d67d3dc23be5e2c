"""Which stage of which topology handles a message, and the seed of its draws."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.behaviour.draws import draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A stage; `instance` counts from 1."""

    stage: str
    seed: int
    topology: str = ""
    instance: int = 1

    def draw(self, message_id: str, visit: str, purpose: str) -> float:
        """Return u in (0, 1), drawn for one purpose of one visit of a message."""
        return draw(self.seed, self.stage, message_id, visit, purpose)
