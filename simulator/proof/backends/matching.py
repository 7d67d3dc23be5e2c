"""BackendFinding, in what a backend holds of a trace, each span that it must hold.

The truth has the id of the span of each visit. The ids of the other spans follow from their parents, which leaves a few
spans to choose from; what they are called and say decides, so that a span is found even if some of that was changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from simulator.proof.backends.expectation.records import ExpectedSpan, ExpectedTrace, ExpectedVisit, SpanPart
from simulator.proof.backends.held import SERVER, HeldSpan

_Places = dict[int, HeldSpan]
_SAME_CALL, _SAME_NAME = 100, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanPair:
    """A span that must be there, and the one that is; None if it is missing. `has_parent` is False for a wrong one."""

    visit: ExpectedVisit
    expected: ExpectedSpan
    held: HeldSpan | None
    has_parent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedTrace:
    """A trace: its spans in pairs, the copies of spans, and the spans that the truth does not have."""

    expected: ExpectedTrace
    pairs: tuple[SpanPair, ...]
    copies: tuple[HeldSpan, ...]
    extra: tuple[HeldSpan, ...]

    @property
    def is_missing(self) -> bool:
        """Return whether nothing of it is there."""
        return all(pair.held is None for pair in self.pairs)


def match_trace(expected: ExpectedTrace, held: Iterable[HeldSpan]) -> MatchedTrace:
    """Return the spans of a trace in pairs."""
    return _Matching(expected, held).run()


class _Matching:
    def __init__(self, expected: ExpectedTrace, held: Iterable[HeldSpan]) -> None:
        self._expected = expected
        self._free: dict[str, HeldSpan] = {}
        self._copies: list[HeldSpan] = []
        for span in held:
            if span.span_id in self._free:
                self._copies.append(span)
            else:
                self._free[span.span_id] = span
        self._children: defaultdict[str, list[HeldSpan]] = defaultdict(list)
        for span in self._free.values():
            self._children[span.parent_id].append(span)
        self._found: list[_Places] = []
        self._servers: dict[tuple[str, str], HeldSpan] = {}
        self._callers: Mapping[tuple[str, str], str] = {}

    def run(self) -> MatchedTrace:
        visits = self._expected.visits
        self._found = [self._own(visit) for visit in visits]
        for visit, found in zip(visits, self._found, strict=True):
            self._inner(visit, found)
        for visit, found in zip(visits, self._found, strict=True):
            self._elsewhere(visit, found)
        self._callers = self._attempts_of()
        pairs = tuple(
            pair for visit, found in zip(visits, self._found, strict=True) for pair in self._pairs(visit, found)
        )
        return MatchedTrace(
            expected=self._expected, pairs=pairs, copies=tuple(self._copies), extra=tuple(self._free.values())
        )

    def _own(self, visit: ExpectedVisit) -> _Places:
        """Take the span of a visit by its id, and that of the request if it was answered before."""
        found: _Places = {}
        own = self._free.pop(visit.spans[0].span_id, None) if visit.spans[0].span_id else None
        if own is None:
            return found
        found[0] = own
        server = own
        if len(visit.spans) > 1 and visit.spans[1].part is SpanPart.SERVER and own.parent_id in self._free:
            found[1] = server = self._free.pop(own.parent_id)
        if server.kind == SERVER:
            self._servers[visit.message_id, visit.visit] = server
        return found

    def _inner(self, visit: ExpectedVisit, found: _Places) -> None:
        """Take the other spans of a visit from the children of its span, and of those of its calls."""
        below_own = [place for place, span in enumerate(visit.spans) if span.parent_id and place not in found]
        self._take(visit, below_own, self._free_children(visit.span_id), found)
        calls = {span.within for span in visit.spans if span.within is not None}
        for call in calls & found.keys():
            below = [place for place, span in enumerate(visit.spans) if span.within == call]
            self._take(visit, below, self._free_children(found[call].span_id), found)

    def _free_children(self, span_id: str) -> list[HeldSpan]:
        return [span for span in self._children.get(span_id, ()) if span.span_id in self._free]

    def _take(self, visit: ExpectedVisit, places: list[int], candidates: list[HeldSpan], found: _Places) -> None:
        """Take the candidates that fit best, the best pairs first."""
        scores = [
            (score, place, index)
            for place in places
            for index, span in enumerate(candidates)
            if (score := self._score(visit, visit.spans[place], span)) > 0
        ]
        taken: set[int] = set()
        for _, place, index in sorted(scores, key=lambda entry: (-entry[0], entry[1], entry[2])):
            if place not in found and index not in taken:
                found[place] = self._free.pop(candidates[index].span_id)
                taken.add(index)

    def _score(self, visit: ExpectedVisit, expected: ExpectedSpan, held: HeldSpan) -> float:
        """Return how well a span fits; 0 for not at all."""
        if held.kind != expected.kind:
            return 0.0
        score = 1.0 + (_SAME_NAME if held.name == expected.name else 0)
        server = self._servers.get((visit.message_id, expected.calls)) if expected.calls else None
        if server is not None and server.parent_id == held.span_id:
            score += _SAME_CALL
        values = {value for value in held.attributes.values() if value.__hash__}
        score += sum(value in values for value in expected.attributes.values())
        if expected.start_unix_ns is not None:
            # Between spans that are alike, the nearest in time.
            score += 1 / (1 + abs(held.start_unix_ns - expected.start_unix_ns) / 1e6)
        return score

    def _elsewhere(self, visit: ExpectedVisit, found: _Places) -> None:
        """Take a span that has another parent, or another id, than it must have."""
        missing = [place for place in range(len(visit.spans)) if place not in found]
        for place in missing if self._free else ():
            expected = visit.spans[place]
            alike = [
                span
                for span in self._free.values()
                if (span.service, span.name, span.kind) == (expected.stage, expected.name, expected.kind)
            ]
            self._take(visit, [place], alike, found)

    def _pairs(self, visit: ExpectedVisit, found: _Places) -> Iterable[SpanPair]:
        for place, expected in enumerate(visit.spans):
            held = found.get(place)
            has_parent = held is None or self._has_parent(visit, expected, held, found)
            yield SpanPair(visit=visit, expected=expected, held=held, has_parent=has_parent)

    def _has_parent(self, visit: ExpectedVisit, expected: ExpectedSpan, held: HeldSpan, found: _Places) -> bool:
        if expected.part is SpanPart.INJECT:
            return not held.parent_id
        if expected.within is not None:
            call = found.get(expected.within)
            return call is None or held.parent_id == call.span_id
        if expected.parent_id:
            return held.parent_id == expected.parent_id
        if expected.part is SpanPart.SERVER:
            caller = self._callers.get((visit.message_id, visit.visit))
            return caller is None or held.parent_id == caller
        return True

    def _attempts_of(self) -> Mapping[tuple[str, str], str]:
        """Return the ids of the spans of the attempts that were found, by the visits that they caused."""
        return {
            (visit.message_id, visit.spans[place].calls): held.span_id
            for visit, found in zip(self._expected.visits, self._found, strict=True)
            for place, held in found.items()
            if visit.spans[place].calls
        }
