"""What a system is, as frozen records.

A key in a file is the field's name without its unit (`timeout` is `timeout_seconds` here); the types say how its text
is read, and the metadata what it means. Nothing here depends on files, processes or addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.behaviour.conditions import When
from simulator.behaviour.distributions import NO_DELAY, Delay
from simulator.behaviour.faults.base import Fault
from simulator.behaviour.limits import RateLimit
from simulator.behaviour.payloads import Size
from simulator.behaviour.templates import Template
from simulator.behaviour.thresholds import Threshold
from simulator.behaviour.values import Rule
from simulator.behaviour.work import NO_WORK, Work
from simulator.topology.expectation import Expectation
from simulator.topology.keys import key
from simulator.topology.kinds import Kind
from simulator.topology.load import Load
from simulator.topology.objectives import Slo
from simulator.topology.quantities import (
    Attributes,
    Bytes,
    Count,
    Host,
    Instances,
    Labels,
    Name,
    Path,
    Port,
    PositiveCount,
    ResourceAttributes,
    Seconds,
    Seed,
    Text,
    Url,
)
from simulator.topology.steps import Step

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


class Method(StrEnum):
    """The HTTP method of an operation."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"

    @property
    def has_body(self) -> bool:
        """Return whether its requests have a body: that of DELETE has no defined meaning, and is not sent."""
        return self in (Method.POST, Method.PUT, Method.PATCH)


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


class LogLevel(StrEnum):
    """The level of a line of the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line that a service itself logs for each message, when the delay is over; with `when` only for some."""

    message: Template = field(
        metadata=key(
            "The text, whose {fields} are decisions, attributes, message_id and operation.", '"{tenant} has {items}"'
        )
    )
    level: LogLevel = field(default=LogLevel.INFO, metadata=key("The level: debug, info, warning or error.", "warning"))
    when: When | None = field(default=None, metadata=key("The decisions of the messages that it is for.", "not hit"))


