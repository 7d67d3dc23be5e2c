"""What the process of a stage is told beside the stage itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.topology.keys import key
from simulator.topology.quantities import Instances, Name, Seconds


@dataclass(frozen=True, kw_only=True)
class Process:
    """The keys of a process that are no keys of a topology file; `StageSettings` has their values."""

    name: Name = field(
        default=Name("stage"),
        metadata=key(
            "The stage's name: up to 63 letters, digits, dashes, underscores and dots.", "product_catalog", flag=True
        ),
    )
    downstream: Mapping[str, str] = field(
        default_factory=dict,
        metadata=key(
            "Where to send messages on: URL or name=URL, several separated by commas, called in order.",
            "price=http://127.0.0.1:8081/messages",
            flag=True,
        ),
    )
    instance: Instances = field(
        default=Instances(1),
        metadata=key("Which of the stage's instances this process is, from 1.", "2", flag=True),
    )
    log_level: str = field(default="info", metadata=key("debug, info, warning or error.", "warning", flag=True))
    # By default as long as Kubernetes and the like need to make known that an endpoint is gone.
    shutdown_delay_seconds: Seconds = field(
        default=Seconds(3.0),
        metadata=key(
            "How long a stage keeps accepting messages after SIGTERM, until its callers know of it.", "5s", flag=True
        ),
    )
