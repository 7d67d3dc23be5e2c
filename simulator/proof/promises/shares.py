"""Shares: faults, steps that are taken with a probability, choices, and decisions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.behaviour.outcomes import outcomes
from simulator.behaviour.times import MAX_TIMES
from simulator.behaviour.values import Rule
from simulator.behaviour.weights import chosen
from simulator.proof.promises.draws import Draws, step_at, without_times
from simulator.proof.promises.evidence import Evidence, subject_of
from simulator.proof.promises.finding import Finding
from simulator.proof.statistics.power import share_shown
from simulator.proof.statistics.shares import choices_p_value, share_p_value
from simulator.topology.model import Operation
from simulator.topology.steps import Call, Choose, InOrder, Parallel
from simulator.units import format_ratio

AS_DRAWN, SHARES = "choices as drawn", "shares"
_MAX_OPTIONS = 30
_CHOICES = """
    SELECT v.operation, c.kind, c.position, c.message_id, c.visit, c.chosen
    FROM choices c JOIN visits v USING (stage, message_id, visit)
    WHERE c.stage = ? ORDER BY ALL
"""
_DECISIONS = """
    SELECT message_id, visit, decisions::VARCHAR AS decisions FROM visits
    WHERE stage = ? AND operation = ? ORDER BY received_at, visit
"""


@dataclass(frozen=True, kw_only=True)
class Choosing:
    """How something is chosen: `due(position, message_id, visit)` returns what its seed says.

    `what` is how a topology has it, `ratios` how often each value is chosen; None for too many to count each.
    """

    what: str
    due: Callable[[str, str, str], int]
    ratios: Mapping[int, float] | None


def judge_shares(evidence: Evidence, alpha: float) -> Iterator[Finding]:
    """Yield the findings of each fault, step and decision."""
    for stage in sorted(evidence.started):
        yield from _choices(evidence, stage, alpha)
    for stage, operation, made in evidence.operations():
        if made.decide:
            yield from _decisions(evidence, stage, operation, made, alpha)


def _choices(evidence: Evidence, stage: str, alpha: float) -> Iterator[Finding]:
    groups: dict[tuple[str, str, str], list[tuple[str, str, str, int]]] = {}
    for operation, kind, position, *rest in evidence.truth.rows(_CHOICES, [stage]):
        groups.setdefault((operation, kind, without_times(position)), []).append((position, *rest))
    model, draws = evidence.topology.stages[stage], evidence.draws(stage)
    for (operation, kind, place), rows in groups.items():
        subject = f"{subject_of(stage, operation)}: {kind} {place}"
        choosing = choosing_of(model.all_operations[operation], kind, place, draws)
        if stage in evidence.changed or choosing is None:
            finding = Finding(promise=AS_DRAWN, subject=subject)
            yield finding.not_judged("the stage was changed while it ran")
            continue
        yield from _one_choice(subject, choosing, rows, alpha)


def choosing_of(operation: Operation, kind: str, place: str, draws: Draws) -> Choosing | None:
    """Return how something at a place of an operation is chosen; None if there is nothing of that kind."""

    def u(position: str, message_id: str, visit: str) -> float:
        return draws.u(message_id, visit, position if kind == "fault" else f"{kind} {position}")

    if kind == "fault":
        faults = operation.faults[int(place.split()[1]) :][:1]
        return _yes_or_no(str(faults[0]), faults[0].rate_ratio, u) if faults else None
    if kind == "pick":
        return _picking(operation, place, draws)
    match step_at(operation, place):
        case Choose() as step:
            weights = [alternative.weight for alternative in step.choose]
            what = ", ".join(format_ratio(ratio) if ratio else "0%" for ratio in step.ratios)
            return Choosing(what=what, due=lambda *of: chosen(weights, u(*of)), ratios=dict(enumerate(step.ratios)))
        case Call() | Parallel() | InOrder() as step if kind == "probability":
            return _yes_or_no(f"probability {format_ratio(step.probability_ratio)}", step.probability_ratio, u)
        case Call() | Parallel() | InOrder() as step if step.times.rule is not None:
            times, ratios = step.times, _ratios_of(step.times.rule, lambda value: max(0, min(MAX_TIMES, int(value))))
            return Choosing(what=f"times {times}", due=lambda *of: times.of(lambda: u(*of), {}), ratios=ratios)
        case _:
            return None


def _yes_or_no(what: str, ratio: float, u: Callable[[str, str, str], float]) -> Choosing:
    return Choosing(what=what, due=lambda *of: int(u(*of) < ratio), ratios={1: ratio, 0: 1 - ratio})


def _picking(operation: Operation, place: str, draws: Draws) -> Choosing | None:
    """Return how one of a group's steps is picked: it is one of the `pick` with the lowest draws."""
    group = step_at(operation, place.rpartition(".parallel.")[0])
    if not isinstance(group, Parallel) or group.pick is None:
        return None
    count, pick = len(group.parallel), group.pick

    def due(position: str, message_id: str, visit: str) -> int:
        at, _, index = position.rpartition(".parallel.")
        lots = [draws.u(message_id, visit, f"pick {at} {each}") for each in range(count)]
        return int(sum(lot < lots[int(index)] for lot in lots) < pick)

    ratio = pick / count
    return Choosing(what=f"pick {pick} of {count}", due=due, ratios={1: ratio, 0: 1 - ratio})