class Answering(StrEnum):
    """Whose answer a client gets: the stage's own, or that of the stage or service that it calls."""

    OWN = "own"
    DOWNSTREAM = "downstream"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a service does with the requests of one `method` to one `path`, a template such as /carts/{id}.

    `calls` are made in sequence; without any the service answers by itself. `decide` has the decisions that are drawn
    here for each message, by name, and travel with it.
    """

    method: Method = field(default=Method.POST, metadata=key("The HTTP method.", "GET"))
    path: Path = field(
        default=DEFAULT_PATH, metadata=key("The path, whose {names} stand for a segment.", "/carts/{id}", flag=True)
    )
    delay: Delay = field(
        default=NO_DELAY,
        metadata=key("The simulated processing time.", "lognormal(p50=12ms, p99=80ms)", live=True, flag=True),
    )
    work: Work = field(
        default=NO_WORK,
        metadata=key(
            "What each message uses: CPU time, which is part of the delay as far as it fits, and memory.",
            '["cpu(20ms)", "memory(50MB)"]',
        ),
    )
    faults: tuple[Fault, ...] = field(
        default=(),
        metadata=key(
            "The faults to inject.",
            '["error(503, 5%)"]',
            live=True,
            flag=True,
            note="Several are separated by semicolons.",
        ),
    )
    forward: Forward = field(
        default=Forward.WAIT,
        metadata=key(
            "When to answer: wait (when all is done) or accept (202, as soon as the message is in the queue).",
            "accept",
            live=True,
            flag=True,
        ),
    )
    answer: Answering = field(
        default=Answering.OWN,
        metadata=key(
            "downstream: the client gets the answer of the only call, unchanged, and a service at a URL its request.",
            "downstream",
        ),
    )
    response_size: Size | None = field(
        default=None, metadata=key("The size of the answer; by default a short receipt.", "10KB", live=True, flag=True)
    )
    slo: Slo | None = field(
        default=None, metadata=key("The objectives, from which alerts are made.", "{latency: 300ms@99%, errors: 0.1%}")
    )
    decide: Mapping[str, Rule] = field(
        default_factory=dict,
        metadata=key(
            "Decisions drawn here for each message, which travel with it.", "{hit: 90%, items: uniform(1, 8)}"
        ),
    )
    attributes: Attributes = field(
        default_factory=lambda: Attributes({}),
        metadata=key(
            "Attributes of each message, on the span and in the log.",
            "{app.user: pick(10000), app.plan: {free: 90%, paid: 10%}}",
        ),
    )
    log: tuple[LogLine, ...] = field(
        default=(),
        metadata=key("Lines that the service itself logs.", '[{level: info, message: "cart {tenant} has {items}"}]'),
    )
    span: Text | None = field(
        default=None,
        metadata=key("The name of its spans; by default the method and the path.", "shop.CartService/GetCart"),
    )
    calls: tuple[Step, ...] = field(
        default=(), metadata=key("The steps to take after the delay; without any the stage answers.", "[db]", live=True)
    )

    @property
    def route(self) -> str:
        """Return the path of its requests, with {names}, for signals."""
        return self.path


@dataclass(frozen=True, kw_only=True)
class Stage(Operation):
    """One web service, which is the only operation it has, or has several `operations` with what it says as defaults.

    `workers` messages are processed concurrently in each of the `instances`, and `queue` more may wait. An
    autoscaler, if there is one, may go up to `max_instances`; `instances: 2..6` in a file sets both.
    `input` and `output` are JSON Lines files, `-` standard input. `drain_timeout_seconds` bounds how long the stage may
    take to finish what it has admitted when it stops; None means as long as a message can still take.
    """

    role: Role = field(
        default=Role.PROCESSOR,
        metadata=key(
            "injector (first), processor (in the middle) or terminator (last).",
            "terminator",
            flag=True,
            note="By default as the other keys imply.",
        ),
    )
    kind: Kind = field(
        default=Kind.SERVICE,
        metadata=key(
            "service, or what its callers see as a database, a cache or an external service, without spans of its own.",
            "database",
        ),
    )
    system: Text | None = field(
        default=None, metadata=key("The product that a database or cache is, as in db.system.name.", "postgresql")
    )
    namespace: Text | None = field(
        default=None, metadata=key("The name of the database in that product, as in db.namespace.", "orders")
    )
    url: Url | None = field(
        default=None,
        metadata=key(
            "Where a real external service is, which a run calls and does not start; virtual time models it.",
            "http://127.0.0.1:9000",
        ),
    )
    server_span: bool | None = field(
        default=None,
        metadata=key("Whether it has spans of its own; by default a service does, and other kinds do not.", "true"),
    )
    host: Host | None = field(
        default=None, metadata=key("The address to listen on; 0.0.0.0 lets other machines in.", "127.0.0.1", flag=True)
    )
    port: Port | None = field(default=None, metadata=key("The port to listen on.", "8081", flag=True))
    workers: PositiveCount = field(
        default=DEFAULT_WORKERS, metadata=key("Messages processed concurrently; more wait.", "8", live=True, flag=True)
    )
    queue: Count = field(
        default=DEFAULT_QUEUE,
        metadata=key(
            "Messages that may wait for a worker; beyond that the answer is 503 with Retry-After.",
            "64",
            live=True,
            flag=True,
        ),
    )
    rate_limit: RateLimit | None = field(
        default=None,
        metadata=key(
            "Messages taken per second; beyond that the answer is 429 with Retry-After.", "50/s", live=True, flag=True
        ),
    )
    instances: Instances = field(default=Instances(1), metadata=key("How many processes it has.", "2..6"))
    max_instances: Instances | None = field(
        default=None, metadata=key("How many processes an autoscaler may start.", "6")
    )
    processes: Processes = field(
        default=Processes.SHARED, metadata=key("apart: it never shares a process with other stages.", "apart")
    )
    max_body_bytes: Bytes = field(default=DEFAULT_MAX_BODY, metadata=key("The largest body taken.", "1MiB", flag=True))
    load: Load | None = field(
        default=None, metadata=key("The messages that an injector creates.", "{rate: 20/s}", live=True)
    )
    input: str | None = field(
        default=None,
        metadata=key(
            "A JSON Lines file whose lines an injector sends; - is standard input.", "messages.jsonl", flag=True
        ),
    )
    on_bad_line: OnBadLine = field(
        default=OnBadLine.STOP,
        metadata=key("What a line of the input that is not JSON does: stop, or skip.", "skip", flag=True),
    )
    output: str | None = field(
        default=None,
        metadata=key("A JSON Lines file to which a terminator appends what it gets.", "out.jsonl", flag=True),
    )
    drain_timeout_seconds: Seconds | None = field(
        default=None,
        metadata=key(
            "How long a stopping stage may take to finish what it has admitted; by default as long as needed.",
            "30s",
            flag=True,
        ),
    )
    resource: ResourceAttributes = field(
        default_factory=lambda: ResourceAttributes({}),
        metadata=key(
            "Attributes of the service itself; a list has one for each instance.",
            "{service.version: [v1, v2], cloud.region: eu}",
        ),
    )
    labels: Labels = field(
        default=Labels(()),
        metadata=key("Decisions and attributes that are labels of its metrics of messages and requests.", "[tenant]"),
    )
    baggage: bool = field(
        default=False, metadata=key("Whether the decisions drawn here also travel in W3C baggage.", "true")
    )
    operations: Mapping[str, Operation] = field(
        default_factory=dict,
        metadata=key("What the service does, by name.", "{read: {method: GET, path: '/carts/{id}'}}", live=True),
    )

    @property
    def takes_any_path(self) -> bool:
        """Return whether it takes any method and each path below its own, as a proxy does."""
        return not self.operations and self.answer is Answering.DOWNSTREAM

    @property
    def base(self) -> str:
        """Return the path below which it takes any path, if it does: "" for all."""
        return "" if self.path in (DEFAULT_PATH, "/") else self.path

    @property
    def route(self) -> str:
        """Return the path of its requests, with {names} and the like, for signals."""
        return f"{self.base}/*" if self.takes_any_path else self.path

    @property
    def has_server_span(self) -> bool:
        """Return whether it makes a span of each request."""
        return self.kind is Kind.SERVICE if self.server_span is None else self.server_span

    @property
    def all_operations(self) -> Mapping[str, Operation]:
        """Return its operations by name: itself under "" if it has no others."""
        return self.operations or {"": self}

    @property
    def has_calls(self) -> bool:
        """Return whether any of its operations calls a stage."""
        return any(operation.calls for operation in self.all_operations.values())


@dataclass(frozen=True, kw_only=True)
class Topology:
    """A named set of stages and the calls between them. `seed` of None means that each run draws one.

    `drain_timeout_seconds` is the default of the stages' own, and the bound for a whole run.
    """

    name: Name = field(metadata=key("The name of the system.", "orders"))
    seed: Seed | None = field(
        default=None,
        metadata=key("The seed for every random draw; by default one is drawn and logged.", "7", flag=True),
    )
    drain_timeout_seconds: Seconds | None = field(
        default=None, metadata=key("How long a stopping run may take to finish what it has admitted.", "30s")
    )
    thresholds: tuple[Threshold, ...] = field(
        default=(),
        metadata=key(
            "What must hold for a run, which else ends with exit code 1.",
            '["p99 < 300ms", "errors < 1%", "enrich queue_wait p95 < 20ms over 10s"]',
        ),
    )
    expect: Expectation | None = field(
        default=None,
        metadata=key(
            "What a sampler on the way to a backend keeps, which verify compares with what the backend holds.",
            "{sampling: 10%, keep: [errors, slower than 1s]}",
        ),
    )
    stages: dict[str, Stage] = field(default_factory=dict)

    @property
    def started(self) -> Mapping[str, Stage]:
        """Return the stages that a run starts: all but the external services at a URL."""
        return {name: stage for name, stage in self.stages.items() if stage.url is None}
