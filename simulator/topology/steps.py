"""The steps by which a message is forwarded: calls, delays between them, and groups of both."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.behaviour.breaker import BreakerRule
from simulator.behaviour.conditions import When
from simulator.behaviour.distributions import Delay
from simulator.behaviour.payloads import Size
from simulator.behaviour.retries import Retries
from simulator.behaviour.times import ONCE, Times
from simulator.topology.headers import Headers
from simulator.topology.keys import key
from simulator.topology.quantities import Name, PositiveCount, PositiveSeconds, Ratio

NO_RETRIES = Retries()
DEFAULT_TIMEOUT = PositiveSeconds(30.0)

_WHEN = "Only for messages whose decisions are so."
_PROBABILITY = "The share of messages for which this is done."
_OPTIONAL = "true: a failure here does not fail the message."
_ON_ERROR = "Steps to take after a failure in the group; then the failure stands, unless the group is optional."


@dataclass(frozen=True, kw_only=True)
class Call:
    """One edge: the stage that has it sends to the stage `to`, to its `operation` ("" for a stage with only one).

    Each attempt waits at most `timeout_seconds` for its answer, all attempts and pauses together `deadline_seconds`;
    None means that only the caller's own deadline counts. The call is made with `probability_ratio`, and then `times`
    times in sequence. With `hedge_seconds` a second attempt starts when the first one has had no answer for this long.
    An `optional` call may fail; if a call with a `fallback` fails, those steps are taken in its place. The body is
    the message's own, or a generated one of `request_size`; `headers` are sent in addition to the stage's own.
    """

    to: Name = field(metadata=key("The stage to call, or one of its operations.", "cart.read"))
    timeout_seconds: PositiveSeconds = field(
        default=DEFAULT_TIMEOUT, metadata=key("How long each attempt waits for an answer.", "500ms", flag=True)
    )
    deadline_seconds: PositiveSeconds | None = field(
        default=None,
        metadata=key("How long the call may take with all its attempts; the rest travels on.", "2s", flag=True),
    )
    probability_ratio: Ratio = field(default=Ratio(1.0), metadata=key(_PROBABILITY, "10%"))
    when: When | None = field(default=None, metadata=key(_WHEN, "not hit"))
    times: Times = field(default=ONCE, metadata=key("How many times to call, one after the other.", "3"))
    retries: Retries = field(
        default=NO_RETRIES,
        metadata=key("Attempts after the first.", "retries(3, backoff=50ms, max=2s, budget=20%)", flag=True),
    )
    hedge_seconds: PositiveSeconds | None = field(
        default=None,
        metadata=key("Send a second attempt when the first has had no answer for this long.", "50ms", flag=True),
    )
    breaker: BreakerRule | None = field(
        default=None, metadata=key("When to stop calling for a while.", "breaker(failures=5, reset=10s)", flag=True)
    )
    optional: bool = field(default=False, metadata=key(_OPTIONAL, "true", flag=True))
    fallback: tuple[Step, ...] = field(
        default=(), metadata=key("A step, or a list of steps, to take in place of a call that failed.", "cache.read")
    )
    request_size: Size | None = field(
        default=None,
        metadata=key("Send a body of this size in place of the message's own.", "uniform(1KB, 10KB)", flag=True),
    )
    headers: Headers | None = field(
        default=None,
        metadata=key("Headers of the call; ${TOKEN} is a variable's value.", "{X-Tenant: gold}", flag=True),
    )
    operation: str = ""

    @property
    def target(self) -> str:
        """Return what is called as a file has it: `cart.read`, or `cart`."""
        return f"{self.to}.{self.operation}" if self.operation else self.to


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A delay between calls: the stage's own time, drawn for each message."""

    delay: Delay = field(metadata=key("The stage's own time at this point.", "exponential(3ms)"))
    when: When | None = field(default=None, metadata=key(_WHEN, "hit"))


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """Steps that are taken at the same time, up to `limit` of them; None means all.

    Each message takes `pick` of them, drawn for it; None means all. With `times` each step is taken so many times.
    """

    parallel: tuple[Step, ...] = field(metadata=key("Steps to take at the same time.", "[price, stock]"))
    limit: PositiveCount | None = field(default=None, metadata=key("How many at the same time, at most.", "2"))
    pick: PositiveCount | None = field(default=None, metadata=key("How many of the steps each message takes.", "3"))
    times: Times = field(default=ONCE, metadata=key("How many times to take each step, at the same time.", "items"))
    probability_ratio: Ratio = field(default=Ratio(1.0), metadata=key(_PROBABILITY, "10%"))
    when: When | None = field(default=None, metadata=key(_WHEN, "tenant = gold"))
    optional: bool = field(default=False, metadata=key(_OPTIONAL, "true"))
    on_error: tuple[Step, ...] = field(default=(), metadata=key(_ON_ERROR, "[stock.release]"))


@dataclass(frozen=True, kw_only=True)
class InOrder:
    """Steps that are taken in sequence, `times` times; in a group a list is short for one of these.

    `is_named` tells one without options that a file has under its key, `{steps: [a, b]}`, from a list, which is the
    same but for the places of its steps.
    """

    steps: tuple[Step, ...] = field(metadata=key("Steps to take one after the other.", "[db.find, cache.set]"))
    times: Times = field(default=ONCE, metadata=key("How many times to take them, one after the other.", "items"))
    probability_ratio: Ratio = field(default=Ratio(1.0), metadata=key(_PROBABILITY, "10%"))
    when: When | None = field(default=None, metadata=key(_WHEN, "not hit"))
    optional: bool = field(default=False, metadata=key(_OPTIONAL, "true"))
    on_error: tuple[Step, ...] = field(default=(), metadata=key(_ON_ERROR, "[stock.release]"))
    is_named: bool = field(default=False, compare=False)

    @property
    def is_plain(self) -> bool:
        """Return whether it is a list of steps."""
        return not self.is_named and self == InOrder(steps=self.steps)


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """A step that is chosen with a probability in proportion to its `weight`."""

    step: Step
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Choose:
    """One of several steps, by weight."""

    choose: tuple[Alternative, ...] = field(
        metadata=key("Take one of several steps, by weight.", "{home: 1, product: 10}")
    )
    when: When | None = field(default=None, metadata=key(_WHEN, "hit"))

    @property
    def ratios(self) -> tuple[float, ...]:
        """Return the probability of each alternative."""
        total = sum(alternative.weight for alternative in self.choose)
        return tuple(alternative.weight / total for alternative in self.choose)


Step = Call | Pause | Parallel | InOrder | Choose
Group = Parallel | InOrder
