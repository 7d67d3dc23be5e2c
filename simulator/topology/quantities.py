"""The types of plain values in a topology; `notations` says how the text of each is read and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NewType

from simulator.behaviour.attributes import Attribute
from simulator.behaviour.values import Value

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
Text = NewType("Text", str)
Url = NewType("Url", str)
DecisionName = NewType("DecisionName", str)
Attributes = NewType("Attributes", Mapping[str, Attribute])
# By name; a tuple has one for each instance.
ResourceAttributes = NewType("ResourceAttributes", Mapping[str, Value | tuple[Value, ...]])
Labels = NewType("Labels", tuple[str, ...])

# The least and the greatest of each kind of whole number.
WHOLE_NUMBERS = {
    Instances: (1, 100),
    Count: (0, 1_000_000),
    Messages: (0, 10**12),
    Seed: (0, 2**63 - 1),
    PositiveCount: (1, 100_000),
    Port: (0, 65535),
}