def _one_choice(
    subject: str, choosing: Choosing, rows: Sequence[tuple[str, str, str, int]], alpha: float
) -> Iterator[Finding]:
    wrong, example = 0, ""
    for position, message_id, visit, found in rows:
        due = choosing.due(position, message_id, visit)
        if due != found:
            wrong += 1
            example = example or f"message {message_id} got {found}, its seed says {due}"
    values = [row[3] for row in rows]
    common = Finding(
        promise=AS_DRAWN,
        subject=subject,
        configured=choosing.what,
        observed=_counted(values),
        test="every choice made again from the seed",
        checked=len(rows),
    )
    yield common.exact(wrong, example)
    yield from _share(subject, choosing.what, choosing.ratios, values, alpha)


def _share(
    subject: str, what: str, ratios: Mapping[Any, float] | None, values: Sequence[Any], alpha: float
) -> Iterator[Finding]:
    if ratios is None or len(ratios) > _MAX_OPTIONS:
        return
    counts = [values.count(option) for option in ratios]
    is_share = set(ratios) == {0, 1}
    ratio = list(ratios.values())
    hits = counts[list(ratios).index(1)] if is_share else 0
    yield Finding(
        promise=SHARES,
        subject=subject,
        configured=what,
        injected=", ".join(f"{count:,}" for count in counts),
        observed=f"{hits / len(values):.3%} of {len(values):,}" if is_share else _counted(values),
        test="exact binomial" if is_share else "exact binomial of each option",
        p_value=share_p_value(hits, len(values), ratios[1]) if is_share else choices_p_value(counts, ratio),
        checked=len(values),
        shows=_shown_by(ratios[1], len(values), alpha) if is_share else "",
    )


def _decisions(evidence: Evidence, stage: str, operation: str, made: Operation, alpha: float) -> Iterator[Finding]:
    draws, rows = evidence.draws(stage), evidence.truth.rows(_DECISIONS, [stage, operation])
    parsed = [(message_id, visit, json.loads(text)) for message_id, visit, text in rows]
    for name, rule in made.decide.items():
        subject = f"{subject_of(stage, operation)}: decision {name}"
        wrong, example = 0, ""
        for message_id, visit, decisions in parsed:
            due = rule.value(draws.u(message_id, visit, f"decide {name}"))
            if decisions.get(name) != due:
                wrong += 1
                example = example or f"message {message_id} has {decisions.get(name)!r}, its seed says {due!r}"
        values = [decisions.get(name) for _, _, decisions in parsed]
        yield Finding(
            promise=AS_DRAWN,
            subject=subject,
            configured=str(rule.plain()),
            observed=_counted(values),
            test="every decision made again from the seed",
            checked=len(values),
        ).exact(wrong, example)
        if values:
            ratios = _ratios_of(rule, lambda value: value)
            yield from _share(subject, str(rule.plain()), ratios, values, alpha)


def _ratios_of(rule: Rule, value_of: Callable[[Any], Any]) -> dict[Any, float] | None:
    """Return how often each value of a rule is drawn; None if there are too many to count each."""
    if rule.count is None or rule.count > _MAX_OPTIONS:
        return None
    ratios: dict[Any, float] = {}
    for value, ratio in outcomes(rule):
        found = value_of(value)
        ratios[found] = ratios.get(found, 0.0) + ratio
    return ratios


def _shown_by(ratio: float, draws: int, alpha: float) -> str:
    return "a single exception" if ratio in (0, 1) else f"a share of {share_shown(ratio, draws, alpha):.3%}"


def _counted(values: Sequence[Any]) -> str:
    found: dict[Any, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    most = sorted(found.items(), key=lambda item: -item[1])[:4]
    return ", ".join(f"{value}: {count:,}" for value, count in most) + (", ..." if len(found) > len(most) else "")
