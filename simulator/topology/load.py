"""The messages that an injector generates: when they are due, what is in them, or which users send them."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.behaviour.arrivals import Arrivals, ConstantArrivals, PoissonArrivals
from simulator.behaviour.distributions import NO_DELAY, Delay
from simulator.behaviour.profiles.base import Profile
from simulator.behaviour.schedules import Schedule, at_rate
from simulator.topology.keys import key
from simulator.topology.quantities import Attributes, Messages, PerSecond, PositiveCount, Text
from simulator.topology.steps import Step


@dataclass(frozen=True, kw_only=True)
class Load:
    """The messages that an injector generates.

    `rate_per_second` and `profile` of None mean a closed loop with `concurrency` messages in flight. `arrivals` of None
    means Poisson's, and those of a recording as they were. `messages` of None means no end. With `users` the model is
    closed too: each has one message at a time.
    """

    rate_per_second: PerSecond | None = field(
        default=None, metadata=key("Messages an injector creates.", "20/s", live=True, flag=True)
    )
    profile: Profile | None = field(
        default=None,
        metadata=key(
            "How the rate changes over time, in place of rate; a list has one profile after the other.",
            "ramp(10/s, 200/s, 5m)",
            live=True,
            flag=True,
            note="Several are separated by semicolons.",
        ),
    )
    arrivals: Arrivals | None = field(
        default=None,
        metadata=key(
            "How an injector's messages follow each other: poisson, constant, or in bursts(10); "
            "by default poisson, and those of a replay as they were.",
            "poisson",
            live=True,
            flag=True,
        ),
    )
    messages: Messages | None = field(
        default=None,
        metadata=key(
            "How many messages an injector creates before it stops; by default it never stops.", "1000", flag=True
        ),
    )
    users: PositiveCount | None = field(
        default=None,
        metadata=key(
            "Users who each wait for an answer and think before the next message, in place of rate.", "50", flag=True
        ),
    )
    think: Delay = field(
        default=NO_DELAY,
        metadata=key("How long a user thinks before each message.", "exponential(1s)", flag=True),
    )
    session: tuple[Step, ...] = field(
        default=(),
        metadata=key(
            "What a user does, a message for each step, over and over; by default each message makes the calls.",
            "[shop.browse, {to: cart.add, times: 2}, shop.pay]",
        ),
    )
    message: Attributes = field(
        default_factory=lambda: Attributes({}),
        metadata=key(
            "Fields of each message's body, beside its number, id and due time, drawn as attributes are.",
            "{customer: pick(10000), plan: {free: 90%, paid: 10%}}",
        ),
    )
    messages_from: Text | None = field(
        default=None,
        metadata=key("A JSON Lines file from which each message's body is drawn, at a rate.", "orders.jsonl"),
    )
    kinds: Attributes = field(
        default_factory=lambda: Attributes({}),
        metadata=key(
            "The key of those lines that says their kind, and how often each is drawn; by default all are alike.",
            "{type: {order: 90%, refund: 10%}}",
        ),
    )
    concurrency: PositiveCount = field(
        default=PositiveCount(16),
        metadata=key("Messages of an input in flight at a time, if no rate paces it.", "16", flag=True),
    )

    def __post_init__(self) -> None:
        if self.rate_per_second is not None and self.profile is not None:
            raise ValueError("rate and profile both say how many messages there are: leave out one of them")
        if self.users is not None and self.schedule is not None:
            raise ValueError("users send when they have an answer and thought: leave out rate and profile, or users")
        if self.arrivals == self._default_arrivals:
            # Loads that say the default are the same as those that leave it out, and are written like them.
            object.__setattr__(self, "arrivals", None)

    @property
    def schedule(self) -> Schedule | None:
        """Return when messages are due; None in a closed loop."""
        if self.profile is not None:
            return Schedule(arrivals=self.arriving, profile=self.profile)
        return None if self.rate_per_second is None else at_rate(self.rate_per_second, self.arriving)

    @property
    def arriving(self) -> Arrivals:
        """Return how messages follow each other, also if that is not said."""
        return self._default_arrivals if self.arrivals is None else self.arrivals

    @property
    def _default_arrivals(self) -> Arrivals:
        return ConstantArrivals() if self.profile is not None and self.profile.is_recorded else PoissonArrivals()

    @property
    def highest_rate_per_second(self) -> float:
        """Return the highest rate; 0 if it depends on the answers."""
        return self.rate_per_second or 0.0 if self.profile is None else self.profile.highest_rate_per_second
