"""The series that the labels of a topology make: each value of each label with each value of the others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simulator.behaviour.attributes import Sequence
from simulator.nearest import unknown_name
from simulator.topology.decisions import Known, known_decisions
from simulator.topology.model import Role, Stage
from simulator.topology.places import Keys

MAX_SERIES = 100_000
# For each combination of values: the outcomes of simulator_messages_total, and the buckets, count and sum of one status
# in http_server_request_duration_seconds, which an injector does not have.
OUTCOME_SERIES, DURATION_SERIES = 7, 17


@dataclass(frozen=True, kw_only=True)
class LabelledSeries:
    """The series of a stage with labels: for each combination of values so many, in each of its instances.

    `values` has for each operation how many values each label has there.
    """

    values: Mapping[str, Mapping[str, int]]
    of_each: int
    instances: int

    @property
    def count(self) -> int:
        """Return how many series there are, at least: an answer with another status adds some."""
        return sum(math.prod(values.values()) for values in self.values.values()) * self.of_each * self.instances

    def __str__(self) -> str:
        """Return the factors and the number."""
        products = [
            " x ".join(f"{count:,} {name}" for name, count in values.items()) for values in self.values.values()
        ]
        combinations = products[0] if len(products) == 1 else f"({' + '.join(products)})"
        instances = f" x {self.instances} instances" if self.instances > 1 else ""
        return f"{combinations} x {self.of_each} series{instances} = {self.count:,}"


def labelled_series(stages: Mapping[str, Stage]) -> dict[str, LabelledSeries]:
    """Return what the labels of each stage make; stages without labels are left out."""
    if not any(stage.labels for stage in stages.values()):
        return {}
    known = known_decisions(stages)
    return {name: _series(name, stage, known) for name, stage in stages.items() if stage.labels}


def label_problems(stages: Mapping[str, Stage]) -> Iterator[tuple[Keys, str]]:
    """Yield each label that no message can have or that has no bound, and the stage with the most series of too many.

    The operations must form no cycle.
    """
    if not any(stage.labels for stage in stages.values()):
        return
    known = known_decisions(stages)
    found = [
        (("stages", name, "labels", index), message)
        for name, stage in stages.items()
        for index, label in enumerate(stage.labels)
        if (message := _objection(label, name, stage, known))
    ]
    yield from found
    if found:
        return
    made = labelled_series(stages)
    total = sum(series.count for series in made.values())
    if total >= MAX_SERIES:
        largest = max(made, key=lambda name: made[name].count)
        rest = "" if total == made[largest].count else f", {total:,} with those of the other stages"
        message = f"the labels make too many series: {made[largest]}{rest}; there must be fewer than {MAX_SERIES:,}"
        yield ("stages", largest, "labels"), message


def _objection(label: str, name: str, stage: Stage, known: Mapping[tuple[str, str], Known]) -> str:
    operations = stage.all_operations
    if any(isinstance(operation.attributes.get(label), Sequence) for operation in operations.values()):
        return f"{label!r} is a sequence, and each message would make series of its own: use pick(100)"
    names = [
        one for key, operation in operations.items() for one in (*operation.attributes, *known.get((name, key), {}))
    ]
    if label in names:
        return ""
    return unknown_name(f"no message has {label!r} here, as a decision or attribute", label, dict.fromkeys(names))


def _series(name: str, stage: Stage, known: Mapping[tuple[str, str], Known]) -> LabelledSeries:
    values = {
        key: {label: _count(label, stage, key, known.get((name, key), {})) for label in stage.labels}
        for key in stage.all_operations
    }
    of_each = OUTCOME_SERIES if stage.role is Role.INJECTOR else OUTCOME_SERIES + DURATION_SERIES
    return LabelledSeries(values=values, of_each=of_each, instances=stage.max_instances or stage.instances)


def _count(label: str, stage: Stage, operation: str, known: Known) -> int:
    """Return how many values a label has in an operation: 1, an empty one, if its messages do not have it."""
    attribute = stage.all_operations[operation].attributes.get(label)
    if attribute is not None:
        return 1 if isinstance(attribute, Sequence) else attribute.count or MAX_SERIES
    return max(1, sum(rule.count or MAX_SERIES for rule in known.get(label, ())))
