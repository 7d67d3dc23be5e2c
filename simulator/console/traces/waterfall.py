"""The rows of a trace, one below the other, as a person reads them: the calls, their times, and what took the time.

What takes a stage's time (waiting for a worker, processing, its calls) has its own spans. They are folded into segments
of the stage's row, so that a trace of 4 stages has 4 rows and not 15. A row without a segment spent no time on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.console.traces.spans import CLIENT, CONSUMER, INTERNAL, SERVER, Span


class SegmentKind(StrEnum):
    """What a part of a row's time was spent on."""

    QUEUE = "queue"
    PROCESSING = "processing"
    DOWNSTREAM = "downstream"
    FAULT = "fault"


@dataclass(frozen=True)
class Segment:
    """A part of a row, and its span; ratios are of the whole trace, 0 to 1."""

    kind: SegmentKind
    start_ratio: float
    length_ratio: float
    span: Span


@dataclass(frozen=True)
class WaterfallRow:
    """A span with its row; `folded` are the spans shown within it. `depth` 0 is a root."""

    span: Span
    depth: int
    start_ratio: float
    length_ratio: float
    segments: tuple[Segment, ...]
    folded: tuple[Span, ...]


@dataclass(frozen=True)
class Waterfall:
    """A trace laid out, from its first start to its last end."""

    start_unix_ns: int
    duration_seconds: float
    rows: tuple[WaterfallRow, ...]


def waterfall(spans: Sequence[Span], every_span: bool = False) -> Waterfall:
    """Return the spans of a trace as rows, callers above the called, in the order of their starts.

    With `every_span` each span has its own row. A span whose parent is missing is a root, and so is the first of spans
    that are each other's parents.
    """
    if not spans:
        return Waterfall(0, 0.0, ())
    start = min(span.start_unix_ns for span in spans)
    end = max(max(span.start_unix_ns, span.end_unix_ns) for span in spans)
    tree = _Tree(spans)
    scale = _Scale(start, max(1, end - start))
    rows = tuple(_row(draft, scale) for draft in _drafts(tree, every_span))
    return Waterfall(start, (end - start) / 1e9, rows)


class _Tree:
    """Spans by their indexes, with each one's children in the order of their starts."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = spans
        first: dict[str, int] = {}
        for number, span in enumerate(spans):
            first.setdefault(span.span_id, number)
        self.parents = [first.get(span.parent_id) if span.parent_id else None for span in spans]
        self.in_order = sorted(range(len(spans)), key=lambda number: (spans[number].start_unix_ns, number))
        self.children: list[list[int]] = [[] for _ in spans]
        for number in self.in_order:
            parent = self.parents[number]
            if parent is not None:
                self.children[parent].append(number)

    def roots(self) -> list[int]:
        """Return where to begin: the spans without a parent here, then all others, because of cycles."""
        orphans = [number for number in self.in_order if self.parents[number] is None]
        return orphans + [number for number in self.in_order if self.parents[number] is not None]

    def inner_kind(self, number: int) -> SegmentKind | None:
        """Return which part of its parent's work an inner span is; None if it is not an inner span."""
        span, parent = self.spans[number], self.parents[number]
        if parent is None or self.spans[parent].service != span.service:
            return None
        if span.kind == CLIENT or self.is_call(number):
            return SegmentKind.DOWNSTREAM
        if span.kind != INTERNAL or self.children[number]:
            return None
        if span.name.startswith("fault."):
            return SegmentKind.FAULT
        return {"queue.wait": SegmentKind.QUEUE, "process": SegmentKind.PROCESSING}.get(span.name)

    def is_call(self, number: int) -> bool:
        """Return whether a span is the one around the attempts of a call."""
        span = self.spans[number]
        return span.kind == INTERNAL and span.name.startswith("call ") and "simulator.call.outcome" in span.attributes

    def folds(self, number: int) -> bool:
        """Return whether an inner span needs no row: its children have rows, or it is not a call."""
        children = self.children[number]
        if self.spans[number].kind == CLIENT:
            return any(self.spans[child].kind in (SERVER, CONSUMER) for child in children)
        return bool(children) or not self.is_call(number)


@dataclass
class _Draft:
    """A row that is still being filled."""

    span: Span
    depth: int
    segments: list[tuple[SegmentKind, Span]] = field(default_factory=list)
    folded: list[Span] = field(default_factory=list)


@dataclass(frozen=True)
class _SpanVisit:
    """A span to visit: the depth of its row, the row it may be folded into, and whether a call's span is folded."""

    number: int
    depth: int
    owner: _Draft | None
    is_in_call: bool


def _drafts(tree: _Tree, every_span: bool) -> list[_Draft]:
    """Return the rows, walking the tree without recursion, because a chain may have thousands of spans."""
    drafts: list[_Draft] = []
    seen: set[int] = set()
    for root in tree.roots():
        waiting = [_SpanVisit(root, 0, None, False)]
        while waiting:
            visit = waiting.pop()
            if visit.number not in seen:
                seen.add(visit.number)
                waiting += reversed(_visit(tree, visit, drafts, every_span))
    return drafts


def _visit(tree: _Tree, visit: _SpanVisit, drafts: list[_Draft], every_span: bool) -> list[_SpanVisit]:
    """Add a span as a row, or fold it into its owner's, and return the spans to visit next."""
    number, owner = visit.number, visit.owner
    span = tree.spans[number]
    kind = tree.inner_kind(number)
    folds = False
    if owner is not None and kind is not None:
        folds = tree.folds(number)
        if not visit.is_in_call:
            owner.segments.append((kind, span))
    if folds and owner is not None and not every_span:
        owner.folded.append(span)
        depth = visit.depth
    else:
        drafts.append(_Draft(span, visit.depth))
        depth = visit.depth + 1
    inside = owner if folds else drafts[-1]
    is_in_call = folds and tree.is_call(number)
    return [_SpanVisit(child, depth, inside, is_in_call) for child in tree.children[number]]


@dataclass(frozen=True)
class _Scale:
    """Times within a trace as ratios of its duration."""

    start_unix_ns: int
    duration_ns: int

    def place(self, span: Span) -> tuple[float, float]:
        """Return a span's start and length."""
        length_ns = max(0, span.end_unix_ns - span.start_unix_ns)
        return (span.start_unix_ns - self.start_unix_ns) / self.duration_ns, length_ns / self.duration_ns


def _row(draft: _Draft, scale: _Scale) -> WaterfallRow:
    in_order = sorted(draft.segments, key=lambda segment: segment[1].start_unix_ns)
    segments = tuple(Segment(kind, *scale.place(span), span) for kind, span in in_order)
    return WaterfallRow(draft.span, draft.depth, *scale.place(draft.span), segments, tuple(draft.folded))
