"""What was altered of the spans that are there: copies, names, services, parents, status and attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from simulator.proof.backends.findings import BackendCheck, BackendFinding, of_each, share, some
from simulator.proof.backends.held import HeldSpan
from simulator.proof.backends.judging.attributes import Bearer, judge_attributes
from simulator.proof.backends.matching import MatchedTrace, SpanPair


def judge_alterations(traces: Sequence[MatchedTrace], stages: Collection[str]) -> list[BackendCheck]:
    """Return the checks of the spans that are there."""
    pairs = [pair for trace in traces for pair in trace.pairs if pair.held is not None]
    return [
        _copies_check(traces, pairs, stages),
        _check("names", pairs, "name changed", _other_name),
        _check("service names", pairs, "service changed", _other_service),
        _check("parents", pairs, "parent changed", _other_parent),
        _check("status", pairs, "status changed", _other_status),
        _attribute_check(pairs),
    ]


def _copies_check(traces: Sequence[MatchedTrace], pairs: Sequence[SpanPair], stages: Collection[str]) -> BackendCheck:
    copies = [span for trace in traces for span in trace.copies]
    extra = [span for trace in traces for span in trace.extra if span.service in stages]
    findings: list[BackendFinding] = []
    if copies:
        findings.append(_surplus("spans doubled", "are there more than once, under the same id", copies))
    if extra:
        findings.append(_surplus("spans unknown", "are none of the run's, though in its traces", extra))
    return BackendCheck(name="copies", kept=f"each of {len(pairs):,} spans is there once", findings=tuple(findings))


def _surplus(name: str, meaning: str, spans: Sequence[HeldSpan]) -> BackendFinding:
    services = Counter(span.service or "no service" for span in spans)
    return BackendFinding(
        name=name,
        count=len(spans),
        meaning=f"{len(spans):,} spans {meaning}: {of_each(list(services.items()))}",
        examples=some(f"{span.trace_id}: {span.name}" for span in spans),
    )


def _check(
    name: str, pairs: Sequence[SpanPair], finding: str, differs: Callable[[SpanPair, HeldSpan], str]
) -> BackendCheck:
    found = [(pair, text) for pair in pairs if pair.held is not None and (text := differs(pair, pair.held))]
    findings: tuple[BackendFinding, ...] = ()
    if found:
        texts = Counter(text for _, text in found)
        findings = (
            BackendFinding(
                name=finding,
                count=len(found),
                total=len(pairs),
                meaning=f"{share(len(found), len(pairs))} spans: {of_each(list(texts.items()), limit=3)}",
                examples=some(f"{pair.visit.trace_id}: {text}" for pair, text in found),
            ),
        )
    return BackendCheck(name=name, kept=f"{len(pairs):,} spans", findings=findings)


def _other_name(pair: SpanPair, held: HeldSpan) -> str:
    expected = pair.expected.name
    return "" if not expected or held.name == expected else f"{expected} is {held.name!r:.60}"


def _other_service(pair: SpanPair, held: HeldSpan) -> str:
    expected = pair.expected.stage
    return "" if held.service == expected else f"{expected} is {held.service or 'without a name'}"


def _other_parent(pair: SpanPair, held: HeldSpan) -> str:
    return "" if pair.has_parent else f"{pair.expected.stage} {pair.expected.name or pair.expected.part}"


def _other_status(pair: SpanPair, held: HeldSpan) -> str:
    if held.is_error == pair.expected.is_error:
        return ""
    return f"{pair.expected.stage} {pair.expected.part} {'without its' if pair.expected.is_error else 'with an'} error"


def _attribute_check(pairs: Sequence[SpanPair]) -> BackendCheck:
    findings, compared = judge_attributes(_bearers(pairs), "span")
    return BackendCheck(name="attributes", kept=f"{compared:,} attributes", findings=tuple(findings))


def _bearers(pairs: Iterable[SpanPair]) -> Iterable[Bearer]:
    for pair in pairs:
        if pair.held is not None:
            yield Bearer(
                stage=pair.expected.stage,
                shown=f"{pair.visit.trace_id}: {pair.expected.stage} {pair.expected.name or pair.expected.part}",
                expected=pair.expected.attributes,
                held=pair.held.attributes,
            )
