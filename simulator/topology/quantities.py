"""The types of plain values in a topology; `notations` says how the text of each is read and written."""

from __future__ import annotations

from typing import NewType

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
