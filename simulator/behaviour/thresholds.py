"""Thresholds: what must hold for a whole run, or for each window of it: `p99 < 300ms`, `enrich errors < 1% over 10s`.

    [STAGE or STAGE.OPERATION] [MEASURE] [pNN, mean or max] OPERATOR BOUND [over WINDOW]

Without a stage it is about the whole, from end to end. Times have a percentile, `mean` or `max`; without a measure
it is the duration. This module is the notation; `judging` says what each measure counts.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from simulator import units
from simulator.behaviour.notation import NotationError
from simulator.nearest import unknown_name
from simulator.quoting import quoted

_MAX_CHARACTERS = 300
_WORD = re.compile(r"\S+")
_OPERATOR = re.compile(r"[<>=!]+")
_OVER = re.compile(r"\bover\b")
_PERCENTILE = re.compile(r"p(0|[1-9][0-9]?)(\.[0-9]{1,6})?")
_COUNT = re.compile(r"[0-9]{1,15}")
MIN_WINDOW_SECONDS = 0.1
_EXAMPLE = "write p99 < 300ms, errors < 1% or STAGE queue_wait p95 < 20ms"
OPERATORS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}
)


class Unit(StrEnum):
    """The unit of a measure, and of its bound."""

    SECONDS = "seconds"
    SHARE = "share"
    COUNT = "count"
    RATE = "per second"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What can be measured: of the whole, of a stage, or of both. A time has a percentile, `mean` or `max`."""

    unit: Unit
    of_whole: bool
    of_stage: bool


def _time(of_whole: bool = False, of_stage: bool = True) -> Measure:
    return Measure(unit=Unit.SECONDS, of_whole=of_whole, of_stage=of_stage)


DURATION, MISSED = "duration", "missed"
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        DURATION: _time(of_whole=True),
        "lag": _time(of_whole=True, of_stage=False),
        "queue_wait": _time(),
        "processing": _time(),
        "overhead": _time(),
        "accepted_work": _time(),
        "errors": Measure(unit=Unit.SHARE, of_whole=True, of_stage=True),
        "rejected": Measure(unit=Unit.SHARE, of_whole=False, of_stage=True),
        MISSED: Measure(unit=Unit.COUNT, of_whole=True, of_stage=False),
        "rate": Measure(unit=Unit.RATE, of_whole=True, of_stage=True),
    }
)
MEAN, MAX = "mean", "max"


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """One threshold; `subject` is a stage or an operation, `cart.read`, "" for the whole.

    `statistic` is `p99`, `mean` or `max`, "" if the measure is no time. `bound` is in the `unit`: seconds, a ratio, a
    number of messages, or messages per second. With `over_seconds` each window of that length must hold.
    """

    subject: str
    measure: str
    statistic: str
    operator: str
    bound: float
    unit: Unit
    over_seconds: float | None = None

    @property
    def quantile(self) -> float | None:
        """Return the percentile as a ratio; None for any other statistic."""
        return units.parse_ratio(f"{self.statistic[1:]}%") if _PERCENTILE.fullmatch(self.statistic) else None

    def holds(self, observed: float) -> bool:
        """Return whether a value is within the bound."""
        return OPERATORS[self.operator](observed, self.bound)

    @property
    def left_side(self) -> str:
        """Return what is measured, as the notation has it: `enrich queue_wait p95`."""
        named = self.measure != DURATION or self.subject in MEASURES
        return " ".join(filter(None, (self.subject, self.measure if named else "", self.statistic)))

    def __str__(self) -> str:
        """Return the threshold in the notation that `parse_threshold` reads."""
        over = "" if self.over_seconds is None else f" over {units.format_duration(self.over_seconds)}"
        return f"{self.left_side} {self.operator} {written(self.bound, self.unit)}{over}"


def written(value: float, unit: Unit) -> str:
    """Return a bound as the notation has it."""
    match unit:
        case Unit.SECONDS:
            return units.format_duration(value)
        case Unit.SHARE:
            return units.format_ratio(value)
        case Unit.RATE:
            return units.format_rate(value)
        case Unit.COUNT:
            return units.format_number(value)


