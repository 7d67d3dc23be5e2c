"""What a system is, as frozen records.

A key in a file is the field's name without its unit (`timeout` is `timeout_seconds` here); the types below say how its
text is read. Nothing here depends on files, processes or addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from simulator.behaviour.breaker import BreakerRule
from simulator.behaviour.distributions import Constant, Delay
from simulator.behaviour.faults.base import Fault
from simulator.behaviour.limits import RateLimit
from simulator.behaviour.payloads import Size
from simulator.behaviour.retries import Retries
from simulator.behaviour.schedules import PoissonArrivals, Schedule
from simulator.topology.headers import Headers
from simulator.topology.objectives import LatencyObjective

Ratio = NewType("Ratio", float)
Instances = NewType("Instances", int)
PositiveSeconds = NewType("PositiveSeconds", float)
Seconds = NewType("Seconds", float)
PerSecond = NewType("PerSecond", float)
Bytes = NewType("Bytes", int)
Count = NewType("Count", int)
Messages = NewType("Messages", int)
Seed = NewType("Seed", int)
PositiveCount = NewType("PositiveCount", int)
Port = NewType("Port", int)
Path = NewType("Path", str)
Host = NewType("Host", str)
Name = NewType("Name", str)

NO_DELAY = Constant(0.0)
NO_RETRIES = Retries()
DEFAULT_ARRIVALS = PoissonArrivals()
DEFAULT_TIMEOUT = PositiveSeconds(30.0)
DEFAULT_PATH = Path("/messages")
DEFAULT_HOST = Host("127.0.0.1")
DEFAULT_MAX_BODY = Bytes(2**20)
# Practically unlimited for all but the heaviest loads, yet a bound on the memory that a stage takes.
DEFAULT_WORKERS = PositiveCount(1000)
DEFAULT_QUEUE = Count(1000)


class Role(StrEnum):
    """The position of a stage: first, in the middle or last."""

    INJECTOR = "injector"
    PROCESSOR = "processor"
    TERMINATOR = "terminator"


class OnBadLine(StrEnum):
    """What to do at a line of the input that is not JSON: stop there, or count it and skip it."""

    STOP = "stop"
    SKIP = "skip"


class Processes(StrEnum):
    """Whether a stage may share a process with others of its run, or has its own."""

    SHARED = "shared"
    APART = "apart"


class Forward(StrEnum):
    """When a stage answers: when the message is handled, or as soon as it is accepted."""

    WAIT = "wait"
    ACCEPT = "accept"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One edge: the stage that has it sends to the stage `to`.

    Each attempt waits at most `timeout_seconds` for its answer, all attempts and pauses together `deadline_seconds`;
    None means that only the caller's own deadline counts. The call is made with `probability_ratio`, and then `times`
    times in sequence. With `hedge_seconds` a second attempt starts when the first one has had no answer for this long.
    An `optional` call may fail; if a call with a `fallback` fails, the fallback is called in its place. The body is
    the message's own, or a generated one of `request_size`; `headers` are sent in addition to the stage's own.
    """

    to: Name
    timeout_seconds: PositiveSeconds = DEFAULT_TIMEOUT
    deadline_seconds: PositiveSeconds | None = None
    probability_ratio: Ratio = Ratio(1.0)
    times: PositiveCount = PositiveCount(1)
    retries: Retries = NO_RETRIES
    hedge_seconds: PositiveSeconds | None = None
    breaker: BreakerRule | None = None
    optional: bool = False
    fallback: Call | None = None
    request_size: Size | None = None
    headers: Headers | None = None


@dataclass(frozen=True, kw_only=True)
class Alternative(Call):
    """A call that is chosen with the probability `weight_ratio`."""

    weight_ratio: Ratio


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """Steps that are taken at the same time, up to `limit` of them; None means all."""

    parallel: tuple[Step, ...]
    limit: PositiveCount | None = None
    probability_ratio: Ratio = Ratio(1.0)


@dataclass(frozen=True, kw_only=True)
class Choose:
    """One of several calls; the weights add up to 1."""

    choose: tuple[Alternative, ...]


@dataclass(frozen=True, kw_only=True)
class InOrder:
    """Steps that are taken in sequence: a list within a parallel group."""

    steps: tuple[Step, ...]


Step = Call | Parallel | Choose | InOrder


@dataclass(frozen=True, kw_only=True)
class Slo:
    """A stage's objectives: a latency for a share of its requests, and the share of messages that may fail."""

    latency: LatencyObjective | None = None
    errors_ratio: Ratio | None = None


@dataclass(frozen=True, kw_only=True)
class Load:
    """The messages that an injector generates.

    `rate_per_second` of None means a closed loop with `concurrency` messages in flight, unless `arrivals` itself says
    when messages are due. `messages` of None means no end.
    """

    rate_per_second: PerSecond | None = None
    arrivals: Schedule = DEFAULT_ARRIVALS
    messages: Messages | None = None
    concurrency: PositiveCount = PositiveCount(16)

    def __post_init__(self) -> None:
        if self.rate_per_second is not None and not self.arrivals.needs_rate:
            raise ValueError(f"{self.arrivals.name} itself says when messages are due: leave out the rate")

    @property
    def schedule(self) -> Schedule | None:
        """Return when messages are due; None in a closed loop."""
        if self.rate_per_second is not None:
            return self.arrivals.at_rate(self.rate_per_second)
        return None if self.arrivals.needs_rate else self.arrivals


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One web service.

    `calls` of None means that the key is missing, an empty tuple that it is an empty list; calls are made in sequence.
    `workers` messages are processed concurrently in each of the `instances`, and `queue` more may wait. An
    autoscaler, if there is one, may go up to `max_instances`; `instances: 2..6` in a file sets both.
    `input` and `output` are JSON Lines files, `-` standard input. `drain_timeout_seconds` bounds how long the stage may
    take to finish what it has admitted when it stops; None means as long as a message can still take.
    """

    role: Role = Role.PROCESSOR
    host: Host | None = None
    port: Port | None = None
    path: Path = DEFAULT_PATH
    delay: Delay = NO_DELAY
    faults: tuple[Fault, ...] = ()
    workers: PositiveCount = DEFAULT_WORKERS
    queue: Count = DEFAULT_QUEUE
    rate_limit: RateLimit | None = None
    instances: Instances = Instances(1)
    max_instances: Instances | None = None
    processes: Processes = Processes.SHARED
    forward: Forward = Forward.WAIT
    response_size: Size | None = None
    max_body_bytes: Bytes = DEFAULT_MAX_BODY
    slo: Slo | None = None
    calls: tuple[Step, ...] | None = None
    load: Load | None = None
    input: str | None = None
    on_bad_line: OnBadLine = OnBadLine.STOP
    output: str | None = None
    drain_timeout_seconds: Seconds | None = None


@dataclass(frozen=True, kw_only=True)
class Topology:
    """A named set of stages and the calls between them. `seed` of None means that each run draws one.

    `drain_timeout_seconds` is the default of the stages' own, and the bound for a whole run.
    """

    name: Name
    seed: Seed | None = None
    drain_timeout_seconds: Seconds | None = None
    stages: dict[str, Stage] = field(default_factory=dict)
