"""Whether the thresholds of a topology are about stages and operations that it has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from simulator.behaviour.notation import NotationError
from simulator.behaviour.thresholds import Threshold
from simulator.nearest import unknown_name
from simulator.quoting import quoted
from simulator.topology.places import Keys

# {stage: its operations, "" alone if it has only itself, or None if they are not known}
KnownOperations = Mapping[str, Collection[str] | None]


def subject_of(threshold: Threshold, known: KnownOperations) -> tuple[str, str]:
    """Return the stage and the operation that a threshold is about; "" for no particular one.

    Raise NotationError if there is no such stage or operation. A stage's own name, which may have dots, comes first.
    """
    subject = threshold.subject
    if not subject or subject in known:
        return subject, ""
    stage, _, operation = subject.rpartition(".")
    if stage in known:
        of_stage = known[stage]
        names = [name for name in of_stage or () if name]
        if of_stage is None or operation in names:
            return stage, operation
        raise _error(threshold, f"{stage} has no operation {quoted(operation)}", operation, names)
    raise _error(threshold, f"there is no stage {quoted(subject)}", subject, list(known))


def threshold_problems(thresholds: Sequence[Threshold], known: KnownOperations) -> Iterator[tuple[Keys, str]]:
    """Yield what is wrong with the subjects of thresholds, each with its place in the topology."""
    for index, threshold in enumerate(thresholds):
        try:
            subject_of(threshold, known)
        except NotationError as error:
            yield ("thresholds", index), str(error)


def _error(threshold: Threshold, message: str, name: str, names: Sequence[str]) -> NotationError:
    return NotationError(unknown_name(message, name, names), str(threshold), 0, len(threshold.subject))