def parse_threshold(text: object) -> Threshold:
    """Return the threshold in a text. Raise NotationError, a ValueError that points at the mistake, if it is none."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{quoted(text)} is not a threshold: {_EXAMPLE}")
    if len(text) > _MAX_CHARACTERS or not (text := text.replace("\t", " ")).isprintable():
        raise ValueError(f"{quoted(text)} must be one line of at most {_MAX_CHARACTERS} printable characters")
    compared = _OPERATOR.search(text)
    if compared is None:
        raise NotationError(f"a threshold needs one of {', '.join(OPERATORS)}: {_EXAMPLE}", text, len(text.rstrip()))
    if compared[0] not in OPERATORS:
        raise NotationError(
            f"the operator must be one of {', '.join(OPERATORS)}", text, compared.start(), compared.end()
        )
    words = [_Word(match[0], match.start(), match.end()) for match in _WORD.finditer(text[: compared.start()])]
    subject, measure, statistic = _left_side(words, text, compared.start())
    over = _OVER.search(text, compared.end())
    end = len(text) if over is None else over.start()
    bound, unit = _bound(text, compared.end(), end, measure)
    return Threshold(
        subject=subject,
        measure=measure,
        statistic=statistic,
        operator=compared[0],
        bound=bound,
        unit=unit,
        over_seconds=None if over is None else _window(text, over.end()),
    )


@dataclass(frozen=True)
class _Word:
    text: str
    start: int
    end: int

    def error(self, reason: str, whole: str) -> NotationError:
        return NotationError(reason, whole, self.start, self.end)


def _left_side(words: list[_Word], text: str, end: int) -> tuple[str, str, str]:
    """Return (subject, measure, statistic) of what stands before the operator."""
    if not words:
        raise NotationError(f"what is measured is missing: {_EXAMPLE}", text, end)
    *before, last = words
    if _is_statistic(last, text):
        statistic = last.text
        if before and before[-1].text in MEASURES:
            measure_word = before.pop()
            measure = _time_measure(measure_word, text)
        elif len(before) > 1:
            raise _unknown(before[-1], text, times=True)
        else:
            measure_word, measure = last, DURATION
    else:
        statistic, measure_word, measure = "", last, _plain_measure(last, text)
    if len(before) > 1:
        raise before[1].error(f"unexpected text before {measure_word.text}", text)
    subject = before[0].text if before else ""
    said = MEASURES[measure]
    if subject and not said.of_stage:
        raise measure_word.error(f"{measure} is of the whole: leave out {quoted(subject)}", text)
    if not subject and not said.of_whole:
        hint = f"STAGE {measure} {statistic}".rstrip()
        raise measure_word.error(f"{measure} is of a stage: write {hint}", text)
    return subject, measure, statistic


def _is_statistic(word: _Word, text: str) -> bool:
    if word.text in (MEAN, MAX):
        return True
    if not re.fullmatch(r"p[0-9].*", word.text):
        return False
    if not _PERCENTILE.fullmatch(word.text) or not float(word.text[1:]):
        raise word.error(f"{word.text} is not a percentile: it must be between p0 and p100, as in p50 or p99.9", text)
    return True


def _time_measure(word: _Word, text: str) -> str:
    if MEASURES[word.text].unit is not Unit.SECONDS:
        raise word.error(f"{word.text} is not a time, and has no percentile", text)
    return word.text


def _plain_measure(word: _Word, text: str) -> str:
    said = MEASURES.get(word.text)
    if said is None:
        raise _unknown(word, text)
    if said.unit is Unit.SECONDS:
        raise word.error(f"{word.text} is a time: add p50, p99 or another percentile, mean or max", text)
    return word.text


def _unknown(word: _Word, text: str, times: bool = False) -> NotationError:
    names = [name for name, said in MEASURES.items() if said.unit is Unit.SECONDS or not times]
    names += [] if times else ["p99", MEAN, MAX]
    return word.error(unknown_name(f"{quoted(word.text)} is not a measure", word.text, names), text)


def _bound(text: str, start: int, end: int, measure: str) -> tuple[float, Unit]:
    value = text[start:end]
    first = start + len(value) - len(value.lstrip())
    last = start + len(value.rstrip())
    if first >= last:
        raise NotationError("the bound is missing", text, start)
    unit = MEASURES[measure].unit
    if unit is Unit.COUNT and value.strip().endswith("%"):
        unit = Unit.SHARE
    try:
        return _READ[unit](value.strip()), unit
    except ValueError as error:
        raise NotationError(str(error), text, first, last) from None


def _window(text: str, start: int) -> float:
    value = text[start:]
    try:
        seconds = units.parse_duration(value.strip())
        if seconds < MIN_WINDOW_SECONDS:
            raise ValueError(f"{quoted(value.strip())} is too short for a window: must be at least 100ms")
    except ValueError as error:
        raise NotationError(str(error), text, start + len(value) - len(value.lstrip()), len(text)) from None
    return seconds


def _count(text: str) -> float:
    if not _COUNT.fullmatch(text):
        raise ValueError(f"{quoted(text)} is neither a number of messages nor a share: write 0 or 0.1%")
    return float(text)


_READ: Mapping[Unit, Callable[[str], float]] = MappingProxyType(
    {
        Unit.SECONDS: units.parse_duration,
        Unit.SHARE: units.parse_ratio,
        Unit.RATE: units.parse_rate,
        Unit.COUNT: _count,
    }
)
