"""What a sampler on the way to a backend is expected to keep of the traces of a topology."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.behaviour.keep_rules import KeepRule
from simulator.topology.keys import key
from simulator.topology.quantities import Ratio


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """Which traces a sampler keeps: all that a rule of `keep` is about, and of the others a share.

    `sampling_ratio` of None means that nothing else is kept, or everything if there are no rules.
    """

    sampling_ratio: Ratio | None = field(default=None, metadata=key("The share of traces that a sampler keeps.", "10%"))
    keep: tuple[KeepRule, ...] = field(
        default=(),
        metadata=key("What it keeps whatever the share: errors, slower than 1s.", "[errors, slower than 1s]"),
    )
