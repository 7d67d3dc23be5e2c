"""Which traces and spans are missing, and what explains it: a service, a time, a sampler."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from simulator.proof.backends.findings import BackendCheck, BackendFinding, of_each, share, some
from simulator.proof.backends.judging.gaps import DOWN, Gap, Timed, find_gaps
from simulator.proof.backends.judging.sampling import judge_sampling
from simulator.proof.backends.matching import MatchedTrace, SpanPair
from simulator.proof.backends.sampling_rules import SamplingRules


@dataclass(frozen=True, kw_only=True)
class Absences:
    """What is missing by what explains it, each explained once."""

    gaps: tuple[Gap, ...]
    services: tuple[str, ...]


def judge_presence(traces: Sequence[MatchedTrace], rules: SamplingRules | None) -> list[BackendCheck]:
    """Return the checks that all traces are there, that they are whole, and that a sampler kept what it should."""
    absences = _absences(traces, rules)
    in_a_gap = _in_a_gap(absences)
    gone = [trace for trace in traces if trace.is_missing]
    lost = [trace for trace in gone if all(in_a_gap(pair) for pair in trace.pairs)]
    in_gaps = {id(trace) for trace in lost}
    checks = [_gap_check(traces, absences), _service_check(traces, absences)]
    if rules is not None:
        checks.append(judge_sampling([trace for trace in traces if id(trace) not in in_gaps], rules))
    else:
        missing = [trace for trace in gone if id(trace) not in in_gaps]
        checks.append(_traces_check(missing, traces, len(traces) - len(lost)))
    checks.append(_whole_check(traces, absences, in_a_gap))
    return checks


def _absences(traces: Sequence[MatchedTrace], rules: SamplingRules | None) -> Absences:
    timed: defaultdict[str, list[Timed]] = defaultdict(list)
    # Of a trace that is missing altogether, no single service is.
    seen: Counter[str] = Counter()
    for trace in traces:
        is_there = not trace.is_missing
        # What the rules of a sampler leave out is not spread evenly: the slow traces of a run come together.
        is_due = rules is None or not rules.shown_rules or rules.must_keep(trace.expected)
        for pair in trace.pairs:
            service = pair.expected.stage
            if is_due:
                timed[service].append(Timed(pair.visit.end_unix_ns, pair.held is not None, trace.expected.trace_id))
            if is_there:
                seen[service] += pair.held is not None
    services = tuple(service for service, count in seen.items() if not count)
    return Absences(gaps=tuple(find_gaps(timed)), services=services)


def _in_a_gap(absences: Absences) -> Callable[[SpanPair], bool]:
    return lambda pair: any(_is_in(pair, gap) for gap in absences.gaps)


def _is_in(pair: SpanPair, gap: Gap) -> bool:
    """Return whether a span is in a gap: those of a visit are sent as they end, or together when it has ended."""
    return gap.has(pair.expected.stage, pair.visit.start_unix_ns, pair.visit.end_unix_ns)


def _gap_check(traces: Sequence[MatchedTrace], absences: Absences) -> BackendCheck:
    findings = []
    for gap in absences.gaps:
        missing = [pair for trace in traces for pair in trace.pairs if pair.held is None and _is_in(pair, gap)]
        findings.append(
            BackendFinding(
                name="gap in time",
                count=len(missing),
                meaning=f"no span is there {gap.shown()}, of {', '.join(gap.services)}: {DOWN}",
                examples=some(pair.visit.trace_id for pair in missing),
            )
        )
    return BackendCheck(name="time", kept="no gap between the first span and the last", findings=tuple(findings))


def _service_check(traces: Sequence[MatchedTrace], absences: Absences) -> BackendCheck:
    counts = Counter(pair.expected.stage for trace in traces for pair in trace.pairs)
    findings = tuple(
        BackendFinding(
            name="service missing",
            count=counts[service],
            total=counts[service],
            meaning=f"no span of {service} is there, of {counts[service]:,}: the whole service was dropped",
        )
        for service in absences.services
    )
    return BackendCheck(name="services", kept=f"{len(counts)} of {len(counts)} have spans", findings=findings)


def _traces_check(missing: Sequence[MatchedTrace], traces: Sequence[MatchedTrace], total: int) -> BackendCheck:
    """`total` is the number of traces that no gap explains."""
    findings: tuple[BackendFinding, ...] = ()
    if missing:
        findings = (
            BackendFinding(
                name="traces missing",
                count=len(missing),
                total=total,
                meaning=f"{share(len(missing), total)} have no span there{_like_a_sampler(missing, traces)}",
                examples=some(trace.expected.trace_id for trace in missing),
            ),
        )
    return BackendCheck(
        name="traces",
        kept=f"{total:,} of {total:,} {'other ' if total < len(traces) else ''}traces are there",
        findings=findings,
    )


def _like_a_sampler(missing: Sequence[MatchedTrace], traces: Sequence[MatchedTrace]) -> str:
    """Return what sampler would do the same, if those that are there are whole."""
    kept = [trace for trace in traces if not trace.is_missing]
    if not kept or not missing or any(pair.held is None for trace in kept for pair in trace.pairs):
        return ""
    from simulator.proof.statistics.shares import share_interval  # noqa: PLC0415 - it imports scipy

    low, high = share_interval(len(kept), len(traces))
    text = (
        f"; the others are whole, as with a sampler that keeps {len(kept) / len(traces):.1%} of them "
        f"({low:.1%} to {high:.1%}): say --expect 'sampling: {len(kept) / len(traces):.0%}' if it is meant to"
    )
    if any(trace.expected.has_error for trace in kept) and not any(trace.expected.has_error for trace in missing):
        text += "; all with an error were kept"
    return text


def _whole_check(
    traces: Sequence[MatchedTrace], absences: Absences, in_a_gap: Callable[[SpanPair], bool]
) -> BackendCheck:
    there = [trace for trace in traces if not trace.is_missing]
    broken = [
        (trace, missing)
        for trace in there
        if (missing := [pair for pair in trace.pairs if _is_unexplained(pair, absences, in_a_gap)])
    ]
    spans = sum(pair.held is not None for trace in there for pair in trace.pairs)
    is_explained = any(pair.held is None for trace in there for pair in trace.pairs)
    findings: tuple[BackendFinding, ...] = ()
    if broken:
        kinds = Counter(f"{pair.expected.stage} {pair.expected.part}" for _, missing in broken for pair in missing)
        findings = (
            BackendFinding(
                name="traces incomplete",
                count=len(broken),
                total=len(there),
                meaning=f"{share(len(broken), len(there))} lack spans: {of_each(list(kinds.items()))}",
                examples=some(_described(trace, missing) for trace, missing in broken),
            ),
        )
    return BackendCheck(
        name="whole",
        kept=f"{spans:,} of {spans:,} {'other ' if is_explained else ''}spans of these traces are there",
        findings=findings,
    )


def _is_unexplained(pair: SpanPair, absences: Absences, in_a_gap: Callable[[SpanPair], bool]) -> bool:
    return pair.held is None and pair.expected.stage not in absences.services and not in_a_gap(pair)


def _described(trace: MatchedTrace, missing: Iterable[SpanPair]) -> str:
    names = [f"{pair.expected.stage} {pair.expected.name or pair.expected.part}" for pair in missing]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{trace.expected.trace_id}: {', '.join(names[:2])}{more}"
