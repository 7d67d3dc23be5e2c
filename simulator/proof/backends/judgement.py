"""Reading backends and judging what they hold by the truth of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.proof.backends.expectation.counts import expected_counts, series_names
from simulator.proof.backends.expectation.log_lines import expected_lines
from simulator.proof.backends.expectation.records import ExpectedCount, ExpectedLine, ExpectedTrace
from simulator.proof.backends.expectation.tables import read_rows
from simulator.proof.backends.expectation.traces import clock_offsets, expected_traces
from simulator.proof.backends.findings import BackendCheck, BackendFinding, BackendVerdict
from simulator.proof.backends.held import BackendError, Held, HeldSpan
from simulator.proof.backends.judging.alterations import judge_alterations
from simulator.proof.backends.judging.clocks import judge_clocks
from simulator.proof.backends.judging.counts import judge_counts, sample_remarks
from simulator.proof.backends.judging.lines import judge_lines
from simulator.proof.backends.judging.presence import judge_presence
from simulator.proof.backends.matching import match_trace
from simulator.proof.backends.own_losses import own_losses
from simulator.proof.backends.readers.fetching import TIMEOUT_SECONDS, BackendClient
from simulator.proof.backends.readers.jaeger import RunSought, read_jaeger
from simulator.proof.backends.readers.log_file import read_log_files
from simulator.proof.backends.readers.otlp_file import read_otlp_files
from simulator.proof.backends.readers.prometheus import read_prometheus
from simulator.proof.backends.sampling_rules import SamplingRules, sampling_rules
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.record import OUTSIDE
from simulator.topology.expectation import Expectation

if TYPE_CHECKING:
    from simulator.proof.truth.reading import Truth


@dataclass(frozen=True, kw_only=True)
class Backends:
    """The backends to judge, None for those that are not asked for, and what a sampler before them keeps.

    `expected` of None means what the topology expects.
    """

    jaeger: str | None = None
    prometheus: str | None = None
    otlp_file: Path | None = None
    logs: Path | None = None
    expected: Expectation | None = None
    timeout_seconds: float = TIMEOUT_SECONDS

    @property
    def are_given(self) -> bool:
        """Return whether there is any."""
        return any(one is not None for one in (self.jaeger, self.prometheus, self.otlp_file, self.logs))


class BackendJudge:
    """Judge backends by the truth of one run."""

    def __init__(self, truth: Truth) -> None:
        self._rows = read_rows(truth)
        self._own_losses = own_losses(truth.files.report)
        self._is_complete = truth.is_complete
        manifest = truth.manifest
        self._start = manifest.started_unix_seconds
        ends = [row["received_unix_ns"] / 1e9 + row["duration_seconds"] for row in self._rows.visits]
        self._last = max(ends, default=self._start)
        self._end = max(manifest.ended_unix_seconds or 0.0, self._last)
        self._stages = tuple(self._rows.topology.started)

    def verdicts(self, backends: Backends) -> list[BackendVerdict]:
        """Return the verdict on each backend. Raise BackendError if one can't be read."""
        expected = self._rows.topology.expect if backends.expected is None else backends.expected
        rules = sampling_rules(expected)
        return [self._verdict(held, rules) for held in self._read(backends)]

    def _read(self, backends: Backends) -> Iterable[Held]:
        if backends.jaeger is not None:
            with _client(backends.jaeger, backends) as client:
                yield read_jaeger(client, self._sought())
        if backends.prometheus is not None:
            with _client(backends.prometheus, backends) as client:
                yield read_prometheus(client, series_names(), self._stages, self._start, self._end)
        if backends.otlp_file is not None:
            yield read_otlp_files(backends.otlp_file)
        if backends.logs is not None:
            yield read_log_files(backends.logs)

    def _sought(self) -> RunSought:
        return RunSought(
            trace_ids=tuple(self._traces),
            entries=tuple(dict.fromkeys(row["stage"] for row in self._rows.visits if row["caller"] == OUTSIDE)),
            start_unix_seconds=self._start,
            end_unix_seconds=self._end,
        )

    def _verdict(self, held: Held, rules: SamplingRules | None) -> BackendVerdict:
        checks: list[BackendCheck] = []
        remarks = [f"{count:,} {what} of other runs are left out" for what, count in held.others.items() if count]
        if Signal.TRACES in held.signals:
            if not self._traces:
                raise BackendError(f"{held.name}: the run has no sampled trace, so there is nothing to compare")
            found, remark = self._spans(held.spans, rules)
            checks += found
            remarks += remark
        if Signal.METRICS in held.signals:
            checks.append(judge_counts(self._counts, held.counts, self._last))
            remarks += sample_remarks(held.counts)
        if Signal.LOGS in held.signals:
            checks += judge_lines(self._lines, held.lines, self._messages)
            others = sum(bool(line.message_id) and line.message_id not in self._messages for line in held.lines)
            remarks += [f"{others:,} lines of other runs are left out"] if others else []
        if not self._is_complete:
            checks = [_without_surplus(check) for check in checks]
            remarks.append("the truth of the run is incomplete: what a backend has beyond it is no finding")
        if not all(check.is_kept for check in checks):
            remarks += [remark for signal, remark in self._own_losses.items() if signal in held.signals]
        return BackendVerdict(backend=held.name, checks=(*_readable(held), *checks), remarks=tuple(remarks))

    def _spans(self, spans: Sequence[HeldSpan], rules: SamplingRules | None) -> tuple[list[BackendCheck], list[str]]:
        by_trace: dict[str, list[HeldSpan]] = {}
        for span in spans:
            by_trace.setdefault(span.trace_id, []).append(span)
        others = by_trace.keys() - self._traces.keys()
        matched = [match_trace(trace, by_trace.get(trace_id, ())) for trace_id, trace in self._traces.items()]
        pairs = [pair for trace in matched for pair in trace.pairs]
        checks = judge_presence(matched, rules)
        checks += judge_alterations(matched, self._stages)
        checks.append(judge_clocks(pairs, self._offsets))
        foreign = sum(span.service not in self._stages for trace in matched for span in trace.extra)
        remarks = [f"{len(others):,} traces of other runs are left out"] if others else []
        remarks += [f"{foreign:,} spans of services that are no stages are left out"] if foreign else []
        return checks, remarks

    @cached_property
    def _traces(self) -> Mapping[str, ExpectedTrace]:
        return expected_traces(self._rows)

    @cached_property
    def _offsets(self) -> Mapping[str, float]:
        return clock_offsets(self._rows)

    @cached_property
    def _counts(self) -> list[ExpectedCount]:
        return expected_counts(self._rows)

    @cached_property
    def _lines(self) -> list[ExpectedLine]:
        return list(expected_lines(self._rows))

    @cached_property
    def _messages(self) -> frozenset[str]:
        return frozenset(row["message_id"] for row in self._rows.visits)


