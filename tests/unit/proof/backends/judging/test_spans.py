"""What is found wrong with spans, each kind of damage by its name, and nothing where there is none."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from simulator.proof.backends.held import CLIENT
from simulator.proof.backends.judging.alterations import judge_alterations
from simulator.proof.backends.judging.clocks import judge_clocks
from simulator.proof.backends.judging.presence import judge_presence
from simulator.proof.backends.matching import match_trace
from simulator.proof.backends.sampling_rules import SamplingRules
from tests.support.held_spans import as_held, moved, traces_of, without

STAGES = ("start", "page", "store")
SPANS_PER_TRACE = 8  # inject, client | server, process, call, client | server, process


def judged(traces, spans, rules=None, offsets=None):
    """Return the findings on spans of these traces, by their names."""
    held = {}
    for span in spans:
        held.setdefault(span.trace_id, []).append(span)
    matched = [match_trace(trace, held.get(trace_id, ())) for trace_id, trace in traces.items()]
    pairs = [pair for trace in matched for pair in trace.pairs]
    checks = [*judge_presence(matched, rules), *judge_alterations(matched, STAGES), judge_clocks(pairs, offsets or {})]
    return {finding.name: finding for check in checks for finding in check.findings}


@pytest.fixture
def traces(tmp_path):
    return traces_of(tmp_path, 200, failing=range(0, 200, 20))


@pytest.fixture
def held(traces):
    spans = [span for trace in traces.values() for span in as_held(trace)]
    assert len(spans) == 200 * SPANS_PER_TRACE
    return spans


def only(findings, name):
    """Return the finding of that name, which must be the only one."""
    assert list(findings) == [name], findings
    return findings[name]


def test_nothing_is_found_where_nothing_was_touched(traces, held):
    """In any order."""
    random.Random(1).shuffle(held)
    assert judged(traces, held) == {}


def test_every_second_trace_is_missing(traces, held):
    """Whole traces are missing, and the rest is said to be like a sampler's."""
    found = only(judged(traces, [span for span in held if int(span.trace_id, 16) % 2]), "traces missing")
    assert (found.count, found.total) == (100, 200)
    assert "as with a sampler that keeps 50.0% of them" in found.meaning


def test_all_of_the_run_is_missing(traces):
    """A backend that holds other runs only."""
    found = only(judged(traces, []), "traces missing")
    assert (found.count, found.total) == (200, 200)
    assert "sampler" not in found.meaning


def test_an_incomplete_trace_names_its_missing_spans(traces, held):
    """One span of a trace."""
    lost = next(span for span in held if span.service == "page" and span.kind == CLIENT)
    found = only(judged(traces, [span for span in held if span is not lost]), "traces incomplete")
    assert (found.count, found.total) == (1, 200)
    assert found.meaning.endswith("lack spans: page client 1")
    assert found.examples == (f"{lost.trace_id}: page POST",)


def test_a_dropped_service_is_named_and_explains_what_is_missing(traces, held):
    """Its traces are not incomplete besides."""
    found = only(judged(traces, [span for span in held if span.service != "store"]), "service missing")
    assert found.count == 400
    assert "no span of store is there, of 400" in found.meaning


def test_a_collector_that_was_down_is_a_gap(traces, held):
    """From 5 s to 8 s nothing is there: ten traces a second, of eight spans each."""
    begin = min(span.start_unix_ns for span in held)
    kept = [span for span in held if not 5 * 10**9 <= span.end_unix_ns - begin < 8 * 10**9]
    found = only(judged(traces, kept), "gap in time")
    assert found.count == len(held) - len(kept)
    assert "for 3.0 s" in found.meaning or "for 3.1 s" in found.meaning


def test_doubled_spans_are_counted(traces, held):
    """The same ids again."""
    found = only(judged(traces, [*held, *held[:25]]), "spans doubled")
    assert found.count == 25


def test_spans_that_the_run_does_not_have_are_counted(traces, held):
    """In its traces, of its stages, under ids of their own; those of other services are none of its business."""
    extra = replace(held[0], span_id="f" * 16, parent_id=held[0].span_id, name="retry")
    assert only(judged(traces, [*held, extra]), "spans unknown").count == 1
    assert judged(traces, [*held, replace(extra, service="browser")]) == {}


@pytest.mark.parametrize(
    "name", ["simulator.outcome", "http.response.status_code", "peer.service", "simulator.delay.spec"]
)
def test_a_dropped_attribute_is_named(traces, held, name):
    """In every span that has it."""
    found = only(judged(traces, [without(span, name) for span in held]), "attribute dropped")
    assert found.count == found.total == sum(name in span.attributes for span in held)
    assert found.meaning.startswith(f"{name} is missing")


@pytest.mark.parametrize("name", ["simulator.outcome", "http.response.status_code", "peer.service", "url.full"])
def test_a_renamed_attribute_is_named_with_its_new_name(traces, held, name):
    """Another attribute has its values, or, where these are not known, is in the same places."""
    found = only(judged(traces, [without(span, name, "new.name") for span in held]), "attribute renamed")
    assert found.meaning.startswith(f"{name} is new.name there")


def test_a_changed_value_is_shown(traces, held):
    """As by a processor that hashes."""
    hashed = [
        replace(span, attributes={**span.attributes, "simulator.message_id": "0"})
        if "simulator.message_id" in span.attributes
        else span
        for span in held
    ]
    found = only(judged(traces, hashed), "attribute changed")
    assert found.count == 600
    assert found.examples[0] == "'0' is not 'm-0'"


