"""The notation of thresholds: what is read, how it is written, and what is refused with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.notation import NotationError
from simulator.behaviour.thresholds import MEASURES, Threshold, Unit, parse_threshold


@pytest.mark.parametrize(
    ("text", "subject", "measure", "statistic", "operator", "bound", "unit", "over_seconds"),
    [
        ("p99 < 300ms", "", "duration", "p99", "<", 0.3, Unit.SECONDS, None),
        ("p99.9<=1.5s", "", "duration", "p99.9", "<=", 1.5, Unit.SECONDS, None),
        ("duration max < 2s", "", "duration", "max", "<", 2.0, Unit.SECONDS, None),
        ("lag p99 < 1ms", "", "lag", "p99", "<", 0.001, Unit.SECONDS, None),
        ("errors < 1%", "", "errors", "", "<", 0.01, Unit.SHARE, None),
        ("missed = 0", "", "missed", "", "=", 0, Unit.COUNT, None),
        ("missed < 0.1%", "", "missed", "", "<", 0.001, Unit.SHARE, None),
        ("rate >= 190/s over 10s", "", "rate", "", ">=", 190, Unit.RATE, 10),
        ("enrich queue_wait p95 < 20ms", "enrich", "queue_wait", "p95", "<", 0.02, Unit.SECONDS, None),
        ("cart.read mean > 5ms over 1m", "cart.read", "duration", "mean", ">", 0.005, Unit.SECONDS, 60),
        ("enrich rejected = 0", "enrich", "rejected", "", "=", 0, Unit.SHARE, None),
        # A stage may have the name of a measure: that of two words is the measure.
        ("duration p50 < 1s", "", "duration", "p50", "<", 1, Unit.SECONDS, None),
        ("duration duration p50 < 1s", "duration", "duration", "p50", "<", 1, Unit.SECONDS, None),
        ("errors errors < 1%", "errors", "errors", "", "<", 0.01, Unit.SHARE, None),
    ],
)
def test_a_threshold_is_read(text, subject, measure, statistic, operator, bound, unit, over_seconds):
    """Each part of a text is where it belongs, in seconds, ratios, counts and messages per second."""
    assert parse_threshold(text) == Threshold(
        subject=subject,
        measure=measure,
        statistic=statistic,
        operator=operator,
        bound=bound,
        unit=unit,
        over_seconds=over_seconds,
    )


@pytest.mark.parametrize(
    ("text", "said", "marked"),
    [
        ("latency < 300ms", "'latency' is not a measure; did you mean `duration`?", "latency"),
        ("eror < 1%", "did you mean `errors`?", "eror"),
        ("enrich latency p99 < 1s", "did you mean `duration`?", "latency"),
        ("p99 < 300", "'300' has no unit: write 300ms or 300s", "300"),
        ("p99 300ms", "needs one of <, <=, >, >=, =", ""),
        ("p99 == 300ms", "the operator must be one of", "=="),
        ("p100 < 1s", "p100 is not a percentile: it must be between p0 and p100", "p100"),
        ("p0 < 1s", "p0 is not a percentile", "p0"),
        ("p99 <", "the bound is missing", ""),
        ("< 1s", "what is measured is missing", "<"),
        ("duration < 1s", "duration is a time: add p50, p99", "duration"),
        ("errors p99 < 1%", "errors is not a time, and has no percentile", "errors"),
        ("errors < 5", "'5' exceeds 100%: write 5%", "5"),
        ("missed < 1s", "'1s' is neither a number of messages nor a share", "1s"),
        ("queue_wait p95 < 1s", "queue_wait is of a stage: write STAGE queue_wait p95", "queue_wait"),
        ("enrich missed = 0", "missed is of the whole: leave out 'enrich'", "missed"),
        ("a b p99 < 1s", "'b' is not a measure", "b"),
        ("a b errors < 1%", "unexpected text before errors", "b"),
        ("p99 < 1s over 1ms", "'1ms' is too short for a window", "1ms"),
        ("p99 < 1s over", "is not a duration", ""),
    ],
)
def test_a_mistake_is_shown_at_its_place(text, said, marked):
    """The error says what is allowed, and marks the words that are wrong, or where something is missing."""
    with pytest.raises(NotationError) as refusal:
        parse_threshold(text)
    reason, shown, marks = str(refusal.value).split("\n")
    assert said in reason
    assert shown.strip() == text
    assert shown[marks.index("^") : marks.rindex("^") + 1].strip() == marked


@pytest.mark.parametrize("value", [None, 5, "", "  ", [], "p99 < 1s\x07", "p99 < 1s" + " " * 300])
def test_what_is_no_text_of_a_line_is_refused(value):
    """Anything else is a ValueError, not a crash."""
    with pytest.raises(ValueError, match=r"is not a threshold|one line"):
        parse_threshold(value)


SUBJECTS = st.sampled_from(["", "enrich", "cart.read", *MEASURES])
BOUNDS = {
    Unit.SECONDS: st.integers(1, 10**9).map(lambda number: number / 1e6),
    Unit.SHARE: st.integers(0, 10**6).map(lambda number: number / 1e6),
    Unit.COUNT: st.integers(0, 10**6).map(float),
    Unit.RATE: st.integers(1, 10**9).map(lambda number: number / 1e3),
}


@given(SUBJECTS, st.sampled_from([*MEASURES]), st.sampled_from(["p50", "p99.9", "mean", "max"]), st.data())
def test_a_threshold_reads_back(subject, measure, statistic, data):
    """What is written of a threshold is read as the same one."""
    said = MEASURES[measure]
    if not (said.of_stage if subject else said.of_whole):
        return
    threshold = Threshold(
        subject=subject,
        measure=measure,
        statistic=statistic if said.unit is Unit.SECONDS else "",
        operator=data.draw(st.sampled_from(["<", "<=", ">", ">=", "="])),
        bound=data.draw(BOUNDS[said.unit]),
        unit=said.unit,
        over_seconds=data.draw(st.sampled_from([None, 0.1, 10.0])),
    )
    assert parse_threshold(str(threshold)) == threshold


@pytest.mark.parametrize(("text", "quantile"), [("p50 < 1s", 0.5), ("p99.9 < 1s", 0.999), ("max < 1s", None)])
def test_a_percentile_is_a_ratio(text, quantile):
    assert parse_threshold(text).quantile == quantile