def settled(
    judge: Callable[[], list[BackendVerdict]], until: float, now: Callable[[], float], sleep: Callable[[float], None]
) -> list[BackendVerdict]:
    """Return the verdicts when all are good, or else the last ones before a time: a pipeline takes some to deliver."""
    while True:
        verdicts = judge()
        left = until - now()
        if all(verdict.is_good for verdict in verdicts) or left <= 0:
            return verdicts
        sleep(min(_PAUSE_SECONDS, left))


_PAUSE_SECONDS = 1.0
_SURPLUS = ("spans unknown", "lines doubled", "counts doubled", "counts too high")


def _without_surplus(check: BackendCheck) -> BackendCheck:
    """Return a check without findings of what the truth does not have, which may be missing there."""
    return replace(check, findings=tuple(found for found in check.findings if found.name not in _SURPLUS))


def _client(url: str, backends: Backends) -> BackendClient:
    return BackendClient(url, backends.timeout_seconds, total_seconds=10 * backends.timeout_seconds)


def _readable(held: Held) -> Iterable[BackendCheck]:
    found = {what: count for what, count in held.unreadable.items() if count}
    if found:
        findings = tuple(
            BackendFinding(
                name="unreadable",
                count=count,
                meaning=f"{count:,} {what} can't be read: cut off, or not what they should be",
            )
            for what, count in found.items()
        )
        yield BackendCheck(name="form", kept="", findings=findings)