def test_other_names_services_parents_and_status_are_found(traces, held):
    """Each by a finding of its own."""

    def changed(stage, **changes):
        return [replace(span, **changes) if span.service == stage and span.kind == 2 else span for span in held]

    assert only(judged(traces, changed("page", name="POST")), "name changed").count == 200
    found = only(judged(traces, changed("store", service="")), "service changed")
    assert "store is without a name" in found.meaning
    assert only(judged(traces, changed("store", parent_id="e" * 16)), "parent changed").count == 200
    assert only(judged(traces, changed("store", is_error=False)), "status changed").count == 10


def test_a_service_under_another_name_is_found(traces, held):
    """All of its spans, which are still matched by their ids and parents."""
    found = only(
        judged(traces, [replace(span, service="shop") if span.service == "page" else span for span in held]),
        "service changed",
    )
    assert found.count == 200 * 4 and "page is shop" in found.meaning


@pytest.mark.parametrize(("seconds", "text"), [(2.0, "2.000 s ahead"), (-0.25, "0.250 s behind")])
def test_a_clock_that_differs_is_found_with_its_skew(traces, held, seconds, text):
    """All spans of one service are moved, and no others."""
    found = only(
        judged(traces, [moved(span, seconds) if span.service == "page" else span for span in held]), "clock skew"
    )
    assert found.meaning == f"the clock of page is {text}, in all spans"


def test_a_clock_that_differed_in_the_run_itself_is_found_too(traces, held):
    """The backend has what the stage sent: its clock was ahead, as the truth knows by the monotonic one."""
    found = only(judged(traces, held, offsets={"start": 0.0, "page": 2.0, "store": 0.0}), "clock skew")
    assert "page is 2.000 s ahead" in found.meaning


def test_times_that_were_moved_one_by_one_are_counted(traces, held):
    """Every tenth server span of a service is longer than it was; a shift of less than a millisecond is none."""
    servers = [span for span in held if span.service == "page" and span.kind == 2][::10]
    ids = {span.span_id for span in servers}
    longer = [replace(span, end_unix_ns=span.end_unix_ns + 10**8) if span.span_id in ids else span for span in held]
    assert only(judged(traces, longer), "times moved").count == 20
    assert judged(traces, [moved(span, 0.0005) for span in held]) == {}


class TestSampler:
    """What a sampler should have kept."""

    def test_a_share_as_configured_is_good(self, traces, held):
        """20 of 200 is 10%, and so is 24, by chance."""
        for kept in (20, 24):
            ids = list(traces)[:: 200 // kept][:kept]
            assert judged(traces, [span for span in held if span.trace_id in ids], SamplingRules(ratio=0.1)) == {}

    def test_another_share_is_refuted_by_the_exact_test(self, traces, held):
        """50 of 200 where 10% are expected: 1 - binom.cdf(49, 200, 0.1) is 1e-9."""
        ids = list(traces)[::4]
        found = judged(traces, [span for span in held if span.trace_id in ids], SamplingRules(ratio=0.1))
        assert only(found, "sampling share").count == 50

    def test_a_single_exception_refutes_all_and_none(self, traces, held):
        """Shares of 100% and 0% allow for none."""
        rest = [span for span in held if span.trace_id != next(iter(traces))]
        assert only(judged(traces, rest, SamplingRules(ratio=1.0)), "sampling share").count == 199
        one = [span for span in held if span.trace_id == next(iter(traces))]
        assert only(judged(traces, one, SamplingRules(ratio=0.0)), "sampling share").count == 1

    def test_errors_that_were_not_kept_are_named(self, traces, held):
        """A head sampler keeps one in ten of them, where all ten should be there."""
        rules = SamplingRules(ratio=0.1, keeps_errors=True)
        errors = [trace_id for trace_id, trace in traces.items() if trace.has_error]
        others = [trace_id for trace_id in traces if trace_id not in errors][::10]
        assert judged(traces, [span for span in held if span.trace_id in [*errors, *others]], rules) == {}
        lacking = [*errors[1:], *others]
        found = only(judged(traces, [span for span in held if span.trace_id in lacking], rules), "kept traces missing")
        assert (found.count, found.total) == (1, 10)
        assert found.examples == (f"{errors[0]}: 0.050 s, with an error",)

    def test_what_the_rules_leave_out_is_no_gap(self, traces, held):
        """The failing traces of the first seconds are kept, and nothing else for the rest of the run."""
        rules = SamplingRules(ratio=0.0, keeps_errors=True)
        errors = [trace_id for trace_id, trace in traces.items() if trace.has_error]
        early = {trace_id: trace for trace_id, trace in traces.items() if trace_id in errors[:3] or not trace.has_error}
        kept = [span for span in held if span.trace_id in errors[:3]]
        assert judged(early, kept, rules) == {}

    def test_a_gap_is_found_among_what_the_rules_keep(self, traces, held):
        """Everything is slower than the limit, and that of three seconds is missing."""
        rules = SamplingRules(ratio=0.0, slower_than_seconds=0.01)
        begin = min(span.start_unix_ns for span in held)
        kept = [span for span in held if not 5 * 10**9 <= span.end_unix_ns - begin < 8 * 10**9]
        assert only(judged(traces, kept, rules), "gap in time")

    def test_a_kept_trace_must_be_whole(self, traces, held):
        """A sampler that decides span by span is none."""
        rng = random.Random(1)
        found = judged(traces, [span for span in held if rng.random() < 0.1], SamplingRules(ratio=0.1))
        assert "traces incomplete" in found
